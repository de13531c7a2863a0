/**
 * Single columns of a Parquet file, row group by row group. The file may be hostile: footer, ranges and page headers are checked before hyparquet
 * decodes a column, and it is given nothing but the checked bytes.
 *
 * Memory: a column of one row group, encoded and decoded.
 */
import { parquetMetadata, parquetReadObjects, type FileMetaData } from 'hyparquet'
import { readFooter, rowGroupOf, type ColumnChunk, type Footer } from '../../../src/distribute/parquet-footer.ts'
import { InvalidContentError, InvalidPriorError } from '../../../src/errors.ts'
import { DECOMPRESSORS, unreadableCodec } from '../../image-sources/parquet-codecs.ts'
import { checkPages } from '../../image-sources/parquet-pages.ts'
import { openDiskFile, type DiskFile } from './disk-file.ts'

/** Numbers of a column in a row group: 1 GiB, since a decoded number takes 8 bytes. */
const MAX_GROUP_VALUES = 134_217_728
/** Of a column in a row group, encoded or decoded. */
const MAX_GROUP_BYTES = 1_073_741_824

export interface ParquetFile {
  readonly path: string
  readonly byteLength: number
  readonly schema: FileMetaData['schema']
  /** Row groups */
  readonly groups: number
  readonly rows: number
  /** Rows of a row group */
  rowsOf(group: number): number
  /** Values of a top-level column in a row group, one for each row. Throws `InvalidPriorError` naming the file. */
  read(group: number, column: string): Promise<unknown[]>
  close(): Promise<void>
}

/** Throws `InvalidPriorError` when the file cannot be read as Parquet. */
export async function openParquet(path: string): Promise<ParquetFile> {
  const file = await openDiskFile(path)
  try {
    const { footer, metadata } = await named(path, async () => {
      const found = await readFooter(file)
      return { footer: found, metadata: parquetMetadata(await file.slice(found.start, file.byteLength), META) }
    })
    const rows = await named(path, async () => footer.rowGroups.map(group => rowGroupOf(group, footer).rows))
    return {
      path,
      byteLength: file.byteLength,
      schema: metadata.schema,
      groups: rows.length,
      rows: rows.reduce((sum, count) => sum + count, 0),
      rowsOf: group => rows[group] ?? 0,
      read: async (group, column) =>
        await named(path, async () => await readColumn(file, footer, metadata, group, column)),
      close: file.close
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Each column beside the others, not within them, with the leaves and groups below it, itself first. `schema` is depth-first, the root first. */
export function* topLevel(schema: ParquetFile['schema']): Generator<ParquetFile['schema']> {
  for (let at = 1; at < schema.length;) {
    let end = at
    for (let open = 1; open > 0 && end < schema.length; end++) open += (schema[end]?.num_children ?? 0) - 1
    yield schema.slice(at, end)
    at = end
  }
}

// --- internal ---

const META = { geoparquet: false }

async function readColumn(
  file: DiskFile,
  footer: Footer,
  metadata: FileMetaData,
  index: number,
  column: string
): Promise<unknown[]> {
  const group = rowGroupOf(footer.rowGroups[index] as Uint8Array, footer)
  const meta = metadata.row_groups[index]
  if (group.rows === 0 || meta === undefined) return []
  const chunks = group.columns.filter(({ path }) => path === column || path.startsWith(`${column}.`))
  const [chunk] = chunks
  if (chunk === undefined || chunks.length > 1)
    throw new InvalidContentError(`row group ${index} has no single column "${column}"`)
  checkChunk(chunk, index)
  const start = chunk.offset
  const end = start + chunk.byteLength
  const bytes = await file.slice(start, end)
  checkPages(bytes, chunk, MAX_GROUP_BYTES)
  const rows = await parquetReadObjects({
    file: {
      byteLength: file.byteLength,
      slice: (from, to = file.byteLength) => {
        if (from < start || to > end) throw new InvalidContentError(`row group ${index} refers to bytes of others`)
        return new Uint8Array(bytes.subarray(from - start, to - start)).buffer
      }
    },
    // the schema as it is: columns are found by their place in it
    metadata: { ...metadata, num_rows: BigInt(group.rows), row_groups: [meta] },
    columns: [column],
    compressors: DECOMPRESSORS,
    ...META
  })
  if (rows.length !== group.rows)
    throw new InvalidContentError(`row group ${index} has ${rows.length} rows, it says ${group.rows}`)
  return rows.map(row => row[column] as unknown)
}

function checkChunk({ path, codec, values, byteLength }: ColumnChunk, index: number): void {
  const unreadable = unreadableCodec(codec)
  if (unreadable !== undefined)
    throw new InvalidContentError(
      `the column ${path} is compressed with ${unreadable}, which is not read: write it again with Zstandard or Snappy`
    )
  if (values > MAX_GROUP_VALUES || byteLength > MAX_GROUP_BYTES)
    throw new InvalidContentError(
      `row group ${index} has ${values} values of ${path} in ${byteLength} bytes, at most ${MAX_GROUP_VALUES} in ${MAX_GROUP_BYTES} are read: write the file again with smaller row groups (row_group_size=20000)`
    )
}

async function named<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (cause) {
    if (cause instanceof InvalidPriorError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidPriorError(`${path} cannot be read as Parquet: ${reason}`, { cause })
  }
}
