/**
 * A gossip message: one tag byte, then the signed envelope of a record or of a lease, as it is stored. The envelope has its own
 * signature and identity, so nothing else is needed around it (gossip.md).
 */
import { ProtocolError } from '../../src/errors.ts'
import { MAX_RECORD_BYTES } from '../../src/publish/record.ts'
import { MAX_LEASE_BYTES } from '../constants.ts'

export const RECORD_TAG = 0x01
export const LEASE_TAG = 0x02
/** Tags up to this are reserved for later versions, whose messages are ignored; higher tags are invalid. */
export const MAX_RESERVED_TAG = 0x7f

export interface GossipMessage {
  kind: 'record' | 'lease'
  /** The envelope */
  bytes: Uint8Array
}

/** Throws `ProtocolError` if the envelope is too large for its kind. */
export function encodeGossip(message: GossipMessage): Uint8Array {
  checkSize(message)
  const out = new Uint8Array(1 + message.bytes.byteLength)
  out[0] = message.kind === 'record' ? RECORD_TAG : LEASE_TAG
  out.set(message.bytes, 1)
  return out
}

/** Is this a kind of message that a later version may have added? */
export function isReserved(data: Uint8Array): boolean {
  const [tag = 0] = data
  return tag > LEASE_TAG && tag <= MAX_RESERVED_TAG && data.byteLength <= 1 + MAX_RECORD_BYTES
}

/** Split a message without copying. Throws `ProtocolError` on an unknown tag or a size above the limit of its kind. */
export function decodeGossip(data: Uint8Array): GossipMessage {
  const tag = data[0]
  if (tag !== RECORD_TAG && tag !== LEASE_TAG) throw new ProtocolError(`unknown gossip tag ${tag}`)
  const message: GossipMessage = { kind: tag === RECORD_TAG ? 'record' : 'lease', bytes: data.subarray(1) }
  checkSize(message)
  return message
}

// --- internal ---

function checkSize({ kind, bytes }: GossipMessage): void {
  const most = kind === 'record' ? MAX_RECORD_BYTES : MAX_LEASE_BYTES
  if (bytes.byteLength > most)
    throw new ProtocolError(`a ${kind} of ${bytes.byteLength} bytes; at most ${most} are accepted`)
}
