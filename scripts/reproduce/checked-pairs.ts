/** Checks of every author by every checker of a dataset's swarm, honest and not, counted by verdict. */
import { createHash } from 'node:crypto'
import type { Matrix32 } from '../../src/matrix.ts'
import { CHECK_SEED_BYTES, drawRows as rowsOfSeed } from '../../src/publish/check-rows.ts'
import { testDistribution } from '../../src/publish/distribution.ts'
import { checkRows, fitPlausibility, type PlausibilityFit, type Verdict } from '../../src/publish/plausibility.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { drawRows, targetsOf, type Dataset } from './datasets.ts'
import { consensusOf, GARBAGE, garbageRows, impostors, IMPOSTORS, type Targets } from './garbage.ts'

export const HONEST = 'honest'
export const KINDS = [HONEST, ...GARBAGE, ...IMPOSTORS] as const
type Kind = (typeof KINDS)[number]

/** Rows that partitions are made of; more would only cost memory. */
const POOL = 2000
/** Rows of a partition in the test of its distribution. */
export const PARTITION = 250
/** Honest checks for each check of a kind of garbage: false alarms are rare, and so must be counted among many. */
export const HONEST_DRAWS = 4
/** Partitions of each impostor in the test of its distribution. */
const CHEAT_PARTITIONS = 2

export interface CheckSetup {
  readonly dataset: string
  readonly m: number
  readonly n: number
  /** Draws of S and of the pool */
  readonly draws: number
}

/** Checks by verdict, extremes of z, and the sum of what was expected. */
export interface Tally {
  readonly counts: Record<Verdict, number>
  least: number
  greatest: number
  expected: number
  total: number
}

/** Of the test of distributions: partitions, those found to be of another one, and extremes of z. */
export interface DistributionTally {
  total: number
  found: number
  least: number
  greatest: number
}

/** Plain, so that it can be kept as JSON. */
export interface CheckedPairs {
  /** By kind and k */
  readonly checks: Readonly<Record<string, Tally>>
  /** By checker, author, kind and k */
  readonly pairs: Readonly<Record<string, Tally>>
  /** By kind */
  readonly distributions: Readonly<Record<string, DistributionTally>>
}

export const keyOf = (...parts: ReadonlyArray<string | number>): string => parts.join(' | ')

/** k above the pool's rows are left out. `priors` of the dataset check each other. */
export async function checkPairs(
  dataset: Dataset,
  { m, n, draws }: Omit<CheckSetup, 'dataset'>,
  priors: readonly string[],
  ks: readonly number[]
): Promise<CheckedPairs> {
  const checks: Record<string, Tally> = {}
  const pairs: Record<string, Tally> = {}
  const distributions: Record<string, DistributionTally> = {}
  for (let draw = 0; draw < draws; draw++) {
    const order = drawRows(dataset, Math.min(dataset.reference.rows, m + POOL), draw)
    const all = new Map(
      priors.map(prior => {
        const shared = targetsOf(dataset, prior, order.slice(0, m), n)
        return [prior, { shared, pool: targetsOf(dataset, prior, order.slice(m), n) }] as const
      })
    )
    const agreed = consensusOf(all)
    for (const [i, author] of priors.entries()) {
      const own = of(all, author)
      const cheats = await impostors(own, all, priors[(i + 1) % priors.length] ?? author, agreed)
      for (const [kind, targets] of [[HONEST, own] as const, ...cheats.map(f => [f.kind, f] as const)])
        testPartitions(
          (distributions[kind] ??= emptyDistribution()),
          targets,
          kind === HONEST ? Infinity : CHEAT_PARTITIONS
        )
      for (const kind of GARBAGE) {
        const random = createRandomStream('coopt/1/reproduce', new Uint8Array(32), keyOf(author, kind, draw))
        const [rows, others] = [firstRows(0, own.pool.rows), firstRows(PARTITION, own.pool.rows)]
        const pool = garbageRows(kind, own, rows, others, random)
        testPartitions((distributions[kind] ??= emptyDistribution()), { shared: own.shared, pool }, 1)
      }
      for (const checker of priors) {
        if (checker === author) continue
        const by = of(all, checker)
        const fits = new Map<Matrix32, PlausibilityFit>()
        const fit = await fitOnce(fits, by.shared, own.shared)
        for (const k of ks.filter(size => size <= by.pool.rows)) {
          const count = (kind: Kind, used: PlausibilityFit, rows: Uint32Array, theirRows: Matrix32): void => {
            const { verdict, z, expected } = checkRows(used, { ownRows: takeImages(by.pool, rows), theirRows })
            add((checks[keyOf(kind, k)] ??= emptyTally()), verdict, z, expected)
            add((pairs[keyOf(checker, author, kind, k)] ??= emptyTally()), verdict, z, expected)
          }
          const name = keyOf(dataset.name, m, n, draw, checker, author, k)
          for (let again = 0; again < HONEST_DRAWS; again++) {
            const rows = rowsOf(by.pool.rows, k, `${name} ${again}`)
            count(HONEST, fit, rows, takeImages(own.pool, rows))
          }
          const rows = rowsOf(by.pool.rows, k, name)
          const random = createRandomStream('coopt/1/reproduce', new Uint8Array(32), name)
          // by a random distance around the pool: other images for every row
          const distance = 1 + random.below(by.pool.rows - 1)
          const others = rows.map(row => (row + distance) % by.pool.rows)
          for (const kind of GARBAGE) count(kind, fit, rows, garbageRows(kind, own, rows, others, random))
          for (const { kind, shared, pool, of: whose } of cheats) {
            if (whose === checker) continue
            const used = await fitOnce(fits, by.shared, shared)
            count(kind, used, rows, takeImages(pool, rows))
          }
        }
      }
    }
  }
  return { checks, pairs, distributions }
}

// --- internal ---

async function fitOnce(
  known: Map<Matrix32, PlausibilityFit>,
  own: Matrix32,
  their: Matrix32
): Promise<PlausibilityFit> {
  const found = known.get(their)
  if (found !== undefined) return found
  const fit = await fitPlausibility(own, their)
  known.set(their, fit)
  return fit
}

/** A partition's worth of the pool. */
function firstRows(from: number, count: number): Uint32Array {
  return Uint32Array.from({ length: PARTITION }, (_, i) => (from + i) % count)
}

function testPartitions(tally: DistributionTally, { shared, pool }: Targets, most: number): void {
  for (let at = 0; at < most && (at + 1) * PARTITION <= pool.rows; at++) {
    const rows = Uint32Array.from({ length: PARTITION }, (_, i) => at * PARTITION + i)
    const found = testDistribution(shared, takeImages(pool, rows))
    if (found === undefined) continue
    tally.total++
    if (found.isOther) tally.found++
    tally.least = Math.min(tally.least, found.z)
    tally.greatest = Math.max(tally.greatest, found.z)
  }
}

// JSON has no infinities
const emptyTally = (): Tally => ({
  counts: { plausible: 0, abstain: 0, implausible: 0 },
  least: Number.MAX_VALUE,
  greatest: -Number.MAX_VALUE,
  expected: 0,
  total: 0
})

const emptyDistribution = (): DistributionTally => ({
  total: 0,
  found: 0,
  least: Number.MAX_VALUE,
  greatest: -Number.MAX_VALUE
})

function add(tally: Tally, verdict: Verdict, z: number, expected: number): void {
  tally.counts[verdict]++
  tally.total++
  tally.least = Math.min(tally.least, z)
  tally.greatest = Math.max(tally.greatest, z)
  tally.expected += expected
}

/** In random order, so that "the first half" is one of the author's choice. */
function rowsOf(count: number, k: number, name: string): Uint32Array {
  const seed = Uint8Array.from(createHash('sha256').update(name).digest().subarray(0, CHECK_SEED_BYTES))
  const rows = rowsOfSeed(count, k, seed)
  return shuffle(k, createRandomStream('coopt/1/reproduce', seed, 'order')).map(at => rows[at] ?? 0)
}

function of(all: ReadonlyMap<string, Targets>, prior: string): Targets {
  const targets = all.get(prior)
  if (targets === undefined) throw new Error(`no targets of ${prior}`)
  return targets
}
