/**
 * Accepts, ignores or rejects a gossip message, by its bytes and by what the node knows. An accepted record is in the set afterwards.
 *
 * Reject only what is provably the fault of the author or of the peer that passed it on (it should have checked the same): a rejected message
 * costs the sender its standing. Ignore what an honest peer may send: what is known already, what is out of date, what is over a quota.
 * Nothing is fetched here; what a record says about content is judged later.
 *
 * Order: size, tag, then everything that `takeRecord` or `openLease` checks, the signature last.
 *
 * A message of a kind that a later version added is ignored: its sender may have seen it pass elsewhere.
 */
import { InvalidRecordError, ProtocolError, type RecordFault } from '../../src/errors.ts'
import type { Verify } from '../../src/envelope.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { InsertOutcome } from '../../src/merge/record-set.ts'
import type { Taken } from '../../src/merge/take-record.ts'
import { openLease, type Lease } from '../../src/publish/lease.ts'
import { decodeGossip, isReserved } from './messages.ts'

export interface GossipState {
  swarm: Pick<Swarm, 'id' | 'manifest'>
  verify: Verify
  /** Insert a record (`takeRecord`). Throws `InvalidRecordError`. */
  receive(bytes: Uint8Array): Taken
  /** Highest counter seen lately of the same author, partition and task; undefined for none. */
  leaseCounter(lease: Lease): number | undefined
}

export type Verdict =
  | { action: 'accept'; kind: 'record' }
  | { action: 'accept'; kind: 'lease'; lease: Lease }
  | { action: 'ignore'; reason: Exclude<InsertOutcome, 'added'> | 'stale' | 'unknown-tag'; message: string }
  | { action: 'reject'; reason: RecordFault | 'unknown-tag'; message: string }

/**
 * Why a record is not passed on. `replaced` ones entered the set all the same: one author can sign any number of those, and everybody would
 * pass them on; sync brings the last of them, once per pair of peers.
 */
const IGNORED: Readonly<Record<Exclude<InsertOutcome, 'added'>, string>> = {
  replaced: 'another record gave way to it',
  duplicate: 'it is known',
  superseded: 'two records of this author under this number are known',
  'over-quota': 'the quota of the swarm or of its author is used up'
}

export function validateGossip(data: Uint8Array, state: GossipState): Verdict {
  if (isReserved(data))
    return { action: 'ignore', reason: 'unknown-tag', message: `a message of a later version (tag ${data[0]})` }
  try {
    const { kind, bytes } = decodeGossip(data)
    return kind === 'record' ? validateRecord(bytes, state) : validateLease(bytes, state)
  } catch (cause) {
    if (cause instanceof InvalidRecordError) return { action: 'reject', reason: cause.reason, message: cause.message }
    if (cause instanceof ProtocolError) return { action: 'reject', reason: 'unknown-tag', message: cause.message }
    throw cause
  }
}

// --- internal ---

function validateRecord(bytes: Uint8Array, state: GossipState): Verdict {
  const { outcome } = state.receive(bytes)
  return outcome === 'added'
    ? { action: 'accept', kind: 'record' }
    : { action: 'ignore', reason: outcome, message: IGNORED[outcome] }
}

function validateLease(bytes: Uint8Array, state: GossipState): Verdict {
  const lease = openLease(bytes, state.swarm, state.verify)
  const known = state.leaseCounter(lease)
  if (known !== undefined && lease.counter <= known) {
    return { action: 'ignore', reason: 'stale', message: `lease counter ${lease.counter}, ${known} was seen` }
  }
  return { action: 'accept', kind: 'lease', lease }
}
