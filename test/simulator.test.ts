/** `COOPT_SEED=17 npx vitest run test/simulator.test.ts` replays one history; `COOPT_SEEDS=1000` runs as many. */
import { describe, expect, test } from 'vitest'
import { figure, sizeOf } from './helpers/effort.ts'
import { simulate, type Sabotage, type SimulationReport } from './helpers/simulator.ts'

const replay = process.env['COOPT_SEED']
const seedsFrom = (usual: number): number[] =>
  replay === undefined ? Array.from({ length: sizeOf('COOPT_SEEDS', usual) }, (_, seed) => seed) : [Number(replay)]
const seeds = seedsFrom(100)
/** They take longer. */
const checkSeeds = seedsFrom(17)
/** What ends a hang: ten seconds for a history */
const timeout = Math.max(180_000, 10_000 * Math.max(seeds.length, checkSeeds.length))

describe('a simulated swarm', () => {
  test(
    `comes to one dataset after loss, repetition, reordering, splits and crashes (${seeds.length} seeds)`,
    { timeout },
    async () => {
      const reports: SimulationReport[] = []
      for (const seed of seeds) reports.push(await simulate(seed))
      if (replay !== undefined) return
      // the histories must be worth something: trouble happened, and work was done in spite of it
      const total = (figure: (report: SimulationReport) => number): number =>
        reports.reduce((sum, report) => sum + figure(report), 0)
      expect(total(r => r.records)).toBeGreaterThan(50 * seeds.length)
      expect(total(r => r.crashes)).toBeGreaterThan(3 * seeds.length)
      expect(total(r => r.lost)).toBeGreaterThan(50 * seeds.length)
      expect(total(r => r.equivocators)).toBeGreaterThan(0.1 * seeds.length)
      expect(total(r => Number(r.complete))).toBeGreaterThan((seeds.length >= 100 ? 0.9 : 0.7) * seeds.length)
      if (seeds.length >= 100) expect(new Set(reports.map(r => r.replicas))).toEqual(new Set([5, 6, 7, 8]))
      for (const what of ['records', 'crashes', 'lost', 'equivocators'] as const)
        figure(
          what === 'lost' ? 'lost messages' : what,
          total(r => r[what])
        )
    }
  )

  test(
    `confirms nothing false and catches nobody honest with checks and liars (${checkSeeds.length} seeds)`,
    { timeout },
    async () => {
      const reports: SimulationReport[] = []
      for (const seed of checkSeeds) reports.push(await simulate(seed, undefined, { checks: true }))
      if (replay !== undefined) return
      const total = (figure: (report: SimulationReport) => number): number =>
        reports.reduce((sum, report) => sum + figure(report), 0)
      expect(total(r => r.checks)).toBeGreaterThan(10 * checkSeeds.length)
      expect(total(r => r.falseResults)).toBeGreaterThan(0)
      expect(total(r => Number(r.complete))).toBeGreaterThan(0.8 * checkSeeds.length)
      figure(
        'checks',
        total(r => r.checks)
      )
      figure(
        'false results',
        total(r => r.falseResults)
      )
      figure(
        'crashes',
        total(r => r.crashes)
      )
    }
  )

  test('has the same history for the same seed', async () => {
    expect(await simulate(7)).toEqual(await simulate(7))
    expect((await simulate(8)).root).not.toBe((await simulate(7)).root)
  })

  test.each<[Sabotage, RegExp]>([
    ['no anti-entropy', /the records of replica \d/],
    ['lying disk', /it is lost|signed two records|the records of/],
    ['verdicts differ', /the view of replica \d|what follows from the records/]
  ])('is found out when there is a fault: %s', async (sabotage, complaint) => {
    const found: string[] = []
    for (let seed = 0; seed < 10; seed++) {
      await simulate(seed, sabotage).catch((error: unknown) => found.push(error instanceof Error ? error.message : ''))
    }
    expect(found.filter(message => complaint.test(message)).length).toBeGreaterThan(0)
    expect(found[0]).toMatch(/^seed \d: /)
    expect(found[0]).toMatch(/replay with COOPT_SEED=\d/)
  })
})
