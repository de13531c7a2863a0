/**
 * Checks on what a worker answers. A worker has run code of strangers (a decoder on their images, a runtime on a model from
 * somewhere), so its messages are as hostile as theirs.
 */
import { z } from 'zod'
import { InferenceError, InvalidImageError, InvalidPriorError } from '../../../src/errors.ts'
import type { PrepareRequest, Replies, Request } from './messages.ts'
import { BYTES_OF, MAX_NUMBER_CHARACTERS } from './tensor-bytes.ts'

/** A score record states at most this many dimensions. */
const MAX_DIMENSION = 1_048_576
const MAX_MESSAGE_CHARACTERS = 1000
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)

export const answerSchema = z.discriminatedUnion('ok', [
  z.object({ id: count, ok: z.literal(true), value: z.unknown() }),
  z.object({ id: count, ok: z.literal(false), name: z.string(), message: z.string() })
])
export type Answer = z.infer<typeof answerSchema>

const loadSchema = z.object({
  shape: z.array(count).max(3),
  dimension: count.min(1).max(MAX_DIMENSION),
  rows: count.min(1),
  milliseconds: z.number().nonnegative(),
  alone: z.string().max(MAX_MESSAGE_CHARACTERS).optional(),
  placement: z.record(z.string().max(64), count).optional()
})
const deviceSchema = z.object({ fault: z.string().max(MAX_MESSAGE_CHARACTERS).optional() })
const embedSchema = z.object({ features: z.instanceof(Float32Array) })
const prepareSchema = z.object({ tensor: z.instanceof(Uint8Array) })
const inspectSchema = z.object({
  images: z.array(
    z.union([
      z.object({ width: count, height: count, format: z.enum(['jpg', 'png', 'webp', 'gif', 'tif', 'avif']) }),
      z.object({ error: z.string().max(MAX_MESSAGE_CHARACTERS) })
    ])
  )
})
const gemmSchema = z.object({ data: z.instanceof(Float64Array) })
const SCHEMAS = {
  load: loadSchema,
  embed: embedSchema,
  prepare: prepareSchema,
  inspect: inspectSchema,
  gemm: gemmSchema,
  device: deviceSchema
}

/** Errors that the worker reports by name are the same classes here. */
const ERRORS: Record<string, new (message: string) => Error> = { InvalidImageError, InvalidPriorError }

/**
 * The reply to `request`, checked; throws the worker's error as one of ours, and `InferenceError` on anything else.
 */
export function replyTo<R extends Request>(request: R, answer: Answer): Replies[R['type']] {
  if (!answer.ok) {
    const message = answer.message.slice(0, MAX_MESSAGE_CHARACTERS)
    const Known = Object.hasOwn(ERRORS, answer.name) ? ERRORS[answer.name] : undefined
    throw Known
      ? new Known(message)
      : new InferenceError(`the inference worker failed: ${answer.name.slice(0, 64)}: ${message}`)
  }
  const { success, data } = SCHEMAS[request.type].safeParse(answer.value)
  if (!success || !isAsLongAs(request, data)) {
    throw new InferenceError(`the inference worker gave a wrong reply to a ${request.type} request`)
  }
  return data as Replies[R['type']] // by the schema of this type
}

function isAsLongAs(request: Request, reply: Replies[Request['type']]): boolean {
  if (request.type === 'inspect') return 'images' in reply && reply.images.length === request.images.length
  if (request.type === 'embed') {
    return 'features' in reply && (request.images.length === 0 || reply.features.length % request.images.length === 0)
  }
  if (request.type === 'prepare') return 'tensor' in reply && isTensorOf(request, reply.tensor)
  if (request.type === 'load' || request.type === 'device') return true
  const { a, b, transposeA, transposeB } = request
  const numbers = (transposeA ? a.columns : a.rows) * (transposeB ? b.rows : b.columns)
  return 'data' in reply && reply.data.length === numbers
}

/** JSON has at least a digit and a separator for each number, and no more than what the longest takes. */
function isTensorOf({ count, input, preprocessing, encoding }: PrepareRequest, { byteLength }: Uint8Array): boolean {
  const numbers = count * input.channels * preprocessing.height * preprocessing.width
  if (encoding === 'binary') return byteLength === numbers * BYTES_OF[input.elementType]
  return byteLength >= 2 * numbers + 1 && byteLength <= (MAX_NUMBER_CHARACTERS + 1) * numbers + 2
}
