/**
 * The `weight` column of a shard, behind `target`: one float32 in [0, 1] for every row (align/row-weight.ts), 0 where the row has no target.
 *
 * Never null, but declared optional like the other columns. Shards without this column can be read, too: their rows have no weight.
 */
import { type ByteRanges, type ColumnChunk } from '../distribute/parquet-footer.ts'
import { pageHeader, readPages } from '../distribute/parquet-page.ts'
import { createLevelWriter, readLevels } from '../distribute/level-runs.ts'
import type { Field } from '../distribute/thrift.ts'
import { InvalidContentError, NumericError } from '../errors.ts'
import {
  type ChunkPlace,
  columnMetadata,
  type EncodedPage,
  FLOAT,
  optionalLeaf,
  PAGE_BYTES,
  UNCOMPRESSED
} from './column-chunk.ts'
import { decodeNumbers, encodeNumbers } from './target-dtype.ts'

export const WEIGHT = 'weight'

/** Bytes of a weight. */
export const WEIGHT_BYTES = 4

/** The schema element, encoded. */
export function weightSchema(): Uint8Array {
  return optionalLeaf(FLOAT, WEIGHT)
}

export function weightMetadata(chunk: ChunkPlace): Field[] {
  return columnMetadata(FLOAT, [WEIGHT], chunk)
}

/** Weights `from` to `to` as pages: at least one, even without rows. Throws `NumericError` on a value outside [0, 1]. */
export function* weightPages(weights: Float32Array, from: number, to: number): Generator<EncodedPage> {
  let start = from
  do {
    const values = weights.subarray(start, Math.min(to, start + PAGE_BYTES / WEIGHT_BYTES))
    const wrong = values.findIndex(value => !isWeight(value))
    if (wrong !== -1)
      throw new NumericError(`row ${start + wrong} has the weight ${values[wrong]}, which is not in [0, 1]`)
    const rows = values.length
    const definition = createLevelWriter()
    definition.add(PRESENT, rows)
    const page = {
      entries: rows,
      nulls: 0,
      rows,
      repetition: new Uint8Array(0),
      definition: definition.bytes(),
      values: encodeNumbers({ rows, columns: 1, data: values }, 'float32')
    }
    yield { bytes: [pageHeader(page), page.definition, page.values], entries: rows }
    start += rows
  } while (start < to)
}

/** The weights in a chunk of `rows` rows (bounded by the caller). Throws `InvalidContentError`, or what `file` throws. */
export async function readWeights(file: ByteRanges, chunk: ColumnChunk, rows: number): Promise<Float32Array> {
  const { path, type, codec, offset, byteLength } = chunk
  if (path !== WEIGHT || type !== FLOAT || codec !== UNCOMPRESSED)
    throw new InvalidContentError('a row group whose last column is not the weights')
  if (byteLength > rows * (WEIGHT_BYTES + LEVEL_BYTES_PER_ROW) + PAGE_BYTES)
    throw new InvalidContentError(`a row group of ${rows} rows with ${byteLength} bytes of weights`)
  const weights = new Float32Array(rows)
  let done = 0
  for (const page of readPages(await file.slice(offset, offset + byteLength))) {
    if (
      page.rows < 1 ||
      page.rows > rows - done ||
      page.entries !== page.rows ||
      page.nulls !== 0 ||
      page.repetition.byteLength !== 0
    )
      throw new InvalidContentError('a page of weights with nulls, or with none or too many rows')
    if (readLevels(page.definition, LEVEL_BITS, page.rows).some(level => level !== PRESENT))
      throw new InvalidContentError('a page of weights with nulls')
    const { data } = decodeNumbers(page.values, page.rows, 1, 'float32')
    if (!data.every(isWeight)) throw new InvalidContentError('a weight that is not in [0, 1]')
    weights.set(data, done)
    done += page.rows
  }
  if (done !== rows) throw new InvalidContentError(`weights for ${done} of the ${rows} rows of a row group`)
  return weights
}

// --- internal ---

const PRESENT = 1
const LEVEL_BITS = 1

/** Page headers and levels: other writers may end a page at every row. */
const LEVEL_BYTES_PER_ROW = 64

/** False for NaN. */
function isWeight(value: number): boolean {
  return value >= 0 && value <= 1
}
