/**
 * Messages on streams: canonical dag-cbor maps that satisfy a schema. Any other bytes cause a `ProtocolError`.
 *
 * A minor version may add hints under `ext` (src/extension.ts), which older versions ignore. A new kind of message, or a new meaning of an old one,
 * needs a new protocol id, which libp2p negotiates: `/coopt/sync/1.1.0` beside `/coopt/sync/1.0.0`.
 */
import { z, type ZodType } from 'zod'
import { decodeCbor, encodeCbor } from '../src/codec.ts'
import { InvalidContentError, ProtocolError } from '../src/errors.ts'
import { extensionsOf } from '../src/extension.ts'

/** Largest `ext` of a message, in bytes; the largest message leaves room for it. */
const MAX_MESSAGE_EXTENSION_BYTES = 1024

/** The closed schema of one kind of message. */
export function messageSchema<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject({ ...shape, ext: extensionsOf(MAX_MESSAGE_EXTENSION_BYTES) })
}

/** Decode a frame of at most `maxBytes` bytes. Throws `ProtocolError`. */
export function decodeMessage<T>(schema: ZodType<T>, frame: Uint8Array, maxBytes: number): T {
  let value: unknown
  try {
    value = decodeCbor(frame, maxBytes)
  } catch (cause) {
    if (cause instanceof InvalidContentError) throw new ProtocolError(`not a message: ${cause.message}`, { cause })
    throw cause
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new ProtocolError(`not a message of this protocol: ${issue?.path.join('.')} ${issue?.message}`)
  }
  return parsed.data
}

export function encodeMessage<T>(schema: ZodType<T>, message: T): Uint8Array {
  return encodeCbor(schema.parse(message))
}
