/**
 * A gossip message: one tag byte, then the signed envelope of a record, of a lease or of an intent, as it is stored. The envelope has its own
 * signature and identity, so nothing else is needed around it (gossip.md).
 */
import { ProtocolError } from '../../src/errors.ts'
import { MAX_RECORD_BYTES } from '../../src/publish/record.ts'
import { MAX_INTENT_BYTES, MAX_LEASE_BYTES } from '../constants.ts'

export const RECORD_TAG = 0x01
export const LEASE_TAG = 0x02
export const INTENT_TAG = 0x03
/** Tags up to this are reserved for later versions, whose messages are ignored; higher tags are invalid. */
export const MAX_RESERVED_TAG = 0x7f

/** Tag and largest envelope of each kind of message */
const KINDS = {
  record: { tag: RECORD_TAG, most: MAX_RECORD_BYTES },
  lease: { tag: LEASE_TAG, most: MAX_LEASE_BYTES },
  intent: { tag: INTENT_TAG, most: MAX_INTENT_BYTES }
} as const

export interface GossipMessage {
  kind: keyof typeof KINDS
  /** The envelope */
  bytes: Uint8Array
}

/** Throws `ProtocolError` if the envelope is too large for its kind. */
export function encodeGossip(message: GossipMessage): Uint8Array {
  checkSize(message)
  const out = new Uint8Array(1 + message.bytes.byteLength)
  out[0] = KINDS[message.kind].tag
  out.set(message.bytes, 1)
  return out
}

/** Is this a kind of message that a later version may have added? */
export function isReserved(data: Uint8Array): boolean {
  const [tag = 0] = data
  return tag > INTENT_TAG && tag <= MAX_RESERVED_TAG && data.byteLength <= 1 + MAX_RECORD_BYTES
}

/** Split a message without copying. Throws `ProtocolError` on an unknown tag or a size above the limit of its kind. */
export function decodeGossip(data: Uint8Array): GossipMessage {
  const tag = data[0]
  const kind = (['record', 'lease', 'intent'] as const).find(name => KINDS[name].tag === tag)
  if (kind === undefined) throw new ProtocolError(`unknown gossip tag ${tag}`)
  const message: GossipMessage = { kind, bytes: data.subarray(1) }
  checkSize(message)
  return message
}

// --- internal ---

function checkSize({ kind, bytes }: GossipMessage): void {
  const { most } = KINDS[kind]
  if (bytes.byteLength > most)
    throw new ProtocolError(
      `${kind === 'intent' ? 'an' : 'a'} ${kind} of ${bytes.byteLength} bytes; at most ${most} are accepted`
    )
}
