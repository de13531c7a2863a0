/**
 * Opens a table of vectors: every file is read once, hashed and checked, and the places of its vectors are indexed by the sha2-256 of the images.
 * Vectors stay in the files (those of Parquet in a temporary copy) and are read one by one, so a table may be larger than memory.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { CID } from 'multiformats/cid'
import { cborCid, encodeCbor } from '../../../src/codec.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { KEY_KIND_TEXT } from '../../../src/optimize/sample-key.ts'
import { hashFile } from '../../compute/inference/external-data.ts'
import { sha256Cid } from '../../compute/inference/file-cid.ts'
import { resolveNames } from '../image-names.ts'
import { createSpillFile } from './disk-file.ts'
import type { TableFiles, TablePart } from './find-table.ts'
import { openKeyFile, type KeyFile } from './key-file.ts'
import { openParquet } from './parquet-file.ts'
import { parquetColumns, spillVectors, type ParquetColumns } from './parquet-vectors.ts'
import { TableKeys } from './table-keys.ts'
import { NonFiniteRow, openVectors, type VectorSource } from './vector-source.ts'

export interface TableOptions {
  /** Column or tensor of the vectors */
  readonly output?: string | undefined
  /** Column of the keys */
  readonly key?: string | undefined
  /** Where file names lead: image-names.ts */
  readonly images?: string | undefined
  /** Called while files are read, with the vectors so far. What it throws ends the reading. */
  onRows?(rows: number): void
  /** Folder for the temporary copy of Parquet's vectors. @default the system's */
  readonly scratch?: string
}

export interface OpenTable {
  /** dag-cbor of the sha2-256 of every file, and of what of them is taken */
  readonly id: CID
  /** Bytes of the files with vectors */
  readonly bytes: number
  /** Images that have a vector */
  readonly images: number
  /** l */
  readonly dimension: number
  /** The column or tensor that the vectors are; the file's name where it has none */
  readonly tensor: string
  /** In words: how many images, and how they are named */
  readonly feature: string
  /** What was guessed, for people */
  readonly assumed: readonly string[]
  /** False, and `out` is as it was, for an image without a vector. `out`: l numbers */
  read(digest: Uint8Array, out: Float32Array): Promise<boolean>
  close(): Promise<void>
}

/** Throws `InvalidPriorError` naming file and key or row. */
export async function openTable({ format, parts }: TableFiles, options: TableOptions): Promise<OpenTable> {
  await using opened = new AsyncDisposableStack()
  const keys = new TableKeys()
  const vectors =
    format === 'parquet'
      ? await readParquet(parts, keys, options, opened)
      : await readFlat(parts, format, keys, options, opened)
  const [first] = parts
  if (first === undefined || keys.size === 0)
    throw new InvalidPriorError(`${first?.vectors ?? 'the table'} has no vectors`)
  const assumed = [...vectors.assumed]
  let names: Uint8Array | undefined
  if (keys.kind === 'name') {
    const hash = createHash('sha256')
    const found = (digest: Uint8Array, row: number): boolean => {
      hash.update(digest).update(`${row} `)
      return keys.index.add(digest, row)
    }
    assumed.push(await resolveNames(first.keys ?? first.vectors, keys.takeNames(), options.images, found))
    names = hash.digest()
  }
  const files = vectors.files.map(({ vectors: v, keys: k }) => ({
    vectors: sha256Cid(v),
    ...(k === undefined ? {} : { keys: sha256Cid(k) })
  }))
  const id = cborCid(
    encodeCbor({
      files,
      vectors: vectors.tensor ?? null,
      key: vectors.key ?? null,
      ...(names === undefined ? {} : { names: sha256Cid(names) })
    })
  )
  const kind = KEY_KIND_TEXT[keys.kind ?? 'cid']
  const handles = opened.move()
  return {
    id,
    bytes: vectors.bytes,
    images: keys.index.size,
    dimension: vectors.dimension,
    tensor: vectors.tensor ?? basename(first.vectors),
    feature: `vectors of ${keys.index.size} images from a table, keyed by ${kind}`,
    assumed,
    read: async (digest, out) => {
      const row = keys.index.get(digest)
      if (row === undefined) return false
      await vectors.read(row, out)
      return true
    },
    close: async () => await handles.disposeAsync()
  }
}

// --- internal ---

interface Vectors {
  readonly dimension: number
  readonly bytes: number
  readonly files: ReadonlyArray<{ vectors: Uint8Array; keys?: Uint8Array }>
  readonly tensor?: string
  readonly key?: string | undefined
  readonly assumed: readonly string[]
  read(row: number, out: Float32Array): Promise<void>
}

async function readFlat(
  parts: readonly TablePart[],
  format: 'npy' | 'safetensors',
  keys: TableKeys,
  { output, key, onRows = () => undefined }: TableOptions,
  opened: AsyncDisposableStack
): Promise<Vectors> {
  const sources: Array<{ source: VectorSource; first: number }> = []
  const files: Array<{ vectors: Uint8Array; keys: Uint8Array }> = []
  const assumed: string[] = []
  let rows = 0
  let tensor: string | undefined
  for (const { vectors: path, keys: keyPath = path } of parts) {
    const keyFile = await openKeyFile(keyPath, key)
    const before = rows
    const onPart = (done: number): void => onRows(before + done)
    const source = await openVectors(path, format, tensor ?? output, onPart).catch(async (error: unknown) => {
      if (!(error instanceof NonFiniteRow)) throw error
      const name = await keyAt(keyFile, error.row)
      throw new InvalidPriorError(`${path}, ${name ?? `row ${error.row}`}: ${error.what}`, { cause: error })
    })
    opened.defer(source.close)
    const [expected] = sources
    if (expected !== undefined && expected.source.columns !== source.columns)
      throw new InvalidPriorError(
        `${path} has vectors of ${source.columns} numbers, the files before it have ${expected.source.columns}`
      )
    let row = rows
    for await (const batch of keyFile.batches()) for (const name of batch) keys.add(keyPath, name, row++)
    if (row - rows !== source.rows)
      throw new InvalidPriorError(`${keyPath} has ${row - rows} keys, and ${path} has ${source.rows} vectors`)
    if (sources.length === 0) {
      assumed.push(`the keys of ${basename(path)} are ${keyFile.choice ?? `the rows of ${basename(keyPath)}`}`)
      if (output === undefined && source.tensor !== undefined)
        assumed.push(`the vectors are the tensor "${source.tensor}"`)
    }
    tensor = source.tensor
    files.push({ vectors: source.digest, keys: await hashFile(keyPath) })
    sources.push({ source, first: rows })
    rows = row
  }
  return {
    dimension: sources[0]?.source.columns ?? 0,
    bytes: sources.reduce((sum, { source }) => sum + source.bytes, 0),
    files,
    ...(tensor === undefined ? {} : { tensor }),
    ...(key === undefined ? {} : { key }),
    assumed,
    read: async (row, out) => {
      const part = sources.findLast(({ first }) => first <= row)
      await part?.source.read(row - part.first, out)
    }
  }
}

async function keyAt(keys: KeyFile, row: number): Promise<string | undefined> {
  let first = 0
  for await (const batch of keys.batches()) {
    if (row < first + batch.length) return JSON.stringify(batch[row - first])
    first += batch.length
  }
  return undefined
}

async function readParquet(
  parts: readonly TablePart[],
  keys: TableKeys,
  { output, key, scratch, onRows = () => undefined }: TableOptions,
  opened: AsyncDisposableStack
): Promise<Vectors> {
  const spill = await createSpillFile(scratch)
  opened.defer(spill.close)
  const files: Array<{ vectors: Uint8Array }> = []
  let columns: ParquetColumns | undefined
  let dimension = 0
  let row = 0
  let bytes = 0
  for (const { vectors: path } of parts) {
    const file = await openParquet(path)
    try {
      columns = await parquetColumns(file, { key: columns?.key ?? key, vector: columns?.vector ?? output })
      const onKey = (name: string): void => keys.add(path, name, row++)
      dimension = await spillVectors(file, columns, { columns: dimension, spill, onKey, onGroup: () => onRows(row) })
      bytes += file.byteLength
    } finally {
      await file.close()
    }
    files.push({ vectors: await hashFile(path) })
  }
  const size = dimension * Float32Array.BYTES_PER_ELEMENT
  return {
    dimension,
    bytes,
    files,
    ...(columns === undefined ? {} : { tensor: columns.vector, key: columns.key }),
    assumed: [
      ...(key === undefined && columns !== undefined ? [`the keys are column "${columns.key}"`] : []),
      ...(output === undefined && columns !== undefined ? [`the vectors are column "${columns.vector}"`] : [])
    ],
    read: async (index, out) => {
      const data = await spill.slice(index * size, (index + 1) * size)
      out.set(new Float32Array(data.buffer))
    }
  }
}
