/**
 * Ed25519 peer ids as text and as keys. A libp2p Ed25519 peer id is the identity multihash of the protobuf of its public key,
 * so both directions are pure (libp2p specs, peer-ids).
 */
import { base58btc } from 'multiformats/bases/base58'
import { PEER_KEY_BYTES, type PeerKey } from './envelope.ts'
import { InvalidInputError } from './errors.ts'

/** identity multihash (00), 36 bytes (24), protobuf: key type Ed25519 (08 01), 32 bytes of data (12 20) */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** `12D3KooW…` of a 32-byte public key. */
export function peerIdOf(key: PeerKey): string {
  const bytes = new Uint8Array(PREFIX.byteLength + PEER_KEY_BYTES)
  bytes.set(PREFIX)
  bytes.set(key, PREFIX.byteLength)
  return base58btc.baseEncode(bytes)
}

/** The public key inside an Ed25519 peer id. Throws `InvalidInputError` for any other kind of peer id. */
export function peerKeyOf(peerId: string): PeerKey {
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(peerId)
  } catch (cause) {
    throw new InvalidInputError(`"${peerId}" is not a peer id`, { cause })
  }
  if (bytes.byteLength !== PREFIX.byteLength + PEER_KEY_BYTES || PREFIX.some((b, i) => bytes[i] !== b)) {
    throw new InvalidInputError(`"${peerId}" is not an Ed25519 peer id (they begin with 12D3KooW)`)
  }
  return bytes.slice(PREFIX.byteLength)
}
