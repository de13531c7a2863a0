import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigurationReport } from '../../../../node/lab/simulate/report.ts'
import { BASE, only, smallPlans, type SmallPlans } from './small-plan.ts'

let plans: SmallPlans
beforeAll(async () => {
  plans = await smallPlans()
})
afterAll(async () => await plans.close())

const against = async (attackers: object[], rest: object = {}): Promise<ConfigurationReport> =>
  only(
    await plans.run({ configs: [{ name: 'attacked', participants: [...BASE.participants, ...attackers], ...rest }] })
  )

const rankOf = (report: ConfigurationReport, participant: string): number =>
  report.ranking.findIndex(r => r.participant === participant)

describe('under uniformity', () => {
  test('noise is elected without the gate, and refused by it', async () => {
    const noise = [{ attack: 'noise' }]
    const open = await against(noise, { gate: false })
    expect(open.reference).toMatchObject({ from: ['noise'] })
    expect(open.ranking[0]?.figure).toBeLessThan(-3.5)
    const gated = await against(noise)
    expect(gated.participants.find(p => p.participant === 'noise')).toMatchObject({ eligible: false, partitions: 0 })
    expect(gated.participants.find(p => p.participant === 'noise')?.margin).toBeLessThan(0)
    expect(gated.reference?.from).not.toEqual(['noise'])
    expect(gated.coverage).toBe(1)
  })

  test('a whitened weak prior is elected', async () => {
    const report = await against([{ prior: 'superclass2', attack: 'whiten' }], { gate: false })
    expect(report.reference).toMatchObject({ from: ['superclass2-whiten'] })
  })

  test('a rotated copy is as good as what it copies, and its partitions are those of its own prior', async () => {
    const report = await against([{ prior: 'superclass2', attack: 'copy' }])
    const [first, second] = report.ranking
    expect(first?.figure).toBeCloseTo(second?.figure ?? 0, 1)
    expect([first?.participant, second?.participant]).toContain('superclass2-copy')
    const copy = report.participants.find(p => p.participant === 'superclass2-copy')
    expect(copy?.looR2).toBeGreaterThan(0.9)
    expect(copy?.partitions).toBeGreaterThan(0)
  })

  test('targets mixed with noise gain uniformity', async () => {
    const report = await against([{ prior: 'superclass2', attack: 'blend', weight: 0.3 }], { gate: false })
    expect(rankOf(report, 'superclass2-blend')).toBeLessThan(rankOf(report, 'superclass2'))
  })

  test('reference features can be mixed with noise, by whoever has no prior', async () => {
    const report = await against([{ attack: 'blend', of: 'reference', weight: 0, name: 'plain' }])
    const plain = report.participants.find(p => p.participant === 'plain')
    expect(plain?.prior).toBe('untrained')
    expect(plain?.eligible).toBe(true)
  })

  test('garbage behind an honest shared set is taken, and seen by the probe', async () => {
    const participants = (attack?: string): object[] => [
      { prior: 'resnet20' },
      { prior: 'vgg_small', name: 'v', speed: 3, ...(attack === undefined ? {} : { attack }) }
    ]
    const [honest, garbage] = await plans.run({
      configs: [
        { name: 'honest', participants: participants() },
        { name: 'garbage', participants: participants('garbage') }
      ]
    })
    expect(garbage?.ranking.map(r => r.figure)).toEqual(honest?.ranking.map(r => r.figure))
    const partitions = (report: ConfigurationReport | undefined): number | undefined =>
      report?.participants.find(p => p.participant === 'v')?.partitions
    expect(partitions(garbage)).toBe(partitions(honest))
    expect(partitions(garbage)).toBeGreaterThanOrEqual(4)
    const accuracy = (report: ConfigurationReport | undefined): number =>
      report?.probe !== undefined && 'accuracy' in report.probe ? report.probe.accuracy : Number.NaN
    expect(accuracy(garbage)).toBeLessThan(accuracy(honest) - 0.1)
  })

  test('one attack has many identities, none of which publishes the same bytes', async () => {
    const report = await against([{ prior: 'superclass2', attack: 'whiten', sybils: 3 }], { gate: false })
    const names = ['superclass2-whiten', 'superclass2-whiten-2', 'superclass2-whiten-3']
    expect(
      report.ranking
        .slice(0, 3)
        .map(r => r.participant)
        .sort()
    ).toEqual(names)
    expect(report.ranking.every(r => r.electable)).toBe(true)
  })
})

test('predictivity ranks a whitened prior behind the honest ones, itself among them', async () => {
  const report = await against([{ prior: 'superclass2', attack: 'whiten' }], { policy: 'predictivity', gate: false })
  expect(rankOf(report, 'superclass2-whiten')).toBeGreaterThan(rankOf(report, 'superclass2'))
  expect(report.reference?.from).not.toContain('superclass2-whiten')
  expect(report.participants.every(p => p.predictivity !== undefined)).toBe(true)
})
