/**
 * The Parquet layout of partitions and of the shared set, and a reader for untrusted files.
 *
 * Columns `id` (string) and `image` (struct of `bytes` and `path`), never null but declared optional, because otherwise Hugging Face does not
 * recognise the struct as an image; UNCOMPRESSED and PLAIN, so that the same samples are the same bytes and the same CID everywhere; `huggingface`
 * metadata, so that Hugging Face shows images. `id` is the CIDv1 (raw, sha2-256) of the image's bytes: every row certifies its own sample and the
 * reader checks it. `path` is the position in the file, e.g. `00000042.jpg`: names from the source are not used.
 *
 * The column chunks are padded with zeros up to a chunk of the UnixFS import (a gap before the footer, as the format allows):
 * a shard is this file with a column appended, and without the gap it would store up to 1 MiB of images again (publish/shard.ts).
 *
 * Memory of both directions: one row group.
 */
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import { InvalidContentError } from '../errors.ts'
import { contentId } from './content-id.ts'
import { imageKind, MAX_IMAGE_BYTES } from './image-kind.ts'
import {
  type ByteRanges,
  type ColumnChunk,
  type Footer,
  readFooter,
  type RowGroup,
  rowGroupOf
} from './parquet-footer.ts'
import { readLevels } from './level-runs.ts'
import { readByteArrays, readPages } from './parquet-page.ts'
import { IMPORT } from './unixfs-import.ts'

export interface Sample {
  /** Row in the file */
  readonly index: number
  /** CIDv1 raw sha2-256 of `bytes`, base32 */
  readonly id: string
  /** The image as it was published. A view on a row group where it was read from a file */
  readonly bytes: Uint8Array
}

/** A row group ends before either is exceeded; an image larger than this has a row group of its own. */
export const MAX_ROW_GROUP_IMAGE_BYTES = 8_388_608
export const MAX_ROW_GROUP_ROWS = 1000

/** Padding is added only if more than this would lie in the last, shared chunk. */
export const UNPADDED_BYTES = 32_768

/** Column chunks with page headers and lengths, of a row group at its largest: one image of the largest size. */
const MAX_CHUNK_BYTES = MAX_IMAGE_BYTES + 1_048_576

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 2 },
  { name: 'id', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' },
  { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
]

/** What `datasets` calls the features of a file; `target` and `weight` join them in a shard. */
export const FEATURES = { id: { dtype: 'string', _type: 'Value' }, image: { _type: 'Image' } } as const

/**
 * The partition file of `samples`, in their order, as a stream. Equal samples give equal bytes.
 *
 * `index` is ignored: rows are numbered in their order. Ids are not checked here; readers of the file check them.
 */
export async function* partitionBytes(
  samples: AsyncIterable<Pick<Sample, 'id' | 'bytes'>> | Iterable<Pick<Sample, 'id' | 'bytes'>>
): AsyncGenerator<Uint8Array> {
  const out = new ByteWriter()
  const parquet = new ParquetWriter({
    writer: out,
    schema: SCHEMA,
    codec: 'UNCOMPRESSED',
    statistics: false,
    createdBy: 'coopt',
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features: FEATURES } }) }]
  })
  let ids: string[] = []
  let images: { bytes: Uint8Array; path: string }[] = []
  let imageBytes = 0
  let rows = 0
  const flush = (): Uint8Array => {
    const column = { encoding: 'PLAIN', offsetIndex: false } as const
    // no flush() on this writer, so the call is synchronous
    void parquet.write({
      columnData: [
        { name: 'id', data: ids, ...column },
        { name: 'image', data: images, ...column }
      ],
      rowGroupSize: ids.length
    })
    ids = []
    images = []
    imageBytes = 0
    return drain(out)
  }
  for await (const { id, bytes } of samples) {
    if (
      ids.length === MAX_ROW_GROUP_ROWS ||
      (ids.length > 0 && imageBytes + bytes.byteLength > MAX_ROW_GROUP_IMAGE_BYTES)
    ) {
      yield flush()
    }
    ids.push(id)
    images.push({ bytes, path: `${String(rows++).padStart(8, '0')}.${imageKind(bytes) ?? 'bin'}` })
    imageBytes += bytes.byteLength
  }
  if (ids.length > 0) yield flush()
  const over = out.offset % IMPORT.chunkBytes
  if (over > UNPADDED_BYTES) out.appendBytes(new Uint8Array(IMPORT.chunkBytes - over))
  void parquet.finish()
  yield drain(out)
}

/**
 * The samples of a partition file (or of a shard, whose further columns are passed over) from row `start` on.
 *
 * Checked before use: the size of the footer, the schema, the extent of every row group, every length; then that `id` is the
 * CID of the bytes. Throws `InvalidContentError` naming the row, or whatever `file` throws.
 */
export async function* readSamples(file: ByteRanges, options: { start?: number } = {}): AsyncGenerator<Sample> {
  const start = options.start ?? 0
  const footer = await readPartitionFooter(file)
  let first = 0
  let end = 0
  for (const encoded of footer.rowGroups) {
    const group = rowGroupOf(encoded, footer)
    const [ids, images] = checkColumns(group, end)
    end = images.offset + images.byteLength
    if (first + group.rows > start) yield* readRowGroup(file, { ids, images, rows: group.rows, first, start })
    first += group.rows
  }
  if (first !== footer.rows)
    throw new InvalidContentError(`row groups of ${first} rows, the footer says ${footer.rows}`)
}

/** Footer of a partition file or shard with the schema checked; `rows` in it is the file's row count. */
export async function readPartitionFooter(file: ByteRanges): Promise<Footer> {
  const footer = await readFooter(file)
  if (!beginsAsPartition(footer)) {
    throw new InvalidContentError(
      'the Parquet file does not begin with the columns id and image{bytes, path} of a partition'
    )
  }
  return footer
}

/** Has the file the columns of a partition and no others? */
export function isPartitionSchema(footer: Footer): boolean {
  return beginsAsPartition(footer) && footer.schema.length === SCHEMA.length
}

// --- internal ---

const BYTE_ARRAY = 6
const OPTIONAL = 1
const COLUMNS = ['id', 'image.bytes', 'image.path']

function beginsAsPartition({ schema: [root, ...columns] }: Footer): boolean {
  const same = SCHEMA.slice(1).every((ours, i) => {
    const theirs = columns[i]
    return (
      theirs !== undefined &&
      theirs.name === ours.name &&
      theirs.type === (ours.type === undefined ? undefined : BYTE_ARRAY) &&
      theirs.repetition === OPTIONAL &&
      theirs.children === (ours.num_children ?? 0)
    )
  })
  return same && root !== undefined && root.children >= 2
}

function drain(out: ByteWriter): Uint8Array {
  const bytes = out.getBytes().slice()
  out.index = 0
  return bytes
}

/** The id and image columns of a row group. They must not overlap, so that no bytes are read twice. */
function checkColumns(group: RowGroup, after: number): [ColumnChunk, ColumnChunk] {
  const [ids, images] = group.columns
  if (ids === undefined || images === undefined || COLUMNS.some((path, i) => group.columns[i]?.path !== path)) {
    throw new InvalidContentError('a row group without the columns of a partition')
  }
  if (group.rows < 1 || group.rows > MAX_ROW_GROUP_ROWS) {
    throw new InvalidContentError(`a row group of ${group.rows} rows, 1 to ${MAX_ROW_GROUP_ROWS} are accepted`)
  }
  for (const column of [ids, images]) {
    if (column.codec !== 0 || column.type !== BYTE_ARRAY || column.values !== group.rows) {
      throw new InvalidContentError(
        `the column ${column.path} is compressed, of another type, or not of ${group.rows} rows`
      )
    }
    if (column.byteLength > MAX_CHUNK_BYTES) {
      throw new InvalidContentError(
        `a row group with ${column.byteLength} bytes of ${column.path}, at most ${MAX_CHUNK_BYTES}`
      )
    }
  }
  if (ids.offset < after || images.offset < ids.offset + ids.byteLength) {
    throw new InvalidContentError('row groups that are out of order or overlap')
  }
  return [ids, images]
}

async function* readRowGroup(
  file: ByteRanges,
  group: { ids: ColumnChunk; images: ColumnChunk; rows: number; first: number; start: number }
): AsyncGenerator<Sample> {
  const column = async (chunk: ColumnChunk, depth: number): Promise<Uint8Array[]> => {
    const values: Uint8Array[] = []
    for (const page of readPages(await file.slice(chunk.offset, chunk.offset + chunk.byteLength))) {
      if (page.rows < 1 || page.entries !== page.rows || page.nulls !== 0 || values.length + page.rows > group.rows) {
        throw new InvalidContentError(`a page of ${chunk.path} with nulls, or with none or too many rows`)
      }
      // definition levels: how many of the optional things around a value are there, so none is null
      if (readLevels(page.definition, depth, page.entries).some(level => level !== depth)) {
        throw new InvalidContentError(`a page of ${chunk.path} with nulls`)
      }
      for (const value of readByteArrays(page)) values.push(value)
    }
    if (values.length !== group.rows)
      throw new InvalidContentError(`${values.length} values of ${chunk.path}, not ${group.rows}`)
    return values
  }
  const ids = await column(group.ids, 1)
  const images = await column(group.images, 2)
  for (let i = Math.max(0, group.start - group.first); i < group.rows; i++) {
    const bytes = images[i] as Uint8Array
    const id = new TextDecoder('utf-8', { ignoreBOM: true }).decode(ids[i])
    if (bytes.byteLength > MAX_IMAGE_BYTES)
      throw new InvalidContentError(`row ${group.first + i}: an image of ${bytes.byteLength} bytes`)
    if ((await contentId(bytes)).toString() !== id) {
      throw new InvalidContentError(`row ${group.first + i}: the id is not the CID of the image's bytes`)
    }
    yield { index: group.first + i, id, bytes }
  }
}
