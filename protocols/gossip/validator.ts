/**
 * Accepts, ignores or rejects a gossip message, based on its bytes and the node's state. Guarantee: an accepted record is in the set afterwards.
 *
 * Reject only what is provably the fault of the author or of the peer that passed it on (which should have made the same checks): a rejected message
 * lowers the sender's score. Ignore what an honest peer may send: known, outdated or over-quota messages. Nothing is fetched here; a record's claims
 * about content are judged later.
 *
 * Order: size, tag, then everything that `takeRecord`, `openLease` or `openIntent` checks, the signature last.
 *
 * A kind of message that a later version added is ignored, because its sender may be honest.
 */
import { InvalidRecordError, ProtocolError, type RecordFault } from '../../src/errors.ts'
import type { Verify } from '../../src/envelope.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { InsertOutcome } from '../../src/merge/record-set.ts'
import type { Taken } from '../../src/merge/take-record.ts'
import { openIntent, type Intent } from '../../src/publish/intent.ts'
import { openLease, type Lease } from '../../src/publish/lease.ts'
import { decodeGossip, isReserved } from './messages.ts'

export interface GossipState {
  swarm: Pick<Swarm, 'id' | 'manifest'>
  verify: Verify
  /** Insert a record (`takeRecord`). Throws `InvalidRecordError`. */
  receive(bytes: Uint8Array): Taken
  /** Highest counter seen recently for the same author, partition and task; undefined if none. */
  leaseCounter(lease: Lease): number | undefined
  /** The same of the author's intents. */
  intentCounter(intent: Intent): number | undefined
}

export type Verdict =
  | { action: 'accept'; kind: 'record' }
  | { action: 'accept'; kind: 'lease'; lease: Lease }
  | { action: 'accept'; kind: 'intent'; intent: Intent }
  | { action: 'ignore'; reason: Exclude<InsertOutcome, 'added'> | 'stale' | 'unknown-tag'; message: string }
  | { action: 'reject'; reason: RecordFault | 'unknown-tag'; message: string }

/**
 * Why a record is not passed on. `replaced` records did enter the set: one author can sign any number of them, and every peer would pass them on;
 * sync delivers only the last one, once per pair of peers.
 */
const IGNORED: Readonly<Record<Exclude<InsertOutcome, 'added'>, string>> = {
  replaced: 'it displaced another record',
  duplicate: 'it is already known',
  superseded: 'two records of this author with this sequence number are already known',
  'over-quota': 'the quota of the swarm or of its author is used up'
}

export function validateGossip(data: Uint8Array, state: GossipState): Verdict {
  if (isReserved(data))
    return { action: 'ignore', reason: 'unknown-tag', message: `a message kind of a later version (tag ${data[0]})` }
  try {
    const { kind, bytes } = decodeGossip(data)
    if (kind === 'record') return validateRecord(bytes, state)
    return kind === 'lease' ? validateLease(bytes, state) : validateIntent(bytes, state)
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
  return staleness('lease', lease.counter, state.leaseCounter(lease)) ?? { action: 'accept', kind: 'lease', lease }
}

function validateIntent(bytes: Uint8Array, state: GossipState): Verdict {
  const intent = openIntent(bytes, state.swarm, state.verify)
  return (
    staleness('intent', intent.counter, state.intentCounter(intent)) ?? { action: 'accept', kind: 'intent', intent }
  )
}

function staleness(what: string, counter: number, known: number | undefined): Verdict | undefined {
  if (known === undefined || counter > known) return undefined
  return { action: 'ignore', reason: 'stale', message: `${what} counter ${counter}, but ${known} was already seen` }
}
