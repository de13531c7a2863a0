/**
 * Assigns samples to partitions and to the shared set: a pure function of the samples' digests, a seed and the counts.
 *
 * Samples are first sorted by their digests, so that names, folders and the order of reading do not affect the result. A seeded shuffle of that order
 * is then cut into partitions whose sizes differ by at most one; they are disjoint and together hold every sample. The shared set S is a second,
 * independent draw without replacement from all samples (its rows are in partitions too). Equal samples count as often as they occur; which of them
 * goes where makes no difference.
 *
 * Typed arrays throughout: ten million samples take 320 MB of digests and 40 MB for each order.
 */
import { InvalidInputError } from '../errors.ts'
import { createRandomStream, shuffle } from '../random.ts'

export const DIGEST_BYTES = 32

export interface PartitionPlan {
  /** Sample numbers in row order, one list for each partition. Views on one array */
  readonly partitions: readonly Uint32Array[]
  /** Sample numbers of the shared set in row order */
  readonly shared: Uint32Array
}

/**
 * Plan the partitions. `digests` holds the sha2-256 of sample i at 32 i; numbers in the plan are those i.
 *
 * Throws `InvalidInputError` when there are fewer samples than partitions or shared rows.
 */
export function planPartitions(init: {
  digests: Uint8Array
  seed: Uint8Array
  partitions: number
  sharedRows: number
}): PartitionPlan {
  const { digests, seed, partitions, sharedRows } = init
  const samples = digests.byteLength / DIGEST_BYTES
  if (!Number.isInteger(samples))
    throw new InvalidInputError(`${digests.byteLength} bytes are not whole sha2-256 digests`)
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > samples) {
    throw new InvalidInputError(`${samples} samples cannot make ${partitions} partitions: use 1 to ${samples}`)
  }
  if (!Number.isInteger(sharedRows) || sharedRows < 0 || sharedRows > samples) {
    throw new InvalidInputError(`${samples} samples cannot make a shared set of ${sharedRows}: use at most ${samples}`)
  }
  const sorted = sortDigests(digests)
  const draw = (purpose: string): Uint32Array =>
    shuffle(samples, createRandomStream(purpose, seed)).map(i => sorted[i] as number)
  const order = draw('coopt/1/partition')
  const bound = (i: number): number => Math.floor((i * samples) / partitions)
  return {
    partitions: Array.from({ length: partitions }, (_, i) => order.subarray(bound(i), bound(i + 1))),
    shared: draw('coopt/1/shared').slice(0, sharedRows)
  }
}

/** Numbers of the 32-byte digests in ascending byte order; equal ones by number. */
export function sortDigests(digests: Uint8Array): Uint32Array {
  const count = digests.byteLength / DIGEST_BYTES
  const order = new Uint32Array(count)
  // Digests are uniform: after a counting sort by two bytes, ten million leave 150 to a bucket.
  const prefix = (i: number): number =>
    ((digests[i * DIGEST_BYTES] as number) << 8) | (digests[i * DIGEST_BYTES + 1] as number)
  const ends = new Uint32Array(65_537)
  for (let i = 0; i < count; i++) ends[prefix(i) + 1] = (ends[prefix(i) + 1] as number) + 1
  for (let b = 1; b <= 65_536; b++) ends[b] = (ends[b] as number) + (ends[b - 1] as number)
  const next = ends.slice(0, 65_536)
  for (let i = 0; i < count; i++) {
    const bucket = prefix(i)
    const at = next[bucket] as number
    order[at] = i
    next[bucket] = at + 1
  }
  for (let b = 0; b < 65_536; b++) {
    order.subarray(ends[b], ends[b + 1]).sort((x, y) => compareDigests(digests, x, y) || x - y)
  }
  return order
}

/** How many samples have the digest of an earlier one, given their order. */
export function countDuplicates(digests: Uint8Array, sorted: Uint32Array): number {
  let duplicates = 0
  for (let i = 1; i < sorted.length; i++) {
    if (compareDigests(digests, sorted[i - 1] as number, sorted[i] as number) === 0) duplicates++
  }
  return duplicates
}

/** The first sample of every digest, in ascending order of their numbers, given their order by `sortDigests`. */
export function firstOfEach(digests: Uint8Array, sorted: Uint32Array): Uint32Array {
  return sorted.filter((sample, i) => i === 0 || compareDigests(digests, sorted[i - 1] as number, sample) !== 0).sort()
}

// --- internal ---

function compareDigests(digests: Uint8Array, x: number, y: number): number {
  for (let k = 0; k < DIGEST_BYTES; k++) {
    const d = (digests[x * DIGEST_BYTES + k] as number) - (digests[y * DIGEST_BYTES + k] as number)
    if (d !== 0) return d
  }
  return 0
}
