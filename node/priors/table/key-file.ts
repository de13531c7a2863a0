/** The keys of vectors: lines of a text, a column of a CSV or Parquet file, or a NumPy array of strings. */
import { basename, extname } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { InvalidPriorError } from '../../../src/errors.ts'
import { splitLine } from '../../../src/optimize/csv-line.ts'
import { parseNpy, NPY_HEAD_BYTES } from '../../../src/optimize/npy-header.ts'
import { keyColumnOf } from '../../../src/optimize/table-columns.ts'
import { textLines } from '../text-lines.ts'
import { openDiskFile } from './disk-file.ts'
import { openParquet, topLevel, type ParquetFile } from './parquet-file.ts'

/** Values by which a column is judged. */
const SAMPLE = 100
/** Of a string in a NumPy array; a path is shorter. */
const MAX_STRING_BYTES = 65_536
/** Strings of a NumPy array that are read at once. */
const READ_BYTES = 4 * 1024 * 1024

export interface KeyFile {
  /** What of the file is taken, in words; undefined where there was no choice. */
  readonly choice?: string
  /** The keys in the order of the rows. Throws `InvalidPriorError` naming the file for a row without one. */
  batches(): AsyncGenerator<readonly string[]>
}

/** `column`: the name that was asked for. Throws `InvalidPriorError` naming the file. */
export async function openKeyFile(path: string, column?: string): Promise<KeyFile> {
  const end = extname(path).toLowerCase()
  if (end === '.parquet') return await parquetKeys(path, column)
  if (end === '.csv') return await csvKeys(path, column)
  if (column !== undefined)
    throw new InvalidPriorError(`${path} has no columns: the key ${JSON.stringify(column)} cannot be chosen`)
  return end === '.npy' ? { batches: () => npyKeys(path) } : { batches: () => lineKeys(path) }
}

// --- internal ---

async function* lineKeys(path: string): AsyncGenerator<readonly string[]> {
  let row = 0
  for await (const lines of textLines(path)) {
    for (const [i, line] of lines.entries()) if (line.trim() === '') throw noKey(path, row + i)
    row += lines.length
    yield lines.map(line => line.trim())
  }
}

async function csvKeys(path: string, wanted: string | undefined): Promise<KeyFile> {
  const sample: string[][] = []
  reading: for await (const lines of textLines(path))
    for (const line of lines) {
      sample.push(fieldsOf(path, sample.length, line))
      if (sample.length > SAMPLE) break reading
    }
  const [header, ...rows] = sample
  if (header === undefined || rows.length === 0) throw new InvalidPriorError(`${path} has no rows below a header`)
  const columns = new Map(header.map((name, i) => [name, rows.map(fields => fields[i] ?? '')]))
  const column = chosen(path, columns, wanted)
  const at = header.indexOf(column)
  return {
    ...(wanted === undefined ? { choice: `column "${column}" of ${basename(path)}` } : {}),
    async *batches() {
      let row = -1
      for await (const lines of textLines(path)) {
        const keys: string[] = []
        for (const line of lines) {
          row++
          if (row === 0) continue
          const key = fieldsOf(path, row, line)[at] ?? ''
          if (key === '') throw noKey(path, row - 1)
          keys.push(key)
        }
        yield keys
      }
    }
  }
}

function fieldsOf(path: string, index: number, line: string): string[] {
  const fields = splitLine(index === 0 ? line.replace(/^\uFEFF/, '') : line)
  if (fields === undefined)
    throw new InvalidPriorError(`${path}, line ${index + 1}: a quote is not closed, or text follows it`)
  return fields
}

async function parquetKeys(path: string, wanted: string | undefined): Promise<KeyFile> {
  const column = await withParquet(path, async file => await parquetKeyColumn(file, wanted))
  return {
    ...(wanted === undefined ? { choice: `column "${column}" of ${basename(path)}` } : {}),
    async *batches() {
      const file = await openParquet(path)
      try {
        let row = 0
        for (let group = 0; group < file.groups; group++) {
          const keys = checkedKeys(path, await file.read(group, column), row)
          row += keys.length
          yield keys
        }
      } finally {
        await file.close()
      }
    }
  }
}

/** The column of keys of an open Parquet file. Throws `InvalidPriorError` naming it. */
export async function parquetKeyColumn(file: ParquetFile, wanted: string | undefined): Promise<string> {
  const texts = [...topLevel(file.schema)].flatMap(([column, ...below]) =>
    column !== undefined && below.length === 0 && isText(column) ? [column.name] : []
  )
  const first = Array.from({ length: file.groups }, (_, i) => i).find(i => file.rowsOf(i) > 0)
  if (first === undefined) throw new InvalidPriorError(`${file.path} has no rows`)
  const samples = new Map<string, string[]>()
  // the name that was asked for decides without a look at the values
  for (const name of wanted === undefined ? texts : []) {
    const values = await file.read(first, name)
    samples.set(
      name,
      values.slice(0, SAMPLE).filter(value => typeof value === 'string')
    )
  }
  return chosen(file.path, wanted === undefined ? samples : new Map(texts.map(name => [name, []])), wanted)
}

/** Throws `InvalidPriorError` for a row without a key. `first`: number of the first row. */
export function checkedKeys(path: string, values: readonly unknown[], first: number): string[] {
  return values.map((value, i) => {
    if (typeof value !== 'string' || value === '') throw noKey(path, first + i)
    return value
  })
}

async function withParquet<T>(path: string, use: (file: ParquetFile) => Promise<T>): Promise<T> {
  const file = await openParquet(path)
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

function isText({ type, repetition_type, converted_type, logical_type }: SchemaElement): boolean {
  return (
    type === 'BYTE_ARRAY' &&
    repetition_type !== 'REPEATED' &&
    (converted_type === 'UTF8' || logical_type?.type === 'STRING')
  )
}

function chosen(path: string, columns: ReadonlyMap<string, readonly string[]>, wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (columns.has(wanted)) return wanted
    throw new InvalidPriorError(
      `${path} has no column of text ${JSON.stringify(wanted)}; it has ${[...columns.keys()].join(', ') || 'none'}`
    )
  }
  try {
    return keyColumnOf(columns)
  } catch (cause) {
    throw cause instanceof InvalidPriorError ? new InvalidPriorError(`${path}: ${cause.message}`, { cause }) : cause
  }
}

async function* npyKeys(path: string): AsyncGenerator<readonly string[]> {
  const file = await openDiskFile(path)
  try {
    const { descr, shape, offset } = parseKeysHeader(
      path,
      await file.slice(0, Math.min(file.byteLength, NPY_HEAD_BYTES))
    )
    const [rows = 0] = shape
    const unicode = descr[1] === 'U'
    const bytes = Number(descr.slice(2)) * (unicode ? 4 : 1)
    if (!(bytes >= 1 && bytes <= MAX_STRING_BYTES && offset + rows * bytes <= file.byteLength))
      throw new InvalidPriorError(
        `${path}: ${rows} strings of ${bytes} bytes do not lie in a file of ${file.byteLength}`
      )
    const little = !descr.startsWith('>')
    const step = Math.max(1, Math.floor(READ_BYTES / bytes))
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row)
      const data = await file.slice(offset + row * bytes, offset + (row + count) * bytes)
      const texts = Array.from({ length: count }, (_, i) => {
        const one = data.subarray(i * bytes, (i + 1) * bytes)
        return unicode ? codePoints(one, little) : new TextDecoder().decode(one).replace(/\0+$/, '')
      })
      yield checkedKeys(path, texts, row)
    }
  } finally {
    await file.close()
  }
}

function parseKeysHeader(path: string, head: Uint8Array): ReturnType<typeof parseNpy> {
  let header
  try {
    header = parseNpy(head)
  } catch (cause) {
    throw cause instanceof InvalidPriorError ? new InvalidPriorError(`${path}: ${cause.message}`, { cause }) : cause
  }
  if (header.shape.length !== 1 || !/^([<>]U|\|S)\d{1,5}$/.test(header.descr))
    throw new InvalidPriorError(
      `${path} has the type "${header.descr}" and the shape (${header.shape.join(', ')}), and keys are one string for each row: np.save(path, np.array(keys, dtype="U"))`
    )
  return header
}

/** UTF-32 up to the first zero. */
function codePoints(bytes: Uint8Array, littleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let text = ''
  for (let at = 0; at < bytes.byteLength; at += 4) {
    const point = view.getUint32(at, littleEndian)
    if (point === 0) break
    text += String.fromCodePoint(point > 0x10_ff_ff ? 0xff_fd : point)
  }
  return text
}

const noKey = (path: string, row: number) => new InvalidPriorError(`${path}: row ${row} has no key`)
