/**
 * Reads the targets of a shard, and its weights if it has them. The file is untrusted: sizes are checked before anything is fetched or allocated.
 */
import { isAbsentRow } from '../bytes.ts'
import { type ByteRanges, type Footer, rowGroupOf } from '../distribute/parquet-footer.ts'
import { MAX_ROW_GROUP_ROWS, readPartitionFooter } from '../distribute/partition-file.ts'
import { InvalidContentError } from '../errors.ts'
import { row, type Matrix32 } from '../matrix.ts'
import { readTargetChunk, targetSchema } from './target-column.ts'
import type { TargetDtype } from './target-dtype.ts'
import { readWeights, weightSchema } from './weight-column.ts'

/** The rows of one row group. */
export interface ShardRows {
  /** Index in the file of the first row */
  readonly start: number
  /** Absent rows are canonical NaN */
  readonly targets: Matrix32
  /** One for each row, 0 where the target is absent; undefined in a shard without weights */
  readonly weights: Float32Array | undefined
}

/**
 * Row group by row group. The last columns are those that `appendTargets` writes: targets of `columns` numbers of `dtype`, then weights
 * or nothing. Throws `InvalidContentError`, or what `file` throws.
 */
export async function* readTargets(
  file: ByteRanges,
  columns: number,
  dtype: TargetDtype = 'float32'
): AsyncGenerator<ShardRows> {
  const footer = await readPartitionFooter(file)
  const weighted = endsWith(footer, [...targetSchema(dtype), weightSchema()])
  if (!weighted && !endsWith(footer, targetSchema(dtype)))
    throw new InvalidContentError(
      `the Parquet file does not end with a target column of ${dtype} lists, or with one followed by weights`
    )
  let start = 0
  let end = 0
  for (const encoded of footer.rowGroups) {
    const { columns: chunks, rows } = rowGroupOf(encoded, footer)
    const [first, second] = chunks.slice(weighted ? -2 : -1)
    if (first === undefined || (weighted && second === undefined))
      throw new InvalidContentError('a row group lacks a column')
    if (
      rows < 1 ||
      rows > MAX_ROW_GROUP_ROWS ||
      first.offset < end ||
      (second !== undefined && second.offset < first.offset + first.byteLength)
    )
      throw new InvalidContentError(`a row group of ${rows} rows, or one whose columns overlap, at ${first.offset}`)
    const last = second ?? first
    end = last.offset + last.byteLength
    const targets = await readTargetChunk(file, first, { rows, columns, dtype })
    const weights = second === undefined ? undefined : await readWeights(file, second, rows)
    const odd = weights?.findIndex((weight, i) => weight !== 0 && isAbsentRow(row(targets, i))) ?? -1
    if (odd !== -1) throw new InvalidContentError(`row ${start + odd} has a weight but no target`)
    yield { start, targets, weights }
    start += rows
  }
  if (start !== footer.rows)
    throw new InvalidContentError(`row groups of ${start} rows, but the footer says ${footer.rows}`)
}

// --- internal ---

function endsWith(footer: Footer, columns: readonly Uint8Array[]): boolean {
  const last = footer.rawSchema.slice(-columns.length)
  return last.length === columns.length && columns.every((raw, i) => String(raw) === String(last[i]))
}
