/**
 * Step 4, the shard: the partition's own Parquet file with a `target` column appended.
 *
 * Column chunks are located by absolute offsets in the footer alone, so
 * `source[0 .. start of its footer) + new chunks, one for each row group + a new footer` is a file whose old columns keep their
 * bytes and places. Images are neither copied nor sent again: all leaves before the footer are the source's own blocks
 * (partition-file.ts ends its chunks at a leaf). The footer is edited, not made anew (thrift.ts): what other writers put into it
 * stays, so this works for Parquet files of any origin. Equal inputs give equal bytes.
 */
import { type ByteRanges, type Footer, MAGIC, readFooter, rowGroupOf } from '../distribute/parquet-footer.ts'
import { isPartitionSchema } from '../distribute/partition-file.ts'
import {
  BINARY,
  binary,
  binaryOf,
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
import { ARROW_SCHEMA, shardArrowSchema } from './arrow-schema.ts'
import { TARGET, targetMetadata, targetPages, targetSchema } from './target-column.ts'
import type { TargetDtype } from './target-dtype.ts'

/** `file = source[0 .. keep) + tail`. */
export interface Appended {
  readonly keep: number
  /** Made piece by piece, a page at a time; may be iterated again */
  readonly tail: Iterable<Uint8Array>
}

export interface Shard extends ContentFile {
  /** Bytes of the blocks that were put: those that the source does not have */
  readonly newBytes: number
}

/**
 * Append `targets` (one row for each row of `source`; absent rows become null), stored as `dtype`, and key-value `metadata`.
 *
 * Throws `InvalidContentError` on a source that is no Parquet file, `InvalidInputError` when the rows do not match or there is a
 * target column already, `NumericError` (on iterating) for a value that is not finite or too large for `dtype`.
 */
export async function appendTargets(
  source: ByteRanges,
  targets: Matrix32,
  metadata: Readonly<Record<string, string>>,
  dtype: TargetDtype = 'float32'
): Promise<Appended> {
  const footer = await readFooter(source)
  if (topLevel(footer).includes(TARGET)) throw new InvalidInputError(`the file has a column "${TARGET}" already`)
  const rows = footer.rowGroups.reduce((sum, encoded) => sum + rowGroupOf(encoded, footer).rows, 0)
  if (rows !== targets.rows || footer.rows !== targets.rows) {
    throw new InvalidInputError(`targets for ${targets.rows} rows, the file has ${footer.rows}`)
  }
  const vector = { length: targets.columns, dtype }
  const fields = withSchema(withKeyValues(footer, vector, metadata), footer, dtype)
  return { keep: footer.start, tail: { [Symbol.iterator]: () => writeTail(footer, fields, targets, dtype) } }
}

/**
 * Import the shard of a source file whose leaves are known (unixfs-leaves.ts): the same CID as importing its bytes, but only
 * the blocks that the source does not have are made and put.
 */
export async function shardFile(init: {
  source: ByteRanges
  leaves: readonly Leaf[]
  targets: Matrix32
  metadata: Readonly<Record<string, string>>
  /** float32 by default */
  dtype?: TargetDtype
  put: PutBlock
}): Promise<Shard> {
  const { source, leaves, targets, metadata, dtype } = init
  const { keep, tail } = await appendTargets(source, targets, metadata, dtype)
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

/** The key under which `datasets` keeps its features. */
const HUGGING_FACE = 'huggingface'

/** What a target is: `length` numbers of `dtype`. */
interface Vector {
  readonly length: number
  readonly dtype: TargetDtype
}

function* writeTail(
  footer: Footer,
  fields: readonly Field[],
  targets: Matrix32,
  dtype: TargetDtype
): Generator<Uint8Array> {
  const rowGroups: Uint8Array[] = []
  let offset = footer.start
  let done = 0
  for (const encoded of footer.rowGroups) {
    const group = rowGroupOf(encoded, footer)
    const chunk = { offset, byteLength: 0, entries: 0 }
    for (const { bytes, entries } of targetPages(targets, done, done + group.rows, dtype)) {
      yield* bytes
      chunk.byteLength += bytes.reduce((sum, part) => sum + part.byteLength, 0)
      chunk.entries += entries
    }
    offset += chunk.byteLength
    done += group.rows
    const column = writeStruct([i64(2, chunk.offset), struct(3, targetMetadata(chunk, dtype))])
    rowGroups.push(
      writeStruct(
        [2, 6].reduce(
          (fields, id) => grown(fields, id, chunk.byteLength),
          withField(group.fields, list(1, STRUCT, [...group.rawColumns, column]))
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

function withSchema(fields: readonly Field[], footer: Footer, dtype: TargetDtype): Field[] {
  const [root, ...others] = footer.rawSchema
  if (root === undefined) throw new InvalidContentError('the Parquet file has no schema')
  const children = (footer.schema[0]?.children ?? 0) + 1
  const grownRoot = writeStruct(withField(readStruct(root).fields, i32(5, children)))
  const changed = withField(fields, list(2, STRUCT, [grownRoot, ...others, ...targetSchema(dtype)]))
  // 7 column_orders: one for each leaf column, when there is one at all; TYPE_ORDER is the only order of this kind
  const orders = listOf(fieldOf(fields, 7, LIST), footer.rawSchema.length)
  return orders === undefined
    ? changed
    : withField(changed, list(7, STRUCT, [...orders.items, writeStruct([struct(1, [])])]))
}

function withKeyValues(footer: Footer, vector: Vector, metadata: Readonly<Record<string, string>>): Field[] {
  const old = listOf(fieldOf(footer.fields, 5, LIST), 65_536)?.items ?? []
  const described: Array<[string, string]> = []
  const kept = old.flatMap(item => {
    const pair = readStruct(item).fields
    const key = new TextDecoder().decode(binaryOf(fieldOf(pair, 1, BINARY)))
    // Arrow's own copy of the schema would lack the new column, and Arrow reads it by position
    if (key === ARROW_SCHEMA || Object.hasOwn(metadata, key)) return []
    if (key !== HUGGING_FACE) return [item]
    const value = withTargetFeature(new TextDecoder().decode(binaryOf(fieldOf(pair, 2, BINARY))), vector)
    described.push([key, value])
    return [keyValue(key, value)]
  })
  const added = Object.keys(metadata)
    .sort()
    .map((key): [string, string] => [key, metadata[key] ?? ''])
  // a new copy can be made where all columns are known
  const arrow: Array<[string, string]> = isPartitionSchema(footer)
    ? [[ARROW_SCHEMA, shardArrowSchema(vector, [...described, ...added])]]
    : []
  const pairs = [...arrow, ...added].map(([key, value]) => keyValue(key, value))
  return withField(footer.fields, list(5, STRUCT, [...kept, ...pairs]))
}

function keyValue(key: string, value: string): Uint8Array {
  return writeStruct([binary(1, key), binary(2, value)])
}

/** Adds the target to `info.features`, where the text has them; other text is left alone. */
function withTargetFeature(text: string, { length, dtype }: Vector): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not ours to repair: only Hugging Face's own libraries read it
    return text
  }
  if (!isObject(value) || !isObject(value['info']) || !isObject(value['info']['features'])) return text
  const feature = { feature: { dtype, _type: 'Value' }, length, _type: 'Sequence' }
  return JSON.stringify({
    ...value,
    info: { ...value['info'], features: { ...value['info']['features'], [TARGET]: feature } }
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
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
