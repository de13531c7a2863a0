/**
 * Signed envelopes with domain separation (libp2p RFC 0002: a signature made for one purpose is never valid for another).
 *
 * Wire form: canonical dag-cbor of `[payload bytes, signature]`. The signature is ed25519 over `domain + payload`. The
 * identity of what was signed is the CID of the payload bytes, so a second signature of the same payload does not make a second record.
 */
import type { CID } from 'multiformats/cid'
import { cborCid, decodeCbor, encodeCbor } from './codec.ts'
import { InvalidContentError } from './errors.ts'

/** What signatures are made for. The terminating NUL keeps one domain from being the prefix of another. */
export type Domain = 'coopt/1/manifest\0' | 'coopt/1/record\0' | 'coopt/1/lease\0' | 'coopt/1/intent\0'

/** 32-byte ed25519 public key of a peer. */
export type PeerKey = Uint8Array

/** Sign with the node's own key: 64 bytes of ed25519 over `message`. */
export type Sign = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** Every peer must use the same verifier (RFC 8032 as OpenSSL implements it), because ed25519 libraries accept different sets of signatures. */
export type Verify = (key: PeerKey, message: Uint8Array, signature: Uint8Array) => boolean

export interface Envelope {
  /** Canonical dag-cbor of the signed value */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

export const SIGNATURE_BYTES = 64
export const PEER_KEY_BYTES = 32

/** Bytes that the envelope adds: array head, two byte-string heads, signature. */
export const MAX_ENVELOPE_OVERHEAD_BYTES = 1 + 5 + 2 + SIGNATURE_BYTES

export async function seal(domain: Domain, value: unknown, sign: Sign): Promise<Uint8Array> {
  const payload = encodeCbor(value)
  return encodeCbor([payload, await sign(signedBytes(domain, payload))])
}

/** Split an envelope of at most `maxBytes` without checking the signature. Throws `InvalidContentError`. */
export function decodeEnvelope(bytes: Uint8Array, maxBytes: number): Envelope {
  const parts = decodeCbor(bytes, maxBytes)
  if (!Array.isArray(parts) || parts.length !== 2) throw new InvalidContentError('an envelope is [payload, signature]')
  const [payload, signature] = parts as [unknown, unknown]
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new InvalidContentError('an envelope holds two byte strings')
  }
  if (signature.byteLength !== SIGNATURE_BYTES) {
    throw new InvalidContentError(`an ed25519 signature has ${SIGNATURE_BYTES} bytes, got ${signature.byteLength}`)
  }
  return { payload, signature }
}

export function isSignedBy(envelope: Envelope, domain: Domain, key: PeerKey, verify: Verify): boolean {
  return key.byteLength === PEER_KEY_BYTES && verify(key, signedBytes(domain, envelope.payload), envelope.signature)
}

/** CID of the payload, which identifies a record. */
export function payloadCid(envelope: Envelope): CID {
  return cborCid(envelope.payload)
}

// --- internal ---

function signedBytes(domain: Domain, payload: Uint8Array): Uint8Array {
  const prefix = new TextEncoder().encode(domain)
  const out = new Uint8Array(prefix.byteLength + payload.byteLength)
  out.set(prefix)
  out.set(payload, prefix.byteLength)
  return out
}
