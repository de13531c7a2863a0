/**
 * The values of one column of one row group of a Parquet file.
 *
 * The file may be hostile. Ranges are checked by src/distribute/parquet-footer.ts, every page header before hyparquet decodes it (what a
 * page says it holds is what a decoder allocates). hyparquet is given the checked bytes of this one column and a schema of this one
 * column: it starts a promise for each column, and where a second one throws at once, nobody waits for the first. Memory: the column in
 * one row group, encoded and decoded.
 */
import { type FileMetaData, parquetRead } from 'hyparquet'
import {
  type ByteRanges,
  type ColumnChunk,
  type Footer,
  type RowGroup,
  rowGroupOf
} from '../../src/distribute/parquet-footer.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { DECOMPRESSORS, unreadableCodec } from './parquet-codecs.ts'
import type { ParquetColumn } from './parquet-image-column.ts'
import { checkPages } from './parquet-pages.ts'
import { MAX_BATCH_BYTES } from './row-images.ts'

/** Writers end a row group at 1,048,576 rows or before (pyarrow, DuckDB, polars). */
const MAX_ROW_GROUP_ROWS = 1_048_576

/** Entries of lists in a row group: four images for each of the most rows. */
const MAX_ROW_GROUP_VALUES = 4 * MAX_ROW_GROUP_ROWS

/** Levels of lists in lists that are looked into: as many names as a path may have. */
const MAX_NESTING = 16

/** For each row its values in order, undefined where it has a null. Throws `InvalidInputError` or `InvalidContentError`. */
export async function readRows(
  file: ByteRanges,
  footer: Footer,
  metadata: FileMetaData,
  index: number,
  column: ParquetColumn
): Promise<(Uint8Array | undefined)[][]> {
  const group = rowGroupOf(footer.rowGroups[index] as Uint8Array, footer)
  if (group.rows > MAX_ROW_GROUP_ROWS)
    throw new InvalidContentError(`row group ${index} has ${group.rows} rows, at most ${MAX_ROW_GROUP_ROWS}`)
  if (group.rows === 0) return []
  const name = column.path.join('.')
  const at = group.columns.findIndex(({ path }) => path === name)
  const chunk = group.columns[at]
  const meta = metadata.row_groups[index]?.columns[at]
  if (chunk === undefined || meta?.meta_data?.path_in_schema.join('.') !== name)
    throw new InvalidContentError(`row group ${index} has no column "${name}"`)
  checkChunk(chunk, group, column)
  if (chunk.byteLength > MAX_BATCH_BYTES) throw new InvalidContentError(tooLarge(index, chunk.byteLength))
  const bytes = await file.slice(chunk.offset, chunk.offset + chunk.byteLength)
  checkPages(bytes, chunk, MAX_BATCH_BYTES)
  const rows: (Uint8Array | undefined)[][] = []
  await parquetRead({
    file: {
      byteLength: file.byteLength,
      slice: (from, to = file.byteLength) => {
        if (from < chunk.offset || to > chunk.offset + chunk.byteLength || to < from)
          throw new InvalidContentError(`row group ${index} refers to bytes of others`)
        return new Uint8Array(bytes.subarray(from - chunk.offset, to - chunk.offset)).buffer
      }
    },
    metadata: {
      ...metadata,
      schema: column.schema,
      num_rows: BigInt(group.rows),
      row_groups: [{ columns: [meta], num_rows: BigInt(group.rows), total_byte_size: BigInt(chunk.byteLength) }]
    },
    compressors: DECOMPRESSORS,
    utf8: false,
    // a page is decoded whole; values are not assembled to rows of objects here, where only one leaf is wanted
    onPage: ({ columnData }) => {
      for (const value of columnData) rows.push(valuesOf(value, column.isList))
    }
  })
  if (rows.length !== group.rows)
    throw new InvalidContentError(`row group ${index} has ${rows.length} rows, it says ${group.rows}`)
  return rows
}

// --- internal ---

const tooLarge = (index: number, bytes: number): string =>
  `row group ${index} has ${bytes} bytes of images, at most ${MAX_BATCH_BYTES}: write the file again with smaller row groups`

function checkChunk({ path, codec, values }: ColumnChunk, { rows }: RowGroup, { isList }: ParquetColumn): void {
  const unreadable = unreadableCodec(codec)
  if (unreadable !== undefined) {
    throw new InvalidInputError(
      `the column ${path} is compressed with ${unreadable}, which is not read: write the file again with Zstandard, Snappy or without compression`
    )
  }
  // an empty list is an entry too
  if (isList ? values < rows || values > MAX_ROW_GROUP_VALUES : values !== rows)
    throw new InvalidContentError(`the column ${path} has ${values} values in ${rows} rows`)
}

/** The byte arrays in a value, which is wrapped in a list for each optional or repeated group above it. */
function valuesOf(value: unknown, isList: boolean, depth = 0): (Uint8Array | undefined)[] {
  if (value instanceof Uint8Array) return [value]
  if (!Array.isArray(value) || depth > MAX_NESTING) return [undefined]
  if (value.length === 0) return isList ? [] : [undefined]
  return value.flatMap(inner => valuesOf(inner, isList, depth + 1))
}
