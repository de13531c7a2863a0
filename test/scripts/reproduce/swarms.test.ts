import { describe, expect, it } from 'vitest'
import { parsePlan } from '../../../node/lab/simulate/plan.ts'
import { FIGURES, QUICK_FIGURES } from '../../../scripts/reproduce/figures.ts'
import { configName, planOf } from '../../../scripts/reproduce/swarms.ts'
import {
  canonical,
  fullScale,
  quickScale,
  REAL,
  runName,
  seedsOf,
  type Scale
} from '../../../scripts/reproduce/work-list.ts'

const FILES = {
  side: 32,
  images: ['/data/a.tar'],
  labels: '/data/labels.csv',
  testImages: ['/data/test.tar'],
  testLabels: '/data/test.csv',
  zoo: '/data/zoo.json',
  prior: (name: string) => `/data/${name}.onnx`
}
const DATA = { cifar10: FILES, flowers: FILES, photos: FILES }

function planFor(scale: Scale, figures = FIGURES) {
  const setups = new Map(figures.flatMap(f => f.swarms).map(s => [s.name, s]))
  const list = [...setups.values()].flatMap(setup => seedsOf(setup, scale).map(seed => ({ setup, seed })))
  const plans = [...Map.groupBy(list, ({ setup }) => setup.images)].map(([, part]) =>
    parsePlan(planOf(part, DATA, scale), '/')
  )
  return { configurations: plans.flatMap(plan => plan.configurations) }
}

describe('swarms of the figures', () => {
  it('are a plan that coopt simulate takes', () => {
    const { configurations } = planFor(fullScale(3))
    expect(configurations.length).toBeGreaterThan(100)
    expect(configurations.map(c => c.name)).toContain(configName('to-prior-resnet20', 2))
  })

  it('are a plan that coopt simulate takes when quick', () => {
    expect(planFor(quickScale(1), QUICK_FIGURES).configurations.length).toBeGreaterThan(10)
  })

  it('mean the same wherever a name comes twice', () => {
    const seen = new Map<string, string>()
    for (const { name, settings } of FIGURES.flatMap(f => f.swarms)) {
      expect(seen.get(name) ?? canonical(settings), name).toBe(canonical(settings))
      seen.set(name, canonical(settings))
    }
  })

  it('never take more rows than there are', () => {
    for (const { settings } of planFor(fullScale(1)).configurations)
      expect(settings.shared).toBeLessThanOrEqual(settings.rows ?? 0)
  })
})

describe('students of the figures', () => {
  it.each([...FIGURES, ...QUICK_FIGURES].map(f => [f.key, f] as const))('%s: each has a swarm', (_key, figure) => {
    const known = new Set(figure.swarms.map(s => s.name))
    for (const { swarm } of figure.students)
      expect(swarm === REAL ? figure.real === true : known.has(swarm), swarm).toBe(true)
  })

  it('have keys of figures that are all different', () => {
    expect(new Set(FIGURES.map(f => f.key)).size).toBe(FIGURES.length)
  })

  it('are shared: fewer than the figures ask for', () => {
    const all = FIGURES.flatMap(f => f.students)
    expect(new Set(all.map(runName)).size).toBeLessThan(all.length)
  })
})
