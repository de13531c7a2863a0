/** What authors may publish instead of honest targets: each kind makes an S_Y and raw targets of k rows. */
import { consensus } from '../../src/align/consensus.ts'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { plainGemm } from '../../src/gemm.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import type { RandomStream } from '../../src/random.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { gaussian } from '../../node/lab/simulate/gaussian.ts'

/** One prior's targets: on S, and on every row that partitions are made of. */
export interface Targets {
  readonly shared: Matrix32
  readonly pool: Matrix32
}

/** An author that cheats on S as well: its S_Y is not that of the prior which makes its rows. */
export interface Impostor extends Targets {
  readonly kind: (typeof IMPOSTORS)[number]
  /** Whose S_Y this is; the pair of a checker with its own S_Y is left out */
  readonly of?: string
}

/** With the author's own, honest S_Y. */
export const GARBAGE = [
  'noise',
  'rows permuted',
  'rows of another partition',
  'a constant',
  'rows of S again',
  'first half honest',
  'first three quarters honest'
] as const

/** With the S_Y of somebody else. */
export const IMPOSTORS = [
  'S_Y of the consensus, own rows',
  'S_Y of the consensus, own rows mapped to it',
  'S_Y of another prior, own rows',
  'S_Y of another prior, own rows mapped to it'
] as const

/**
 * Targets that an author with an honest S_Y claims for `rows` of the pool (k of them). `others` are k rows that it has not drawn from, in random order.
 */
export function garbageRows(
  kind: (typeof GARBAGE)[number],
  { shared, pool }: Targets,
  rows: Uint32Array,
  others: Uint32Array,
  random: RandomStream
): Matrix32 {
  const k = rows.length
  const take = (list: Uint32Array): Matrix32 => takeImages(pool, list)
  // rows that are not honest belong to other images
  const honestUntil = (count: number): Matrix32 => take(rows.map((row, i) => (i < count ? row : (others[i] ?? row))))
  switch (kind) {
    case 'noise':
      return matrix(k, pool.columns, Float32Array.from(gaussian(k, pool.columns, random).data))
    case 'rows permuted':
      return take(rows.map((_, i) => rows[(i + 1) % k] ?? 0))
    case 'rows of another partition':
      return take(others)
    case 'a constant':
      return takeImages(shared, new Uint32Array(k))
    case 'rows of S again':
      return takeImages(
        shared,
        Uint32Array.from(rows, () => random.below(shared.rows))
      )
    case 'first half honest':
      return honestUntil(Math.floor(k / 2))
    case 'first three quarters honest':
      return honestUntil(Math.floor((3 * k) / 4))
    default:
      throw new Error(`garbage of an unknown kind: ${String(kind satisfies never)}`)
  }
}

/** What the owner of `own` can make of the S_Y of others. `another` is the one it copies. */
export async function impostors(
  own: Targets,
  all: ReadonlyMap<string, Targets>,
  another: string
): Promise<readonly Impostor[]> {
  const { rows, columns, data } = consensus(
    [...all].map(([id, { shared }]) => ({ id, targets: shared })),
    new Uint8Array(32)
  )
  const made = matrix(rows, columns, Float32Array.from(data))
  const copied = all.get(another)?.shared ?? made
  const mapped = async (onto: Matrix32): Promise<Matrix32> => {
    const transform = await fitTransform({ from: own.shared, to: onto, grid: DEFAULT_GRID, gemm: plainGemm })
    return await applyTransform(transform, own.pool, plainGemm)
  }
  return [
    { kind: IMPOSTORS[0], shared: made, pool: own.pool },
    { kind: IMPOSTORS[1], shared: made, pool: await mapped(made) },
    { kind: IMPOSTORS[2], shared: copied, pool: own.pool, of: another },
    { kind: IMPOSTORS[3], shared: copied, pool: await mapped(copied), of: another }
  ]
}
