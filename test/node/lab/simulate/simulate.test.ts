import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BASE, only, ROWS, smallPlans, type SmallPlans } from './small-plan.ts'

let plans: SmallPlans
beforeAll(async () => {
  plans = await smallPlans()
})
afterAll(async () => await plans.close())

const bytesOf = async (...path: string[]): Promise<Buffer> => await readFile(join(plans.folder, ...path))

describe('a plan', () => {
  test('gives the same lines and files each time, whatever is cached', async () => {
    const plan = {
      configs: [{ name: 'elected' }, { name: 'random', alignTo: 'random', seed: 3 }, { name: 'none', alignTo: 'none' }]
    }
    const first = await plans.run(plan, { out: 'first' })
    const second = await plans.run(plan, { out: 'second' })
    expect(JSON.stringify(second)).toBe(JSON.stringify(first))
    expect(first.map(r => r.name)).toEqual(['elected', 'random', 'none'])
    for (const name of ['elected', 'random', 'none'])
      for (const end of ['npy', 'npy.ids.txt', 'provenance.csv', ...(name === 'none' ? [] : ['npy.weights.npy'])])
        expect((await bytesOf('second', `${name}.${end}`)).equals(await bytesOf('first', `${name}.${end}`))).toBe(true)
  })

  test('covers every image once: array, ids and provenance have the same rows', async () => {
    const report = only(await plans.run({ configs: [{ name: 'whole' }] }, { out: 'whole' }))
    expect(report).toMatchObject({ rows: ROWS, coverage: 1, rounds: [{ round: 1, done: 8, rows: ROWS, replaced: 0 }] })
    const ids = (await bytesOf('whole', 'whole.npy.ids.txt')).toString().trim().split('\n')
    expect(new Set(ids).size).toBe(ROWS)
    const provenance = (await bytesOf('whole', 'whole.provenance.csv')).toString().trim().split('\n')
    expect(provenance.map(line => line.split(',')[0])).toEqual(['id', ...ids])
    const npy = await bytesOf('whole', 'whole.npy')
    expect(npy.toString('latin1', 0, 128)).toContain(`'shape': (${ROWS}, 64)`)
    expect(npy.byteLength).toBe(128 + ROWS * 64 * 4)
    for (const { participant, partitions } of report.participants)
      expect(provenance.filter(line => line.split(',')[1] === participant)).toHaveLength((partitions * ROWS) / 8)
  })

  test('damaged features are computed again, not used', async () => {
    const plan = { configs: [{ name: 'cached' }] }
    const before = JSON.stringify(await plans.run(plan))
    for (const name of await readdir(join(plans.folder, 'cache'))) {
      const path = join(plans.folder, 'cache', name)
      const bytes = await readFile(path)
      bytes.writeFloatLE(1e30, 4000)
      await writeFile(path, bytes)
    }
    expect(JSON.stringify(await plans.run(plan))).toBe(before)
  })

  test('only what was asked for is run', async () => {
    const plan = { configs: [{ name: 'a' }, { name: 'b' }] }
    expect((await plans.run(plan, { only: ['b'] })).map(r => r.name)).toEqual(['b'])
    await expect(plans.run(plan, { only: ['c'] })).rejects.toThrow('the plan has no configuration "c"')
  })
})

test('the order in which participants are listed changes nothing', async () => {
  const { participants } = BASE
  const configs = [
    { name: 'one', participants },
    { name: 'other', participants: participants.toReversed() }
  ]
  const [one, other] = await plans.run({ configs }, { out: 'order' })
  expect((await bytesOf('order', 'other.npy')).equals(await bytesOf('order', 'one.npy'))).toBe(true)
  expect({ ...other, name: 'one', config: one?.config }).toEqual(one)
})

test('all configurations of a draw are aligned to what they name', async () => {
  const alignments = ['elected', 'best', 'medium', 'worst', 'prior:simclr_conv', 'none', 'random']
  const reports = await plans.run({ configs: alignments.map((alignTo, i) => ({ name: `c${i}`, alignTo })) })
  const references = reports.map(r => r.reference)
  const ranked = reports[0]?.ranking.map(r => r.participant)
  expect(references.slice(0, 4).map(r => r?.from[0])).toEqual([ranked?.[0], ranked?.[0], ranked?.[1], ranked?.[2]])
  expect(references[4]).toMatchObject({ policy: 'named', from: [] })
  expect(new Set(references.map(r => r?.cid)).size).toBe(5)
  for (const { participants } of reports.slice(0, 4)) {
    const self = participants.filter(p => (p.looR2 ?? 0) > 0.95)
    expect(self.length).toBeGreaterThanOrEqual(1)
  }
  // what carries no information is not explained by anybody
  for (const p of reports[6]?.participants ?? []) expect(p.looR2).toBeLessThan(0.1)
  for (const { inconsistency } of reports.slice(0, 4))
    expect(inconsistency.after).toBeLessThan(inconsistency.before ?? 0)
  for (const { probe } of reports) expect(probe).toMatchObject({ rows: ROWS / 5 })
})

test('fast participants do more', async () => {
  const participants = BASE.participants.map(p => ({ ...p, speed: p.prior === 'superclass2' ? 100 : 1 }))
  const report = only(await plans.run({ configs: [{ name: 'speeds', participants }] }))
  expect(report.participants.find(p => p.prior === 'superclass2')?.partitions).toBeGreaterThanOrEqual(5)
})

describe('rounds', () => {
  test('never lower coverage, and only better priors replace work', async () => {
    // a score with the targets of another one's has no value of its own (views.ts), so nobody here has the same prior
    const participants = [{ prior: 'resnet20' }, { prior: 'superclass2', name: 'a' }, { prior: 'simclr_conv' }]
    const upgrades = { superclass2: 'vgg_small' }
    const report = only(
      await plans.run(
        { configs: [{ name: 'rounds', participants, rounds: 3, upgradeShare: 0.2, upgrades }] },
        { out: 'rounds' }
      )
    )
    const { rounds } = report
    expect(rounds.map(r => r.round)).toEqual([1, 2, 3])
    expect(rounds.every(r => r.done === 8 && r.rows === ROWS)).toBe(true)
    expect(rounds.map(r => r.upgraded)).toEqual([[], ['a'], []])
    expect(rounds[0]?.replaced).toBe(0)
    expect(rounds[1]?.replaced).toBeGreaterThan(0)
    expect(rounds[1]?.replaced).toBeLessThanOrEqual(3)
    const value: Record<string, number> = {}
    for (const { prior, figure } of report.ranking) value[prior] = figure ?? 0
    const owners = async (round: number): Promise<string[][]> =>
      (await bytesOf('rounds', `rounds-round${round}.provenance.csv`))
        .toString()
        .trim()
        .split('\n')
        .slice(1)
        .map(l => l.split(','))
    for (let round = 2; round <= 3; round++) {
      const [before, after] = [await owners(round - 1), await owners(round)]
      for (const [i, [id, participant, prior = '']] of after.entries()) {
        const [oldId, oldParticipant, oldPrior = ''] = before[i] ?? []
        expect(id).toBe(oldId)
        if (participant === oldParticipant && prior === oldPrior) continue
        expect(value[prior]).toBeLessThan((value[oldPrior] ?? Number.NaN) - 0.02)
      }
    }
  })
})

test('whoever brings a new reference redoes its share once the others are aligned to it', async () => {
  const participants = ['vgg_small', 'superclass2', 'simclr_conv'].map(prior => ({ prior }))
  const uniform = only(await plans.run({ configs: [{ name: 'ranks' }] })).ranking
  const best = uniform[0]?.prior as string
  const others = participants.filter(p => p.prior !== best)
  // whoever acts first must not find work unfinished and give up: each of the others upgrades in turn
  for (const { prior } of others) {
    const report = only(
      await plans.run({
        configs: [
          { name: `new-${prior}`, participants: others, rounds: 2, upgradeShare: 1, upgrades: { [prior]: best } }
        ]
      })
    )
    expect(report.reference?.prior).toBe(best)
    expect(report.rounds[1]).toMatchObject({ upgraded: [prior], replaced: Math.ceil(8 / others.length), done: 8 })
  }
})

test('people label a share of the partitions, the shared set, and are never the reference', async () => {
  const report = only(
    await plans.run({ configs: [{ name: 'people', gate: false, human: { share: 0.5 } }] }, { out: 'people' })
  )
  const people = report.participants.find(p => p.participant === 'human')
  expect(people?.partitions).toBe(4)
  expect(report.coverage).toBe(1)
  expect(report.ranking.find(r => r.participant === 'human')).toMatchObject({ electable: false })
})

test('two opinions are averaged', async () => {
  const [one, two] = await plans.run({ configs: [{ name: 'one' }, { name: 'two', opinions: 2 }] }, { out: 'opinions' })
  expect(two?.ranking).toEqual(one?.ranking)
  expect((await bytesOf('opinions', 'two.npy')).equals(await bytesOf('opinions', 'one.npy'))).toBe(false)
  expect(
    (await bytesOf('opinions', 'two.provenance.csv')).equals(await bytesOf('opinions', 'one.provenance.csv'))
  ).toBe(true)
})

test('a consensus is a reference of all priors together, to which nobody is aligned perfectly', async () => {
  const report = only(await plans.run({ configs: [{ name: 'consensus', policy: 'consensus' }] }))
  expect(report.reference?.from.toSorted()).toEqual(['resnet20', 'superclass2', 'vgg_small'])
  expect(report.reference?.prior).toBeUndefined()
  expect(report.coverage).toBe(1)
  for (const { looR2 } of report.participants) {
    expect(looR2).toBeGreaterThan(0.05)
    expect(looR2).toBeLessThan(0.99)
  }
})
