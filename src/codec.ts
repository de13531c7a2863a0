/**
 * Canonical dag-cbor <-> value, and content identifiers.
 *
 * A CID is always computed from bytes, never from an object. Decoding is strict: definite lengths, shortest integers,
 * sorted unique keys, no trailing bytes, so that one value has exactly one encoding and one CID.
 */
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { sha256 } from '@noble/hashes/sha2.js'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { InvalidContentError } from './errors.ts'

const SHA2_256 = 0x12
const SHA2_256_BYTES = 32

/** Deepest nesting accepted. It bounds the decoder's recursion: 200 KB of nested arrays overflow the stack. */
export const MAX_CBOR_DEPTH = 16

/** CIDv1 of `bytes` under the multicodec `code` (raw 0x55, dag-pb 0x70, dag-cbor 0x71), sha2-256. */
export function cidOf(code: number, bytes: Uint8Array): CID {
  return CID.createV1(code, createDigest(SHA2_256, sha256(bytes)))
}

export const rawCid = (bytes: Uint8Array): CID => cidOf(raw.code, bytes)
export const cborCid = (bytes: Uint8Array): CID => cidOf(dagCbor.code, bytes)
export const pbCid = (bytes: Uint8Array): CID => cidOf(dagPb.code, bytes)

/** Only CIDv1, raw / dag-pb / dag-cbor, whole sha2-256: `CID.decode` alone accepts a one-byte digest and identity hashes. */
export function isSafeCid(cid: unknown): cid is CID {
  const c = CID.asCID(cid)
  return (
    c !== null &&
    c.version === 1 &&
    (c.code === raw.code || c.code === dagPb.code || c.code === dagCbor.code) &&
    c.multihash.code === SHA2_256 &&
    c.multihash.digest.byteLength === SHA2_256_BYTES
  )
}

/** Parse a CID string and check it with `isSafeCid`. Throws `InvalidContentError` naming the string. */
export function parseCid(text: string): CID {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch (cause) {
    throw new InvalidContentError(`"${text}" is not a CID`, { cause })
  }
  if (!isSafeCid(cid))
    throw new InvalidContentError(`${text}: only CIDv1 with raw, dag-pb or dag-cbor and sha2-256 is accepted`)
  return cid
}

export function encodeCbor(value: unknown): Uint8Array {
  return dagCbor.encode(value)
}

/**
 * Decode canonical dag-cbor of at most `maxBytes` bytes.
 *
 * Throws `InvalidContentError` when the bytes are too many, nested too deep, or not the canonical encoding of their value.
 */
export function decodeCbor(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new InvalidContentError(`${bytes.byteLength} bytes of dag-cbor; at most ${maxBytes} are accepted`)
  }
  assertDepth(bytes)
  let value: unknown
  try {
    value = dagCbor.decode(bytes)
  } catch (cause) {
    throw new InvalidContentError(`not dag-cbor: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const again = dagCbor.encode(value)
  if (!equalBytes(again, bytes))
    throw new InvalidContentError('not canonical dag-cbor: the value encodes to different bytes')
  return value
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false
  for (let i = 0; i < a.byteLength; i++) if (a[i] !== b[i]) return false
  return true
}

/** Byte-wise order, shorter first on a common prefix: a total order on distinct byte strings. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength)
  for (let i = 0; i < length; i++) {
    const d = (a[i] as number) - (b[i] as number)
    if (d !== 0) return d
  }
  return a.byteLength - b.byteLength
}

// --- internal ---

/** Walk the CBOR heads without building anything; throws when containers nest deeper than `MAX_CBOR_DEPTH`. */
function assertDepth(bytes: Uint8Array): void {
  const open: number[] = [] // items still expected in each open container
  for (let at = 0; at < bytes.byteLength;) {
    const head = bytes[at++] as number
    const major = head >> 5
    const info = head & 31
    if (info > 27) return // reserved or indefinite: the strict decoder reports it
    let argument = info
    if (info >= 24) {
      const size = 1 << (info - 24)
      argument = 0
      for (let i = 0; i < size; i++) argument = argument * 256 + (bytes[at++] ?? 0)
    }
    if (major === 2 || major === 3) at += argument
    const children = major === 4 ? argument : major === 5 ? argument * 2 : major === 6 ? 1 : 0
    if (children > 0) {
      open.push(children)
      if (open.length > MAX_CBOR_DEPTH) throw new InvalidContentError(`dag-cbor nests deeper than ${MAX_CBOR_DEPTH}`)
      continue
    }
    while (open.length > 0) {
      const left = (open.pop() as number) - 1
      if (left > 0) {
        open.push(left)
        break
      }
    }
  }
}
