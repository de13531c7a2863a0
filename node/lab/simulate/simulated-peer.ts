/** Ed25519 identities derived from names: the same name gives the same peer in every run (RFC 8032 keys from a 32-byte seed). */
import { createHash, createPrivateKey, createPublicKey, sign as ed25519Sign } from 'node:crypto'
import type { PeerKey, Sign } from '../../../src/envelope.ts'
import { peerIdOf } from '../../../src/peer-key.ts'

export interface SimulatedPeer {
  readonly key: PeerKey
  /** `12D3KooW…` */
  readonly id: string
  readonly sign: Sign
}

/** DER up to the 32 bytes of the key, RFC 8410: PKCS #8 with the seed, SubjectPublicKeyInfo with the public key. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_BYTES = 12

/** Not secret: never use these keys outside a simulation. */
export function simulatedPeer(...names: readonly string[]): SimulatedPeer {
  const seed = createHash('sha256')
    .update(JSON.stringify(['coopt/1/simulated-peer', ...names]))
    .digest()
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const der = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  const key = Uint8Array.from(der.subarray(SPKI_BYTES))
  return { key, id: peerIdOf(key), sign: message => Uint8Array.from(ed25519Sign(null, message, secret)) }
}
