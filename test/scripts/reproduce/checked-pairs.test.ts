import { describe, expect, it } from 'vitest'
import { checkPairs, HONEST, HONEST_DRAWS, keyOf, KINDS } from '../../../scripts/reproduce/checked-pairs.ts'
import type { Dataset } from '../../../scripts/reproduce/datasets.ts'
import { checks } from '../../../scripts/reproduce/figures-checks.ts'
import { Results } from '../../../scripts/reproduce/figure.ts'
import { GARBAGE } from '../../../scripts/reproduce/garbage.ts'
import { quickScale } from '../../../scripts/reproduce/work-list.ts'
import { gaussian, honest } from '../../helpers/synthetic-priors.ts'

const ROWS = 900
const PRIORS = ['a', 'b', 'c', 'd']
const causes = gaussian(ROWS, 8, 'causes')
const features = new Map(PRIORS.map((prior, i) => [prior, honest(causes, 24 + 8 * i, 1, prior)] as const))
const reference = honest(causes, 16, 1, 'reference')
const dataset: Dataset = { name: 'CIFAR-10', reference, features, swarm: PRIORS, quality: new Map() }

describe('checks of every author by every checker', () => {
  it('are counted by kind, number of rows and pair', async () => {
    const found = await checkPairs(dataset, { m: 300, n: 32, draws: 1 }, PRIORS, [32, 64, 700])
    const total = (kind: string, k: number): number => found.checks[keyOf(kind, k)]?.total ?? 0
    for (const k of [32, 64]) {
      expect(total(HONEST, k)).toBe(4 * 3 * HONEST_DRAWS)
      for (const kind of GARBAGE) expect(total(kind, k)).toBe(4 * 3)
      // a checker whose own S_Y was copied is left out
      expect(total('S_Y of another prior, own rows', k)).toBe(4 * 2)
    }
    // the pool has 600 rows
    for (const kind of KINDS) expect(total(kind, 700)).toBe(0)
    expect(found.pairs[keyOf('a', 'b', HONEST, 64)]?.total).toBe(HONEST_DRAWS)
    // two partitions of each author
    expect(found.distributions[HONEST]).toMatchObject({ total: 8, found: 0 })
  })

  it('make a section whose claims hold for priors that see the same', async () => {
    const results = new Results({
      scale: quickScale(1),
      reports: new Map(),
      students: new Map(),
      real: undefined,
      zoo: new Map(),
      variants: async () => [],
      lateAndStrong: async () => ({ mergedCid: '', reference: '', leavers: [], students: [] }),
      photoSwarm: async () => ({ mergedCids: [], seconds: 0, processes: [] }),
      paces: async () => new Map(),
      datasets: async () => [dataset]
    })
    const { rows, columns, verdicts } = await checks.section(results)
    expect(rows).toHaveLength(KINDS.length)
    for (const row of rows) for (const c of columns) expect(c.text(row)).not.toMatch(/NaN|undefined|\[object/)
    expect(verdicts.filter(v => v.firm === true).map(v => v.outcome)).toEqual(['holds', 'holds', 'holds'])
  })
})
