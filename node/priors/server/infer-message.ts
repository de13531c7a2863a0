/**
 * Bodies of `POST v2/models/M/infer`: JSON (Open Inference protocol, inference_rest.md), or JSON followed by the tensors' bytes (its binary
 * tensor data extension). An answer may take either form, no matter which one the request had.
 */
import { z } from 'zod'
import { InvalidPriorError } from '../../../src/errors.ts'
import type { TensorEncoding } from '../../compute/inference/messages.ts'
import { OUTPUT_TYPES } from './server-metadata.ts'

/** Says how many bytes of the body are JSON. */
const LENGTH_HEADER = 'Inference-Header-Content-Length'
/** What a number takes at most in JSON, with separators and some indentation. */
const MAX_NUMBER_BYTES = 40
/** Head of an answer: names, shapes, parameters of one output. */
const MAX_HEAD_BYTES = 65_536
/** The size of the feature is not known before the first answer: 8 maps of 2048 x 32 x 32 in float32 fit. */
export const FIRST_ANSWER_BYTES = 64 * 1024 * 1024

export interface InferBody {
  readonly parts: readonly Uint8Array[]
  readonly headers: Readonly<Record<string, string>>
}

export interface InferRequest {
  readonly input: { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }
  readonly output: string
  /** The tensor in `encoding` */
  readonly tensor: Uint8Array
  readonly encoding: TensorEncoding
}

export function encodeInfer({ input, output, tensor, encoding }: InferRequest): InferBody {
  if (encoding === 'json') {
    const [head, tail] = [
      `{"inputs":[${JSON.stringify(input).slice(0, -1)},"data":`,
      `}],"outputs":[{"name":${JSON.stringify(output)}}]}`
    ]
    return { parts: [utf8(head), tensor, utf8(tail)], headers: { 'content-type': 'application/json' } }
  }
  const head = utf8(
    JSON.stringify({
      inputs: [{ ...input, parameters: { binary_data_size: tensor.byteLength } }],
      outputs: [{ name: output, parameters: { binary_data: true } }]
    })
  )
  return {
    parts: [head, tensor],
    headers: { 'content-type': 'application/octet-stream', [LENGTH_HEADER]: `${head.byteLength}` }
  }
}

/** Bytes of the largest answer with as many numbers, in either form. */
export const answerBytes = (numbers: number): number => MAX_HEAD_BYTES + MAX_NUMBER_BYTES * numbers

export interface InferAnswer {
  readonly values: Float32Array | Float64Array | Float16Array
  readonly dims: readonly number[]
  /** Of the model, where the server has versions */
  readonly version?: string
}

const outputSchema = z.object({
  name: z.string().max(1024),
  datatype: z.string().max(16),
  shape: z
    .array(
      z
        .number()
        .int()
        .min(0)
        .max(2 ** 31)
    )
    .max(8),
  parameters: z
    .looseObject({
      binary_data_size: z
        .number()
        .int()
        .min(0)
        .max(2 ** 40)
        .optional()
    })
    .nullish(),
  data: z.array(z.unknown()).optional()
})
const answerSchema = z.object({
  model_version: z.string().max(256).nullish(),
  outputs: z.array(outputSchema).max(256)
})
type Output = z.infer<typeof outputSchema>

/** Throws `InvalidPriorError` saying what is wrong. Numbers that JSON cannot carry (`null`, `NaN`) are NaN. */
export function decodeInfer({ headers, body }: { headers: Headers; body: Uint8Array }, output: string): InferAnswer {
  const length = headers.get(LENGTH_HEADER)
  const headBytes = length === null ? body.byteLength : Number(length)
  if (!/^\d{1,15}$/.test(length ?? '0') || headBytes > body.byteLength)
    throw new InvalidPriorError(
      `its ${LENGTH_HEADER} is ${JSON.stringify(length)} for a body of ${body.byteLength} bytes`
    )
  const { success, data: answer, error } = answerSchema.safeParse(parseJson(body.subarray(0, headBytes)))
  if (!success) throw new InvalidPriorError(`not an answer of the protocol: ${z.prettifyError(error).slice(0, 300)}`)
  let at = headBytes
  let found: InferAnswer | undefined
  for (const one of answer.outputs) {
    const size = one.parameters?.binary_data_size
    const bytes = size === undefined ? undefined : body.subarray(at, at + size)
    at += size ?? 0
    if (at > body.byteLength) throw new InvalidPriorError('the binary data is shorter than its head says')
    if (one.name !== output) continue
    const version = answer.model_version ?? undefined
    found = { values: valuesOf(one, bytes), dims: one.shape, ...(version === undefined ? {} : { version }) }
  }
  if (at !== body.byteLength) throw new InvalidPriorError('the binary data is longer than its head says')
  if (found === undefined) {
    const names = answer.outputs.map(one => JSON.stringify(one.name)).join(', ')
    throw new InvalidPriorError(`it lacks the output "${output}"${names === '' ? '' : ` (it has ${names})`}`)
  }
  return found
}

// --- internal ---

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const ARRAYS = { FP32: Float32Array, FP64: Float64Array, FP16: Float16Array } as const

function valuesOf({ name, datatype, shape, data }: Output, bytes: Uint8Array | undefined): InferAnswer['values'] {
  const type = OUTPUT_TYPES.find(one => one === datatype)
  if (type === undefined)
    throw new InvalidPriorError(
      `output "${name}" holds ${datatype}; FP32, FP16 and FP64 are supported: choose another with --output`
    )
  const count = shape.reduce((product, size) => product * size, 1)
  const Numbers = ARRAYS[type]
  const wrong = (has: number, unit: string, needed: number): InvalidPriorError =>
    new InvalidPriorError(
      `output "${name}" has ${has} ${unit} for the shape [${shape.join(', ')}], which needs ${needed}`
    )
  if (bytes !== undefined) {
    const needed = count * Numbers.BYTES_PER_ELEMENT
    if (bytes.byteLength !== needed) throw wrong(bytes.byteLength, 'bytes', needed)
    return new Numbers(Uint8Array.from(bytes).buffer) // aligned
  }
  if (data === undefined) throw new InvalidPriorError(`output "${name}" has no data`)
  const numbers = flattened(data, name)
  if (numbers.length !== count) throw wrong(numbers.length, 'numbers', count)
  return Numbers.from(numbers)
}

/** Row-major, from a flat array or one nested by the shape. */
function flattened(data: readonly unknown[], name: string): number[] {
  const flat = data.some(Array.isArray) ? data.flat(8) : data
  return flat.map(value => {
    if (value === null) return Number.NaN
    if (typeof value !== 'number')
      throw new InvalidPriorError(`output "${name}" holds ${JSON.stringify(value)?.slice(0, 40)} among its numbers`)
    return value
  })
}

function parseJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes)
  try {
    return JSON.parse(text)
  } catch (cause) {
    // what Python's json module writes for numbers that are not finite
    const finite = text.replaceAll(/(?<=[[,:]\s*)-?(?:NaN|Infinity)(?=\s*[,\]}])/g, 'null')
    try {
      if (finite !== text) return JSON.parse(finite)
    } catch {
      // not that either: the first error says where
    }
    throw new InvalidPriorError('it is not JSON', { cause })
  }
}
