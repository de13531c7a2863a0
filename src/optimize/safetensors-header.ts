/**
 * Head of a safetensors file (https://huggingface.co/docs/safetensors): the length of a JSON text in 8 bytes, the text, then the data. The file
 * may be hostile: sizes and offsets are checked against those of the file before anything is read by them.
 */
import { z } from 'zod'
import { InvalidPriorError } from '../errors.ts'
import { checkExtent } from './npy-header.ts'
import type { NumberFormat, VectorLayout } from './vector-layout.ts'

export const SAFETENSORS_PREFIX_BYTES = 8
/** A table has one tensor or few; a model of a thousand has some 100 KB. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024

const FORMATS: Readonly<Record<string, NumberFormat>> = {
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  F64: 'float64'
}

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const tensorSchema = z.object({ dtype: z.string(), shape: z.array(size).max(16), data_offsets: z.tuple([size, size]) })
const headerSchema = z.record(z.string(), z.unknown())

/** Bytes of the JSON text. `prefix`: the first 8 bytes. Throws `InvalidPriorError` without naming the file. */
export function safetensorsTextBytes(prefix: Uint8Array, fileBytes: number): number {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  const length = prefix.byteLength < SAFETENSORS_PREFIX_BYTES ? -1n : view.getBigUint64(0, true)
  if (length < 2n || length > BigInt(Math.min(MAX_TEXT_BYTES, fileBytes - SAFETENSORS_PREFIX_BYTES)))
    throw new InvalidPriorError(
      `it cannot be read as safetensors: it has ${fileBytes} bytes and a header of ${length}, at most ${MAX_TEXT_BYTES} are read`
    )
  return Number(length)
}

/**
 * The tensor of the vectors, N x l: `wanted`, or else the only one that can be it. `text` is the JSON. Throws `InvalidPriorError` without naming
 * the file.
 */
export function safetensorsVectors(
  text: Uint8Array,
  fileBytes: number,
  wanted?: string
): { name: string; layout: VectorLayout } {
  const tensors = [...parse(text)].flatMap(([name, tensor]) => {
    const [rows, columns] = tensor.shape
    const format = FORMATS[tensor.dtype]
    if (format === undefined || tensor.shape.length !== 2 || !rows || !columns) return []
    return [{ name, rows, columns, format, offsets: tensor.data_offsets }]
  })
  const known = tensors.map(({ name }) => JSON.stringify(name)).join(', ')
  const fitting = wanted === undefined ? tensors : tensors.filter(({ name }) => name === wanted)
  const [found] = fitting
  if (found === undefined)
    throw new InvalidPriorError(
      wanted === undefined
        ? 'it has no tensor of vectors: one of two dimensions (N, l) in F16, BF16, F32 or F64 is needed'
        : `it has no tensor of vectors ${JSON.stringify(wanted)}${known === '' ? '' : `, but ${known}`}`
    )
  if (fitting.length > 1)
    throw new InvalidPriorError(`any of its tensors ${known} may be the vectors: name one with --output`)
  const { name, rows, columns, format, offsets } = found
  const start = SAFETENSORS_PREFIX_BYTES + text.byteLength
  const layout: VectorLayout = { rows, columns, offset: start + offsets[0], format, littleEndian: true }
  checkExtent(layout, Math.min(fileBytes, start + offsets[1]))
  return { name, layout }
}

// --- internal ---

function parse(text: Uint8Array): Map<string, z.infer<typeof tensorSchema>> {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text))
  } catch (cause) {
    throw new InvalidPriorError('it cannot be read as safetensors: its header is not JSON', { cause })
  }
  const header = headerSchema.safeParse(json)
  if (!header.success) throw new InvalidPriorError('it cannot be read as safetensors: its header is not an object')
  const tensors = new Map<string, z.infer<typeof tensorSchema>>()
  for (const [name, value] of Object.entries(header.data)) {
    if (name === '__metadata__') continue
    const tensor = tensorSchema.safeParse(value)
    if (!tensor.success)
      throw new InvalidPriorError(
        `it cannot be read as safetensors: the tensor ${JSON.stringify(name)} has no type, shape or place`
      )
    tensors.set(name, tensor.data)
  }
  return tensors
}
