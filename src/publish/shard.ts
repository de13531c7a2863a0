/**
 * Step 4, the shard: the partition's own Parquet file with a `target` and a `weight` column appended.
 *
 * Column chunks are located by absolute offsets in the footer alone, so
 * `source[0 .. start of its footer) + new chunks, one for each row group + a new footer` is a file whose old columns keep their bytes and offsets.
 * Images are neither copied nor sent again: all leaves before the footer are the source's own blocks (partition-file.ts ends its chunks at a leaf).
 * The footer is edited, not rewritten (thrift.ts), so it keeps what other writers put into it and this works for Parquet files of any origin. Equal
 * inputs give equal bytes.
 */
import { type ByteRanges, type Footer, MAGIC, readFooter, rowGroupOf } from '../distribute/parquet-footer.ts'
import {
  type Field,
  fieldOf,
  i32,
  I64,
  i64,
  integerOf,
  join,
  list,
  LIST,
  listOf,
  readStruct,
  struct,
  STRUCT,
  withField,
  writeStruct
} from '../distribute/thrift.ts'
import {
  type ContentFile,
  buildTree,
  IMPORT,
  importLeaves,
  type Leaf,
  type PutBlock
} from '../distribute/unixfs-import.ts'
import { InvalidContentError, InvalidInputError } from '../errors.ts'
import type { Matrix32 } from '../matrix.ts'
import type { ChunkPlace, EncodedPage } from './column-chunk.ts'
import { withKeyValues } from './footer-metadata.ts'
import { TARGET, targetMetadata, targetPages, targetSchema } from './target-column.ts'
import type { TargetDtype } from './target-dtype.ts'
import { WEIGHT, weightMetadata, weightPages, weightSchema } from './weight-column.ts'

/** `file = source[0 .. keep) + tail`. */
export interface Appended {
  readonly keep: number
  /** Generated page by page; may be iterated again */
  readonly tail: Iterable<Uint8Array>
}

export interface Shard extends ContentFile {
  /** Bytes of the blocks that were put: those that the source does not have */
  readonly newBytes: number
}

/** What is appended to a file: one target, and one weight or none at all, for each of its rows. */
export interface NewColumns {
  /** Absent rows become null */
  readonly targets: Matrix32
  /** In [0, 1]; without them the column is omitted */
  readonly weights?: Float32Array
  /** How the targets are stored: float32 by default */
  readonly dtype?: TargetDtype
}

/**
 * Append columns and key-value `metadata`.
 *
 * Throws `InvalidContentError` if the source is not a Parquet file, `InvalidInputError` if the rows do not match or a column of that name exists,
 * `NumericError` (on iterating) for a target that is not finite or too large for its type, or a weight outside [0, 1].
 */
export async function appendTargets(
  source: ByteRanges,
  { targets, weights, dtype = 'float32' }: NewColumns,
  metadata: Readonly<Record<string, string>>
): Promise<Appended> {
  const footer = await readFooter(source)
  const names = topLevel(footer)
  for (const name of weights === undefined ? [TARGET] : [TARGET, WEIGHT])
    if (names.includes(name)) throw new InvalidInputError(`the file already has a column "${name}"`)
  const rows = footer.rowGroups.reduce((sum, encoded) => sum + rowGroupOf(encoded, footer).rows, 0)
  if (rows !== targets.rows || footer.rows !== targets.rows) {
    throw new InvalidInputError(`targets for ${targets.rows} rows, but the file has ${footer.rows}`)
  }
  if (weights !== undefined && weights.length !== rows)
    throw new InvalidInputError(`weights for ${weights.length} rows, but the file has ${rows}`)
  const columns = columnsOf(targets, weights, dtype)
  const shape = { length: targets.columns, dtype, weighted: weights !== undefined }
  const fields = withSchema(withKeyValues(footer, shape, metadata), footer, columns)
  return { keep: footer.start, tail: { [Symbol.iterator]: () => writeTail(footer, fields, columns) } }
}

/**
 * Import the shard of a source file whose leaves are known (unixfs-leaves.ts): the same CID as importing its bytes, but only
 * the blocks that the source does not have are made and put.
 */
export async function shardFile(init: {
  source: ByteRanges
  leaves: readonly Leaf[]
  columns: NewColumns
  metadata: Readonly<Record<string, string>>
  put: PutBlock
}): Promise<Shard> {
  const { source, leaves, columns, metadata } = init
  const { keep, tail } = await appendTargets(source, columns, metadata)
  const reused = Math.floor(keep / IMPORT.chunkBytes)
  const kept = leaves.slice(0, reused)
  if (kept.length !== reused || kept.some(leaf => leaf.bytes !== IMPORT.chunkBytes)) {
    throw new InvalidContentError('the leaves given are not those of the source file')
  }
  let newBytes = 0
  const put: PutBlock = async (cid, block) => {
    newBytes += block.byteLength
    await init.put(cid, block)
  }
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield await source.slice(reused * IMPORT.chunkBytes, keep)
    yield* tail
  }
  const all = async function* (): AsyncGenerator<Leaf> {
    for (const leaf of kept) yield { ...leaf, stored: true }
    yield* importLeaves(rest(), put)
  }
  const file = await buildTree(all(), put)
  return { ...file, newBytes }
}

// --- internal ---

/** A new column: its schema elements, and for rows `from` to `to` its pages and how the footer describes them. */
interface NewColumn {
  readonly schema: readonly Uint8Array[]
  pages(from: number, to: number): Iterable<EncodedPage>
  metadata(chunk: ChunkPlace): Field[]
}

function columnsOf(targets: Matrix32, weights: Float32Array | undefined, dtype: TargetDtype): NewColumn[] {
  const target: NewColumn = {
    schema: targetSchema(dtype),
    pages: (from, to) => targetPages(targets, from, to, dtype),
    metadata: chunk => targetMetadata(chunk, dtype)
  }
  if (weights === undefined) return [target]
  const weight: NewColumn = {
    schema: [weightSchema()],
    pages: (from, to) => weightPages(weights, from, to),
    metadata: weightMetadata
  }
  return [target, weight]
}

function* writeTail(footer: Footer, fields: readonly Field[], columns: readonly NewColumn[]): Generator<Uint8Array> {
  const rowGroups: Uint8Array[] = []
  let offset = footer.start
  let done = 0
  for (const encoded of footer.rowGroups) {
    const group = rowGroupOf(encoded, footer)
    const start = offset
    const chunks: Uint8Array[] = []
    for (const column of columns) {
      const chunk = { offset, byteLength: 0, entries: 0 }
      for (const { bytes, entries } of column.pages(done, done + group.rows)) {
        yield* bytes
        chunk.byteLength += bytes.reduce((sum, part) => sum + part.byteLength, 0)
        chunk.entries += entries
      }
      offset += chunk.byteLength
      chunks.push(writeStruct([i64(2, chunk.offset), struct(3, column.metadata(chunk))]))
    }
    done += group.rows
    rowGroups.push(
      writeStruct(
        [2, 6].reduce(
          (fields, id) => grown(fields, id, offset - start),
          withField(group.fields, list(1, STRUCT, [...group.rawColumns, ...chunks]))
        )
      )
    )
  }
  const encoded = writeStruct(withField(fields, list(4, STRUCT, rowGroups)))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, encoded.byteLength, true)
  yield join([encoded, length, MAGIC])
}

/** total_byte_size (2) and total_compressed_size (6) of a row group, where it has them. */
function grown(fields: readonly Field[], id: number, by: number): Field[] {
  const size = integerOf(fieldOf(fields, id, I64))
  return size === undefined ? [...fields] : withField(fields, i64(id, size + by))
}

function withSchema(fields: readonly Field[], footer: Footer, columns: readonly NewColumn[]): Field[] {
  const [root, ...others] = footer.rawSchema
  if (root === undefined) throw new InvalidContentError('the Parquet file has no schema')
  const children = (footer.schema[0]?.children ?? 0) + columns.length
  const grownRoot = writeStruct(withField(readStruct(root).fields, i32(5, children)))
  const changed = withField(fields, list(2, STRUCT, [grownRoot, ...others, ...columns.flatMap(({ schema }) => schema)]))
  // 7 column_orders: optional, but if present one for each leaf column; TYPE_ORDER is the only defined order
  const orders = listOf(fieldOf(fields, 7, LIST), footer.rawSchema.length)
  return orders === undefined
    ? changed
    : withField(changed, list(7, STRUCT, [...orders.items, ...columns.map(() => writeStruct([struct(1, [])]))]))
}

/** Names of the columns below the root. */
function topLevel(footer: Footer): string[] {
  const names: string[] = []
  let pending = 0
  for (const element of footer.schema.slice(1)) {
    if (pending === 0) {
      names.push(element.name)
      pending = element.children
    } else pending += element.children - 1
  }
  return names
}
