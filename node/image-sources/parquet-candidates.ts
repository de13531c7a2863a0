/**
 * Images in a column of a Parquet file, row group by row group: a struct of `bytes` and `path` (what Hugging Face `datasets` writes)
 * or plain binary.
 *
 * The file may be hostile. Footer and ranges are checked by src/distribute/parquet-footer.ts, every page header of the column before
 * hyparquet decodes it (what a page says it holds is what a decoder allocates), and hyparquet is given nothing but the checked bytes.
 * Codecs: none and Snappy. Memory: the image column of one row group, encoded and decoded.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import {
  type ByteRanges,
  type ColumnChunk,
  type Footer,
  readFooter,
  rowGroupOf
} from '../../src/distribute/parquet-footer.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { type Candidate, judge } from './candidates.ts'
import { checkPages } from './parquet-pages.ts'
import { imageColumnOf } from './parquet-image-column.ts'

/** Of one row group, encoded or decoded. Shards of Hugging Face have 500 MB: even one that is a single row group fits. */
export const MAX_ROW_GROUP_BYTES = 536_870_912

/** Writers end a row group at 1,048,576 rows or before (pyarrow, DuckDB, polars). */
const MAX_ROW_GROUP_ROWS = 1_048_576

const UNCOMPRESSED = 0
const SNAPPY = 1
/** CompressionCodec of parquet.thrift, for messages */
const CODECS = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'LZO', 'BROTLI', 'LZ4', 'ZSTD', 'LZ4_RAW']

/** Every row is an image or a fault. Throws `InvalidInputError` for a file that cannot be read. */
export async function* parquetCandidates(path: string, signal?: AbortSignal): AsyncGenerator<Candidate> {
  const handle = await open(path)
  try {
    yield* rowsOf(await fileRanges(handle), signal)
  } catch (cause) {
    signal?.throwIfAborted()
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${path} cannot be read as Parquet: ${reason}`, { cause })
  } finally {
    await handle.close()
  }
}

// --- internal ---

async function* rowsOf(file: ByteRanges, signal: AbortSignal | undefined): AsyncGenerator<Candidate> {
  const footer = await readFooter(file)
  const metadata = parquetMetadata(await file.slice(footer.start, file.byteLength), { geoparquet: false })
  const column = imageColumnOf(metadata.schema)
  let before = 0
  for (let i = 0; i < footer.rowGroups.length; i++) {
    signal?.throwIfAborted()
    const values = await readGroup(file, footer, metadata, i, column)
    let bytes = 0
    for (const [row, value] of values.entries()) {
      const name = `row ${before + row}`
      const image = bytesOf(value)
      // a dictionary gives the same bytes for many rows: a small file may stand for more than any disk holds
      bytes += image?.byteLength ?? 0
      if (bytes > MAX_ROW_GROUP_BYTES) throw new InvalidContentError(tooLarge(i, bytes))
      yield image === undefined ? { name, fault: 'it has no image bytes' } : asImage(name, image)
    }
    before += values.length
  }
}

/** In a column of images, what is no image is a fault whatever it is called. */
function asImage(name: string, image: Uint8Array): Candidate {
  const size = image.byteLength
  if (size > MAX_IMAGE_BYTES) return { name, fault: `${size} bytes, at most ${MAX_IMAGE_BYTES}` }
  const { bytes } = judge(name, image)
  return bytes === undefined ? { name, fault: 'it is not a JPEG, PNG or WebP image inside' } : { name, bytes }
}

async function readGroup(
  file: ByteRanges,
  footer: Footer,
  metadata: FileMetaData,
  index: number,
  column: string
): Promise<unknown[]> {
  const group = rowGroupOf(footer.rowGroups[index] as Uint8Array, footer)
  const meta = metadata.row_groups[index]
  if (meta === undefined) throw new InvalidContentError(`there is no row group ${index}`)
  if (group.rows > MAX_ROW_GROUP_ROWS)
    throw new InvalidContentError(`row group ${index} has ${group.rows} rows, at most ${MAX_ROW_GROUP_ROWS}`)
  if (group.rows === 0) return []
  const chunks = group.columns.filter(chunk => chunk.path === column || chunk.path.startsWith(`${column}.`))
  const start = Math.min(...chunks.map(chunk => chunk.offset))
  const end = Math.max(...chunks.map(chunk => chunk.offset + chunk.byteLength))
  if (chunks.length === 0) throw new InvalidContentError(`row group ${index} has no column "${column}"`)
  if (end - start > MAX_ROW_GROUP_BYTES) throw new InvalidContentError(tooLarge(index, end - start))
  const bytes = await file.slice(start, end)
  let left = MAX_ROW_GROUP_BYTES
  for (const chunk of chunks) {
    checkChunk(chunk, group.rows)
    left -= checkPages(bytes.subarray(chunk.offset - start, chunk.offset - start + chunk.byteLength), chunk, left)
  }
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
    utf8: false,
    geoparquet: false
  })
  if (rows.length !== group.rows)
    throw new InvalidContentError(`row group ${index} has ${rows.length} rows, it says ${group.rows}`)
  return rows.map(row => row[column] as unknown)
}

function checkChunk({ path, codec, values }: ColumnChunk, rows: number): void {
  if (codec !== UNCOMPRESSED && codec !== SNAPPY) {
    throw new InvalidInputError(
      `the column ${path} is compressed with ${CODECS[codec] ?? `codec ${codec}`}: write the file again with Snappy or without compression`
    )
  }
  if (values !== rows) throw new InvalidContentError(`the column ${path} has ${values} values in ${rows} rows`)
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'object' || value === null || !('bytes' in value)) return undefined
  return value.bytes instanceof Uint8Array ? value.bytes : undefined
}

const tooLarge = (index: number, bytes: number): string =>
  `row group ${index} has ${bytes} bytes of images, at most ${MAX_ROW_GROUP_BYTES}: write the file again with smaller row groups`

async function fileRanges(handle: FileHandle): Promise<ByteRanges> {
  const { size } = await handle.stat()
  return {
    byteLength: size,
    slice: async (start, end) => {
      const out = new Uint8Array(end - start)
      for (let at = 0; at < out.byteLength;) {
        const { bytesRead } = await handle.read(out, at, out.byteLength - at, start + at)
        if (bytesRead === 0) throw new InvalidContentError('the file became shorter while it was read')
        at += bytesRead
      }
      return out
    }
  }
}
