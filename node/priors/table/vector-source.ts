/** The vectors of one file: checked and hashed in one pass, then read one by one. */
import { createHash } from 'node:crypto'
import { InvalidPriorError } from '../../../src/errors.ts'
import { NPY_HEAD_BYTES, npyVectors, parseNpy } from '../../../src/optimize/npy-header.ts'
import {
  SAFETENSORS_PREFIX_BYTES,
  safetensorsTextBytes,
  safetensorsVectors
} from '../../../src/optimize/safetensors-header.ts'
import { decodeNumbers, rowBytes, type VectorLayout } from '../../../src/optimize/vector-layout.ts'
import { openDiskFile, type DiskFile } from './disk-file.ts'

/** Of a file, at once. */
const READ_BYTES = 8 * 1024 * 1024

export interface VectorSource {
  readonly rows: number
  readonly columns: number
  /** The tensor of a file that has names for them. */
  readonly tensor?: string
  /** sha2-256 of the whole file. */
  readonly digest: Uint8Array
  readonly bytes: number
  read(row: number, out: Float32Array): Promise<void>
  close(): Promise<void>
}

/** A row whose numbers are not all finite, before its key is known. */
export class NonFiniteRow extends Error {
  readonly row: number
  readonly what: string
  constructor(row: number, what: string) {
    super(`row ${row}: ${what}`)
    this.row = row
    this.what = what
  }
}

/** `wanted`: a tensor. `onRows`: called while the file is read, with the vectors so far. Throws `InvalidPriorError` naming the file, or `NonFiniteRow`. */
export async function openVectors(
  path: string,
  format: 'npy' | 'safetensors',
  wanted: string | undefined,
  onRows: (rows: number) => void = () => undefined
): Promise<VectorSource> {
  const file = await openDiskFile(path)
  try {
    const { layout, tensor } = await named(path, async () => await layoutOf(file, format, wanted))
    const digest = await checkedDigest(file, layout, onRows)
    const size = rowBytes(layout)
    return {
      rows: layout.rows,
      columns: layout.columns,
      ...(tensor === undefined ? {} : { tensor }),
      digest,
      bytes: file.byteLength,
      read: async (row, out) => {
        const start = layout.offset + row * size
        decodeNumbers(await file.slice(start, start + size), layout, out)
      },
      close: file.close
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The first number that is not finite, in words; undefined where all are. */
export function nonFinite(vector: Float32Array): string | undefined {
  const at = vector.findIndex(value => !Number.isFinite(value))
  return at < 0 ? undefined : `number ${at} of its vector is ${vector[at]}`
}

// --- internal ---

async function layoutOf(
  file: DiskFile,
  format: 'npy' | 'safetensors',
  wanted: string | undefined
): Promise<{ layout: VectorLayout; tensor?: string }> {
  const { byteLength } = file
  if (format === 'npy') {
    if (wanted !== undefined)
      throw new InvalidPriorError(`it is one array, and has no tensor ${JSON.stringify(wanted)}`)
    return { layout: npyVectors(parseNpy(await file.slice(0, Math.min(byteLength, NPY_HEAD_BYTES))), byteLength) }
  }
  const prefix = await file.slice(0, Math.min(byteLength, SAFETENSORS_PREFIX_BYTES))
  const length = safetensorsTextBytes(prefix, byteLength)
  const text = await file.slice(SAFETENSORS_PREFIX_BYTES, SAFETENSORS_PREFIX_BYTES + length)
  const { name, layout } = safetensorsVectors(text, byteLength, wanted)
  return { layout, tensor: name }
}

/** Hash of all bytes; on the way every vector is looked at. */
async function checkedDigest(
  file: DiskFile,
  layout: VectorLayout,
  onRows: (rows: number) => void
): Promise<Uint8Array> {
  const hash = createHash('sha256')
  const size = rowBytes(layout)
  const end = layout.offset + layout.rows * size
  const hashTo = async (from: number, to: number): Promise<void> => {
    for (let at = from; at < to; at += READ_BYTES) hash.update(await file.slice(at, Math.min(to, at + READ_BYTES)))
  }
  await hashTo(0, layout.offset)
  const step = Math.max(1, Math.floor(READ_BYTES / size))
  const numbers = new Float32Array(step * layout.columns)
  for (let row = 0; row < layout.rows; row += step) {
    const count = Math.min(step, layout.rows - row)
    const start = layout.offset + row * size
    const bytes = await file.slice(start, start + count * size)
    hash.update(bytes)
    const part = numbers.subarray(0, count * layout.columns)
    decodeNumbers(bytes, layout, part)
    const at = part.findIndex(value => !Number.isFinite(value))
    onRows(row + count)
    if (at < 0) continue
    const bad = Math.floor(at / layout.columns)
    throw new NonFiniteRow(row + bad, `number ${at % layout.columns} of its vector is ${part[at]}`)
  }
  await hashTo(end, file.byteLength)
  return hash.digest()
}

async function named<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (cause) {
    if (!(cause instanceof InvalidPriorError)) throw cause
    throw new InvalidPriorError(`${path}: ${cause.message}`, { cause })
  }
}
