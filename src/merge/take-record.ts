/**
 * The one way in for a record from elsewhere, whether gossip, sync or the log on disk brings it: decoded and hashed once, checked for presence
 * and quota once, its signature checked last, and only if the set would take it.
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
 * Insert a record into the set of its swarm. Throws `InvalidRecordError` for what no honest peer sends; a record that is merely of no use
 * here is an outcome.
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
