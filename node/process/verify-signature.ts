/** The one verifier of Ed25519 signatures that every peer uses (RFC 8032 as OpenSSL implements it). */
import { createPublicKey, verify as ed25519Verify, type KeyObject } from 'node:crypto'
import { PEER_KEY_BYTES, SIGNATURE_BYTES, type PeerKey, type Verify } from '../../src/envelope.ts'

/** DER up to the 32 bytes of the public key: SubjectPublicKeyInfo, RFC 8410. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Public keys in parsed form, about 1 KiB each: enough for all authors of a busy swarm, bounded for a crowded one. */
const MAX_CACHED_KEYS = 1024

/**
 * True only for a canonical signature of `message` by a canonical key, with neither key nor R of small order. Never throws on data.
 *
 * Versions of OpenSSL differ on such points (3.5 refuses keys of small order, 1.1 took them), and peers whose verifiers differ
 * would end with different sets of records: so everything on which versions could differ is decided here.
 */
export const verify: Verify = (key, message, signature) => {
  if (key.byteLength !== PEER_KEY_BYTES || signature.byteLength !== SIGNATURE_BYTES) return false
  const publicKey = publicKeyOf(key)
  if (publicKey === undefined || !isFullOrderPoint(signature.subarray(0, PEER_KEY_BYTES))) return false
  try {
    // OpenSSL refuses S >= L and compares R byte by byte, so that neither can be re-encoded
    return ed25519Verify(null, message, publicKey, signature)
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_OSSL')) return false // not a point
    throw error
  }
}

// --- internal ---

const cache = new Map<string, KeyObject>()

function publicKeyOf(key: PeerKey): KeyObject | undefined {
  const name = Buffer.from(key).toString('latin1')
  const known = cache.get(name)
  if (known !== undefined) return known
  if (!isFullOrderPoint(key)) return undefined
  const parsed = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, key]), format: 'der', type: 'spki' })
  if (cache.size >= MAX_CACHED_KEYS) cache.delete(cache.keys().next().value ?? '')
  cache.set(name, parsed)
  return parsed
}

/**
 * y-coordinates (little-endian, hex) of the points of order 1, 2, 4 and 8: one signature of such a "key" fits many messages.
 * From Chalkias et al., "Taming the many EdDSAs", 2020, table 4.
 */
const SMALL_ORDER_Y = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'
])

/** y < p = 2^255 - 19, and not one of the eight points of small order. Whether it is on the curve at all is left to OpenSSL. */
function isFullOrderPoint(point: Uint8Array): boolean {
  const y = Buffer.from(point)
  y[31] = (y[31] ?? 0) & 0x7f
  if (SMALL_ORDER_Y.has(y.toString('hex'))) return false
  return !(y[31] === 0x7f && (y[0] ?? 0) >= 0xed && y.subarray(1, 31).every(b => b === 0xff))
}
