/** Checks of every author by every checker of a dataset's swarm, honest and not, counted by verdict. */
import { createHash } from 'node:crypto'
import type { Matrix32 } from '../../src/matrix.ts'
import { CHECK_SEED_BYTES, drawRows as rowsOfSeed } from '../../src/publish/check-rows.ts'
import { testDistribution } from '../../src/publish/distribution.ts'
import { checkRows, fitPlausibility, type PlausibilityFit, type Verdict } from '../../src/publish/plausibility.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { drawRows, targetsOf, type Dataset } from './datasets.ts'
import { GARBAGE, garbageRows, impostors, IMPOSTORS, type Targets } from './garbage.ts'

export const HONEST = 'honest'
export const KINDS = [HONEST, ...GARBAGE, ...IMPOSTORS] as const
type Kind = (typeof KINDS)[number]

/** Rows that partitions are made of; more would only cost memory. */
const POOL = 2000
/** Rows of a partition in the test of its distribution. */
export const PARTITION = 250
/** Honest checks for each check of a kind of garbage: false alarms are rare, and so must be counted among many. */
const HONEST_DRAWS = 3

export interface CheckSetup {
  readonly dataset: string
  readonly m: number
  readonly n: number
  /** Draws of S and of the pool */
  readonly draws: number
}

export class Tally {
  readonly counts: Record<Verdict, number> = { plausible: 0, abstain: 0, implausible: 0 }
  least = Infinity
  greatest = -Infinity
  expected = 0

  add(verdict: Verdict, z: number, expected: number): void {
    this.counts[verdict]++
    this.least = Math.min(this.least, z)
    this.greatest = Math.max(this.greatest, z)
    this.expected += expected
  }

  get total(): number {
    const { plausible, abstain, implausible } = this.counts
    return plausible + abstain + implausible
  }
}

/** Of the test of distributions: partitions, those found to be of another one, and extremes of z. */
export class DistributionTally {
  total = 0
  found = 0
  least = Infinity
  greatest = -Infinity

  add(z: number, isOther: boolean): void {
    this.total++
    if (isOther) this.found++
    this.least = Math.min(this.least, z)
    this.greatest = Math.max(this.greatest, z)
  }
}

export interface CheckedPairs {
  /** By kind and k */
  readonly checks: ReadonlyMap<string, Tally>
  /** By checker, author, kind and k */
  readonly pairs: ReadonlyMap<string, Tally>
  /** By kind */
  readonly distributions: ReadonlyMap<string, DistributionTally>
}

export const keyOf = (...parts: ReadonlyArray<string | number>): string => parts.join(' | ')

/** k above the pool's rows are left out. `priors` of the dataset check each other. */
export async function checkPairs(
  dataset: Dataset,
  { m, n, draws }: Omit<CheckSetup, 'dataset'>,
  priors: readonly string[],
  ks: readonly number[]
): Promise<CheckedPairs> {
  const checks = new Map<string, Tally>()
  const pairs = new Map<string, Tally>()
  const distributions = new Map<string, DistributionTally>()
  for (let draw = 0; draw < draws; draw++) {
    const order = drawRows(dataset, Math.min(dataset.reference.rows, m + POOL), draw)
    const all = new Map(
      priors.map(prior => {
        const shared = targetsOf(dataset, prior, order.slice(0, m), n)
        return [prior, { shared, pool: targetsOf(dataset, prior, order.slice(m), n) }] as const
      })
    )
    for (const [i, author] of priors.entries()) {
      const own = of(all, author)
      const cheats = await impostors(own, all, priors[(i + 1) % priors.length] ?? author)
      for (const [kind, targets] of [[HONEST, own] as const, ...cheats.map(f => [f.kind, f] as const)])
        testPartitions(
          created(distributions, kind, () => new DistributionTally()),
          targets
        )
      for (const kind of GARBAGE) {
        const random = createRandomStream('coopt/1/reproduce', new Uint8Array(32), keyOf(author, kind, draw))
        const [rows, others] = [firstRows(0, own.pool.rows), firstRows(PARTITION, own.pool.rows)]
        const pool = garbageRows(kind, own, rows, others, random)
        testPartitions(
          created(distributions, kind, () => new DistributionTally()),
          { shared: own.shared, pool }
        )
      }
      for (const checker of priors) {
        if (checker === author) continue
        const by = of(all, checker)
        const fits = new Map<Matrix32, PlausibilityFit>()
        const fit = await fitOnce(fits, by.shared, own.shared)
        for (const k of ks.filter(size => size <= by.pool.rows)) {
          const count = (kind: Kind, used: PlausibilityFit, rows: Uint32Array, theirRows: Matrix32): void => {
            const { verdict, z, expected } = checkRows(used, { ownRows: takeImages(by.pool, rows), theirRows })
            created(checks, keyOf(kind, k), () => new Tally()).add(verdict, z, expected)
            created(pairs, keyOf(checker, author, kind, k), () => new Tally()).add(verdict, z, expected)
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

function testPartitions(tally: DistributionTally, { shared, pool }: Targets): void {
  for (let from = 0; from + PARTITION <= pool.rows; from += PARTITION) {
    const rows = Uint32Array.from({ length: PARTITION }, (_, i) => from + i)
    const found = testDistribution(shared, takeImages(pool, rows))
    if (found !== undefined) tally.add(found.z, found.isOther)
  }
}

/** In random order, so that "the first half" is one of the author's choice. */
function rowsOf(count: number, k: number, name: string): Uint32Array {
  const seed = Uint8Array.from(createHash('sha256').update(name).digest().subarray(0, CHECK_SEED_BYTES))
  const rows = rowsOfSeed(count, k, seed)
  return shuffle(k, createRandomStream('coopt/1/reproduce', seed, 'order')).map(at => rows[at] ?? 0)
}

function created<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key)
  if (known !== undefined) return known
  const value = make()
  map.set(key, value)
  return value
}

function of(all: ReadonlyMap<string, Targets>, prior: string): Targets {
  const targets = all.get(prior)
  if (targets === undefined) throw new Error(`no targets of ${prior}`)
  return targets
}
