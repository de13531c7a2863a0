/**
 * The `target` column of a shard: a list of n float32 (or float16) for every row, null where a row has no target.
 *
 * Three-level LIST (https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists): optional `target`, repeated
 * `list`, optional `element`, so definition level 3 is a number and 0 an absent row. The values of a page are the matrix rows in their memory layout,
 * so writing is a copy. Pages hold whole rows, about 1 MiB of them.
 */
import { ABSENT, isAbsentRow } from '../bytes.ts'
import type { ByteRanges, ColumnChunk } from '../distribute/parquet-footer.ts'
import { type Page, pageHeader, readPages } from '../distribute/parquet-page.ts'
import { binary, type Field, i32, struct, writeStruct } from '../distribute/thrift.ts'
import { InvalidContentError, NumericError } from '../errors.ts'
import { matrix, row, type Matrix32 } from '../matrix.ts'
import { createLevelWriter, readLevels } from '../distribute/level-runs.ts'
import {
  type ChunkPlace,
  columnMetadata,
  type EncodedPage,
  FIXED_LEN_BYTE_ARRAY,
  FLOAT,
  OPTIONAL,
  optionalLeaf,
  PAGE_BYTES,
  REPEATED,
  UNCOMPRESSED
} from './column-chunk.ts'
import { decodeNumbers, encodeNumbers, isStorable, NUMBER_BYTES, type TargetDtype } from './target-dtype.ts'

export const TARGET = 'target'

const LOGICAL_FLOAT16 = 15
const CONVERTED_LIST = 3
const LOGICAL_LIST = 3
/** Definition levels go from 0 (no target) to 3 (a number): two bits; repetition levels from 0 to 1 */
const DEFINED = 3
const DEFINITION_BITS = 2
const REPETITION_BITS = 1

/** Overhead of levels and page headers per row: more than 4 bytes only if n > 8,191. */
const LEVEL_BYTES_PER_ROW = 16

/** The three schema elements, encoded, to be appended after the last column. */
export function targetSchema(dtype: TargetDtype): Uint8Array[] {
  return [
    writeStruct([
      i32(3, OPTIONAL),
      binary(4, TARGET),
      i32(5, 1),
      i32(6, CONVERTED_LIST),
      struct(10, [struct(LOGICAL_LIST, [])])
    ]),
    writeStruct([i32(3, REPEATED), binary(4, 'list'), i32(5, 1)]),
    dtype === 'float32'
      ? optionalLeaf(FLOAT, 'element')
      : writeStruct([
          i32(1, FIXED_LEN_BYTE_ARRAY),
          i32(2, NUMBER_BYTES.float16),
          i32(3, OPTIONAL),
          binary(4, 'element'),
          struct(10, [struct(LOGICAL_FLOAT16, [])])
        ])
  ]
}

export function targetMetadata(chunk: ChunkPlace, dtype: TargetDtype): Field[] {
  return columnMetadata(PHYSICAL[dtype], [TARGET, 'list', 'element'], chunk)
}

/**
 * Rows `from` to `to` of `targets` as pages: at least one, even without rows. Throws `NumericError` for values that are neither absent nor finite as `dtype`.
 */
export function* targetPages(targets: Matrix32, from: number, to: number, dtype: TargetDtype): Generator<EncodedPage> {
  const rowsPerPage = Math.max(1, Math.floor(PAGE_BYTES / (targets.columns * NUMBER_BYTES[dtype])))
  let start = from
  do {
    const end = Math.min(to, start + rowsPerPage)
    const page = encodePage(targets, start, end, dtype)
    yield { bytes: [pageHeader(page), page.repetition, page.definition, page.values], entries: page.entries }
    start = end
  } while (start < to)
}

/**
 * The targets in a chunk of `rows` rows (bounded by the caller), absent rows as canonical NaN. Accepts what `targetPages` writes, of
 * `columns` numbers of `dtype` a row. Throws `InvalidContentError`, or what `file` throws.
 */
export async function readTargetChunk(
  file: ByteRanges,
  chunk: ColumnChunk,
  { rows, columns, dtype }: { rows: number; columns: number; dtype: TargetDtype }
): Promise<Matrix32> {
  const { path, type, codec, offset, byteLength } = chunk
  if (path !== `${TARGET}.list.element` || type !== PHYSICAL[dtype] || codec !== UNCOMPRESSED)
    throw new InvalidContentError('the column after the images of a row group does not hold targets')
  if (byteLength > rows * (columns * NUMBER_BYTES[dtype] + LEVEL_BYTES_PER_ROW) + PAGE_BYTES)
    throw new InvalidContentError(`a row group of ${rows} rows with ${byteLength} bytes of targets at ${offset}`)
  const data = new Float32Array(rows * columns)
  let done = 0
  for (const page of readPages(await file.slice(offset, offset + byteLength))) {
    if (page.rows < 1 || page.rows > rows - done)
      throw new InvalidContentError('pages of targets with no rows, or more than their row group')
    data.set(decodePage(page, columns, dtype), done * columns)
    done += page.rows
  }
  if (done !== rows) throw new InvalidContentError(`targets for ${done} of the ${rows} rows of a row group`)
  return matrix(rows, columns, data)
}

// --- internal ---

const PHYSICAL = { float32: FLOAT, float16: FIXED_LEN_BYTE_ARRAY } as const

function encodePage(targets: Matrix32, from: number, to: number, dtype: TargetDtype): Page {
  const { columns } = targets
  const repetition = createLevelWriter()
  const definition = createLevelWriter()
  const values = new Float32Array((to - from) * columns)
  let present = 0
  for (let i = from; i < to; i++) {
    const target = row(targets, i)
    repetition.add(0, 1)
    if (isAbsentRow(target)) {
      definition.add(0, 1)
      continue
    }
    if (!target.every(Number.isFinite)) throw new NumericError(`row ${i} of the targets has a value that is not finite`)
    if (!target.every(value => isStorable(value, dtype)))
      throw new NumericError(`row ${i} of the targets has a value that is too large for ${dtype}`)
    repetition.add(1, columns - 1)
    definition.add(DEFINED, columns)
    values.set(target, present++ * columns)
  }
  const rows = to - from
  return {
    entries: present * columns + (rows - present),
    nulls: rows - present,
    rows,
    repetition: repetition.bytes(),
    definition: definition.bytes(),
    values: encodeNumbers({ rows: present, columns, data: values.subarray(0, present * columns) }, dtype)
  }
}

function decodePage(page: Page, columns: number, dtype: TargetDtype): Float32Array {
  const present = page.rows - page.nulls
  // before anything is allocated: a few bytes of levels can stand for any number of entries
  if (
    page.nulls > page.rows ||
    page.entries !== present * columns + page.nulls ||
    page.values.byteLength !== present * columns * NUMBER_BYTES[dtype]
  ) {
    throw new InvalidContentError(`a page of ${page.rows} targets does not hold ${columns} numbers for each`)
  }
  const repetition = readLevels(page.repetition, REPETITION_BITS, page.entries)
  const definition = readLevels(page.definition, DEFINITION_BITS, page.entries)
  const values = decodeNumbers(page.values, present, columns, dtype)
  const data = new Float32Array(page.rows * columns)
  let at = 0
  let used = 0
  for (let i = 0; i < page.rows; i++) {
    const absent = definition[at] === 0
    const entries = absent ? 1 : columns
    for (let k = 0; k < entries; k++, at++) {
      if (repetition[at] !== (k === 0 ? 0 : 1) || definition[at] !== (absent ? 0 : DEFINED)) {
        throw new InvalidContentError(`a target that is neither absent nor ${columns} numbers`)
      }
    }
    if (!absent && (used === present || isAbsentRow(row(values, used))))
      throw new InvalidContentError('a target of NaN')
    data.set(absent ? ABSENT(columns) : row(values, used++), i * columns)
  }
  if (at !== page.entries) throw new InvalidContentError('a page with levels after its last row')
  return data
}
