/**
 * How a minor version adds to what is signed or sent: one map, `ext`, in an otherwise closed schema.
 *
 *   ext: { "name": any dag-cbor value, … }
 *
 * A reader ignores the names that it does not know and keeps all of them, because signed statements are hashed, stored and forwarded as the
 * bytes that arrived. The size is bounded, so that an unknown extension cannot cost more than a known field. A statement without extensions has
 * no `ext`: an empty map would be a second encoding of the same statement.
 *
 * Extensions that change the meaning of other fields are listed in the manifest's `crit` (as in RFC 7515, section 4.1.11): a node that does not know
 * one of these names does not join. Records have no such list. If one reader refused a record that another accepts, their sets and hence their
 * datasets would differ; so only the manifest sets a swarm's rules, and every other extension may be ignored.
 */
import { z } from 'zod'
import { encodeCbor } from './codec.ts'
import { CoOptError } from './errors.ts'

/** Extensions by name. Their values are unchecked. */
export type Extensions = Readonly<Record<string, unknown>>

/** Extensions per statement: each is a feature of some version. */
export const MAX_EXTENSIONS = 16

/** Lower-case words, such as `sampling` or `example.org-note`: experimental names start with the lab's domain. */
export const extensionName = z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/, 'not the name of an extension')

/** `ext` of at most `maxBytes` bytes of dag-cbor. */
export function extensionsOf(maxBytes: number) {
  return z
    .custom<Extensions>(isPlainMap, 'not a map')
    .refine(ext => Object.keys(ext).length >= 1, 'an empty map: leave it out')
    .refine(ext => Object.keys(ext).length <= MAX_EXTENSIONS, `more than ${MAX_EXTENSIONS} extensions`)
    .refine(ext => Object.keys(ext).every(name => extensionName.safeParse(name).success), 'not names of extensions')
    .refine(ext => encodedBytes(ext) <= maxBytes, `more than ${maxBytes} bytes of extensions`)
    .optional()
}

// --- internal ---

function isPlainMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function encodedBytes(value: unknown): number {
  try {
    return encodeCbor(value).byteLength
  } catch (error) {
    // dag-cbor cannot represent the value: a mistake of the caller, since decoded values always encode
    throw new CoOptError(`an extension cannot be encoded: ${String(error)}`, { cause: error })
  }
}
