/**
 * Accept, ignore or reject a gossip message: a pure function of its bytes and of what the node knows.
 *
 * Reject only what is provably the fault of the author or of the peer that passed it on (it should have checked the same): a
 * rejected message costs the sender its standing. Ignore what an honest peer may send: what is known already, what is out of date,
 * what is over a limit that depends on this node. Nothing is fetched here; what a record says about content is judged later.
 *
 * Order: size, tag, identity (known already?), room, then everything `openRecord` checks, the signature last: it is the one
 * expensive step (0.1 ms).
 *
 * A message of a kind that a later version added is ignored: its sender may have seen it pass elsewhere.
 */
import { InvalidContentError, InvalidRecordError, ProtocolError, type RecordFault } from '../../src/errors.ts'
import { decodeEnvelope, payloadCid, type Verify } from '../../src/envelope.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { MAX_RECORD_BYTES, openLease, openRecord, type Lease, type SignedRecord } from '../../src/publish/record.ts'
import { decodeGossip, isReserved } from './messages.ts'

/** What the validator may look at. Nothing here changes while it runs. */
export interface GossipState {
  swarm: Pick<Swarm, 'id' | 'manifest'>
  verify: Verify
  /** Is a record with this id (text) in the set? */
  has(key: string): boolean
  /** Does the node hold as many record bytes as the manifest allows? */
  full: boolean
  /** Does the set hold two different records of this author under this number? */
  isForked(author: Uint8Array, seq: number): boolean
  /** Highest counter seen lately of the same author, partition and task; undefined for none. */
  leaseCounter(lease: Lease): number | undefined
}

export type Verdict =
  | { action: 'accept'; kind: 'record'; record: SignedRecord }
  | { action: 'accept'; kind: 'lease'; lease: Lease }
  | { action: 'ignore' | 'reject'; reason: RecordFault | 'unknown-tag' | 'full'; message: string }

/** Faults that an honest peer may still pass on, because it may know less than we do. */
const IGNORED: ReadonlySet<RecordFault> = new Set(['over-quota', 'duplicate', 'superseded', 'stale'])

export function validateGossip(data: Uint8Array, state: GossipState): Verdict {
  if (isReserved(data))
    return { action: 'ignore', reason: 'unknown-tag', message: `a message of a later version (tag ${data[0]})` }
  try {
    const { kind, bytes } = decodeGossip(data)
    return kind === 'record' ? validateRecord(bytes, state) : validateLease(bytes, state)
  } catch (cause) {
    if (cause instanceof InvalidRecordError) {
      return {
        action: IGNORED.has(cause.reason) ? 'ignore' : 'reject',
        reason: cause.reason,
        message: cause.message
      }
    }
    if (cause instanceof ProtocolError) return { action: 'reject', reason: 'unknown-tag', message: cause.message }
    if (cause instanceof InvalidContentError)
      return { action: 'reject', reason: 'not-canonical', message: cause.message }
    throw cause
  }
}

// --- internal ---

function validateRecord(bytes: Uint8Array, state: GossipState): Verdict {
  const key = payloadCid(decodeEnvelope(bytes, MAX_RECORD_BYTES)).toString()
  if (state.has(key)) return { action: 'ignore', reason: 'duplicate', message: `record ${key} is known` }
  if (state.full) return { action: 'ignore', reason: 'full', message: 'the record quota of the swarm is used up here' }
  const record = openRecord(bytes, state.swarm, state.verify)
  const { author, seq } = record.body
  // Two prove that the author forked. Whoever signs thousands would have everybody pass them on; should this one be among the two lowest
  // that count, sync brings it, once per pair of peers.
  if (state.isForked(author, seq)) {
    return { action: 'ignore', reason: 'superseded', message: `two records of number ${seq} of this author are known` }
  }
  return { action: 'accept', kind: 'record', record }
}

function validateLease(bytes: Uint8Array, state: GossipState): Verdict {
  const lease = openLease(bytes, state.swarm, state.verify)
  const known = state.leaseCounter(lease)
  if (known !== undefined && lease.counter <= known) {
    return { action: 'ignore', reason: 'stale', message: `lease counter ${lease.counter}, ${known} was seen` }
  }
  return { action: 'accept', kind: 'lease', lease }
}
