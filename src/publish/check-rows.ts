/**
 * Which rows of a shard are checked, and how many.
 *
 * The checker draws a seed after the shard was published and reveals it with its verdict: an author cannot know the rows, and anybody can see that the
 * checker did not choose them.
 */
import { NumericError } from '../errors.ts'
import { matrix, row, type Matrix32 } from '../matrix.ts'
import { createRandomStream } from '../random.ts'

export const CHECK_SEED_BYTES = 32

/** With fewer rows, honest shards are often not praised and garbage not blamed (RESULTS.md, "Checks"). */
const LEAST_ROWS = 32

/** More rows only find smaller shares of garbage. */
const MOST_ROWS = 128

/**
 * `k` different rows of 0 .. count - 1, ascending; every set is equally likely (Floyd's algorithm: k draws, whatever `count` is). All rows if there
 * are no more than k. A function of the seed: SHAKE256 of the parts `coopt/1/check-rows` and `seed`, as in random.ts.
 *
 * Throws `NumericError` unless count and k are whole numbers from 0 and count is at most 2^32, and for a seed of another length.
 */
export function drawRows(count: number, k: number, seed: Uint8Array): number[] {
  if (seed.byteLength !== CHECK_SEED_BYTES)
    throw new NumericError(`rows are drawn by a seed of ${CHECK_SEED_BYTES} bytes, got ${seed.byteLength}`)
  if (!Number.isSafeInteger(k) || k < 0 || !Number.isInteger(count) || count < 0 || count > 0x1_0000_0000)
    throw new NumericError(`cannot draw ${k} of ${count} rows`)
  const stream = createRandomStream('coopt/1/check-rows', seed)
  const drawn = new Set<number>()
  for (let last = Math.max(0, count - k); last < count; last++) {
    const row = stream.below(last + 1)
    drawn.add(drawn.has(row) ? last : row)
  }
  return [...drawn].sort((a, b) => a - b)
}

/**
 * Rows of a partition that one check looks at: a twentieth, so that one check of every shard costs 5 % of the inference, but at least `LEAST_ROWS` and
 * at most `MOST_ROWS`. Partitions of 2,560 rows and more give full checks within that; of 640 and fewer cost more than 5 % until their authors have earned a history.
 */
export function rowsToCheck(partitionRows: number): number {
  return Math.min(partitionRows, Math.max(LEAST_ROWS, Math.min(MOST_ROWS, Math.floor(partitionRows / 20))))
}

/** Rows of a second look at what another checker found plausible: the fewest that tell anything. */
export function rowsToCheckAgain(partitionRows: number): number {
  return Math.min(partitionRows, LEAST_ROWS)
}

/** Copies of these rows: k x n. */
export function drawnRows(all: Matrix32, rows: readonly number[]): Matrix32 {
  const data = new Float32Array(rows.length * all.columns)
  for (const [i, at] of rows.entries()) data.set(row(all, at), i * all.columns)
  return matrix(rows.length, all.columns, data)
}
