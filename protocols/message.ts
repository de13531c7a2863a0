/**
 * Messages on streams: canonical dag-cbor maps that satisfy a schema. Anything else is a `ProtocolError`, whatever the bytes.
 */
import type { ZodType } from 'zod'
import { decodeCbor, encodeCbor } from '../src/codec.ts'
import { InvalidContentError, ProtocolError } from '../src/errors.ts'

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
