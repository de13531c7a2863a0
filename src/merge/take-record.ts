/**
 * The only entry point for records from gossip, sync or the log on disk. A record is decoded, hashed, and checked for presence and quota once; its
 * signature is verified last, and only if the set would take it.
 */
import type { Swarm } from '../distribute/manifest.ts'
import type { Verify } from '../envelope.ts'
import { InvalidRecordError } from '../errors.ts'
import { decodeRecord, type SignedRecord } from '../publish/record.ts'
import type { InsertOutcome, RecordSet } from './record-set.ts'

export type Taken =
  | { readonly outcome: 'added' | 'replaced'; readonly record: SignedRecord }
  | { readonly outcome: Exclude<InsertOutcome, 'added' | 'replaced'> }

/**
 * Insert a record into the set of its swarm. Throws `InvalidRecordError` for a record that no honest peer sends; the return value says whether a
 * valid one was inserted.
 */
export function takeRecord(
  bytes: Uint8Array,
  { swarm, verify, set }: { swarm: Pick<Swarm, 'id' | 'manifest'>; verify: Verify; set: Pick<RecordSet, 'insert'> }
): Taken {
  let decoded
  try {
    decoded = decodeRecord(bytes, swarm, verify)
  } catch (cause) {
    if (cause instanceof InvalidRecordError && cause.reason === 'over-quota') return { outcome: 'over-quota' }
    throw cause
  }
  const { record, checkSignature } = decoded
  const outcome = set.insert(record, checkSignature)
  return outcome === 'added' || outcome === 'replaced' ? { outcome, record } : { outcome }
}
