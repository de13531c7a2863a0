/**
 * What a dishonest author publishes in place of its work: targets that are not those of the images, and shards that do not have the form that their
 * records say. The rest of each is as honest work is, so that only the check for this one thing can tell.
 */
import { rowWeights } from '../../src/align/row-weight.ts'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { importBytes, type ContentFile, type PutBlock } from '../../src/distribute/unixfs-import.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import { appendTargets, type NewColumns } from '../../src/publish/shard.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { normal } from './synthetic-priors.ts'

/** Raw targets that are not those of the images; the shard is T of them. */
export const GARBAGE = ['permuted', 'other-partition', 'constant', 'noise', 'shared-rows', 'first-rows'] as const
export type Garbage = (typeof GARBAGE)[number]

/** Shards and raw targets of another form, of honest targets. */
export const MALFORMED = [
  'other-images',
  'changed-image',
  'one-row-more',
  'not-finite',
  'raw-not-finite',
  'other-dimension',
  'not-aligned'
] as const
export type Malformed = (typeof MALFORMED)[number]

export interface HonestRows {
  /** Of the partition itself, of another one with as many rows or more, and of S */
  readonly own: Matrix32
  readonly other: Matrix32
  readonly shared: Matrix32
}

/** Share of the rows that `first-rows` leaves honest. */
const HONEST_SHARE = 0.25

export function garbage(kind: Garbage, { own, other, shared }: HonestRows): Matrix32 {
  const stream = createRandomStream('test', 'deceit', kind)
  const order = shuffle(own.rows, stream)
  if (kind === 'permuted') return rowsOf(own.rows, i => row(own, order[i] as number))
  if (kind === 'other-partition') return rowsOf(own.rows, i => row(other, i))
  if (kind === 'constant') return rowsOf(own.rows, () => row(own, 0))
  if (kind === 'shared-rows') return rowsOf(own.rows, i => row(shared, i % shared.rows))
  const scale = Math.sqrt(own.data.reduce((sum, v) => sum + v * v, 0) / own.data.length)
  if (kind === 'noise')
    return rowsOf(own.rows, () => Float32Array.from({ length: own.columns }, () => scale * normal(stream)))
  const honest = Math.ceil(own.rows * HONEST_SHARE)
  return rowsOf(own.rows, i => row(own, i < honest ? i : honest + ((i + 1 - honest) % (own.rows - honest))))
}

/** A number that no target has, replaced by a NaN after the file was written: no writer of ours writes one. */
const MARK = 123_456.789

/** The bytes of a shard, whatever they are; `source` may be any Parquet file with as many rows as there are targets. */
export async function writeShard(
  source: ByteRanges,
  columns: NewColumns,
  put: PutBlock,
  change: (bytes: Uint8Array) => void = () => {}
): Promise<ContentFile> {
  const { keep, tail } = await appendTargets(source, columns, {})
  const parts = [await source.slice(0, keep), ...tail]
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  change(bytes)
  return await importBytes([bytes], put)
}

/** `targets` with a weight for each row, as an honest shard has them. */
export function columnsOf(targets: Matrix32, reference: Matrix32): NewColumns {
  return { targets, weights: rowWeights(targets, reference) }
}

export function withMark(targets: Matrix32): Matrix32 {
  const data = Float32Array.from(targets.data)
  data[targets.columns + 1] = MARK
  return matrix(targets.rows, targets.columns, data)
}

/** In place. */
export function markToNaN(bytes: Uint8Array): void {
  const marks = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = marks.indexOf(Buffer.from(Float32Array.of(MARK).buffer))
  if (at < 0) throw new Error('the file has no mark')
  marks.writeFloatLE(Number.NaN, at)
}

/** One number of one row is missing, so that the row is neither there nor absent. */
export function withNaN(targets: Matrix32): Matrix32 {
  const data = Float32Array.from(targets.data)
  data[targets.columns + 1] = Number.NaN
  return matrix(targets.rows, targets.columns, data)
}

/** One number more in every row. */
export function wider(targets: Matrix32): Matrix32 {
  return rowsOf(targets.rows, i => Float32Array.of(...row(targets, i), 1))
}

export function rangesOf(bytes: Uint8Array): ByteRanges {
  return { byteLength: bytes.byteLength, slice: async (start, end) => await Promise.resolve(bytes.slice(start, end)) }
}

// --- internal ---

function rowsOf(rows: number, at: (row: number) => ArrayLike<number>): Matrix32 {
  const first = at(0)
  const data = new Float32Array(rows * first.length)
  for (let i = 0; i < rows; i++) data.set(at(i), i * first.length)
  return matrix(rows, first.length, data)
}
