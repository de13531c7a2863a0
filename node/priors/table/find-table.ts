/**
 * Which files make a table of vectors: one `.npy` or `.safetensors` file with its keys beside it, one `.parquet` file with both, a folder of either,
 * or the folder that clip-retrieval writes (`img_emb/img_emb_N.npy` and `metadata/metadata_N.parquet`).
 */
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { InvalidPriorError } from '../../../src/errors.ts'

export type TableFormat = 'npy' | 'safetensors' | 'parquet'

export interface TablePart {
  readonly vectors: string
  /** File with a key for each vector; absent where they are columns of one Parquet file */
  readonly keys?: string
}

export interface TableFiles {
  readonly format: TableFormat
  /** In the order of their numbers or names. */
  readonly parts: readonly TablePart[]
}

/** Each is an open file. */
const MAX_PARTS = 512
/** What a file of keys is called that belongs to the only table of a folder. */
const KEY_NAMES = ['ids', 'keys', 'metadata', 'filenames', 'file_names']
const KEY_ENDINGS = ['.txt', '.csv', '.npy', '.parquet']
const EMBEDDINGS = 'img_emb'
const METADATA = 'metadata'

/** Undefined where the name does not end like one of a table. Throws `InvalidPriorError` where the keys are missing. */
export async function tableOfFile(path: string): Promise<TableFiles | undefined> {
  const format = formatOf(path)
  if (format === undefined) return undefined
  if (format === 'parquet') return { format, parts: [{ vectors: path }] }
  const folder = dirname(path)
  const names = await readdir(folder)
  const metadata = basename(folder) === EMBEDDINGS ? await metadataOf(dirname(folder), basename(path)) : undefined
  const keys = metadata ?? keysBeside(folder, basename(path), names)
  if (keys === undefined)
    throw new InvalidPriorError(
      `${path} has vectors and no keys: put a file beside it that names the image of each row, ${stem(path)}.ids.txt or ids.txt (one key in a line), or .csv, .npy or .parquet instead of .txt${format === 'safetensors' ? '. If it has the weights of a model, export that instead: "optimum-cli export onnx --model DIR --task feature-extraction OUT"' : ''}`
    )
  return { format, parts: [{ vectors: path, keys }] }
}

/** Undefined where the folder has no table. Throws `InvalidPriorError` where it has several, or keys are missing. */
export async function tableOfFolder(folder: string): Promise<TableFiles | undefined> {
  const names = (await readdir(folder)).filter(name => !name.startsWith('.')).toSorted()
  if (names.includes(EMBEDDINGS)) return await clipRetrieval(folder)
  // safetensors without keys are the weights of a model
  const tables = names.filter(
    name =>
      formatOf(name) !== undefined &&
      !isKeys(name, names) &&
      (formatOf(name) !== 'safetensors' || keysBeside(folder, name, names) !== undefined)
  )
  const formats = [...new Set(tables.map(formatOf))]
  const [format] = formats
  const [first] = tables
  if (format === undefined || first === undefined) return undefined
  if (formats.length > 1 || (format !== 'parquet' && tables.length > 1))
    throw new InvalidPriorError(
      `folder ${folder} has several tables of vectors, ${tables.slice(0, 8).join(', ')}: give one of the files`
    )
  if (format !== 'parquet') return await tableOfFile(join(folder, first))
  return {
    format,
    parts: bounded(
      folder,
      tables.map(name => ({ vectors: join(folder, name) }))
    )
  }
}

// --- internal ---

function formatOf(name: string): TableFormat | undefined {
  const end = extname(name).toLowerCase()
  return end === '.npy' ? 'npy' : end === '.safetensors' ? 'safetensors' : end === '.parquet' ? 'parquet' : undefined
}

const stem = (path: string): string => basename(path, extname(path))

/** Keys of a table rather than a table. */
function isKeys(name: string, names: readonly string[]): boolean {
  const own = stem(name)
  const isNamedSo = KEY_NAMES.includes(own) || /[._]ids$/.test(own)
  if (formatOf(name) !== 'parquet') return isNamedSo
  // a Parquet file may have both, whatever it is called
  const tables = names.filter(other => /\.(npy|safetensors)$/i.test(other))
  return tables.length > 0 && (isNamedSo || tables.some(other => stem(other) === own))
}

function keysBeside(folder: string, vectors: string, names: readonly string[]): string | undefined {
  const own = stem(vectors)
  for (const name of [`${own}.ids`, `${own}_ids`, own, ...KEY_NAMES])
    for (const end of KEY_ENDINGS) {
      const file = `${name}${end}`
      if (file !== vectors && names.includes(file)) return join(folder, file)
    }
  return undefined
}

async function metadataOf(root: string, vectors: string): Promise<string | undefined> {
  const number = /(\d+)\.npy$/.exec(vectors)?.[1]
  if (number === undefined) return undefined
  const names = await readdir(join(root, METADATA)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [] as string[]
    throw error
  })
  const name = `${METADATA}_${number}.parquet`
  return names.includes(name) ? join(root, METADATA, name) : undefined
}

async function clipRetrieval(root: string): Promise<TableFiles> {
  const folder = join(root, EMBEDDINGS)
  const numbers = new Map<string, number>()
  for (const name of await readdir(folder)) {
    const number = /^img_emb_(\d+)\.npy$/.exec(name)?.[1]
    if (number !== undefined) numbers.set(name, Number(number))
  }
  if (numbers.size === 0)
    throw new InvalidPriorError(`folder ${folder} has no file img_emb_0.npy, as clip-retrieval writes`)
  const parts: TablePart[] = []
  for (const [name] of [...numbers].sort(([, a], [, b]) => a - b)) {
    const keys = await metadataOf(root, name)
    if (keys === undefined)
      throw new InvalidPriorError(
        `${join(folder, name)} has no metadata: ${join(root, METADATA)} must have the Parquet file of the same number`
      )
    parts.push({ vectors: join(folder, name), keys })
  }
  return { format: 'npy', parts: bounded(folder, parts) }
}

function bounded(folder: string, parts: readonly TablePart[]): readonly TablePart[] {
  if (parts.length > MAX_PARTS)
    throw new InvalidPriorError(
      `folder ${folder} has ${parts.length} files of vectors, at most ${MAX_PARTS} are read: join them`
    )
  return parts
}
