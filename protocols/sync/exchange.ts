/**
 * The exchange of missing records, the same on both sides of a sync session. Steps (A opened the stream):
 *
 *   1. both know both set digests, hence the buckets that differ
 *   2. A, then B, sends its names in the buckets where both hold records; where one side holds none, names are not needed
 *   3. A sends in batches the records that B lacks, then B those that A lacks
 *
 * Every step is bounded; what does not fit into a session follows in the next, since the digests still differ. Every received record passes
 * `receive`; the first invalid one ends the session and is the fault of the sender, which should have checked it. Valid records above the quota are
 * not taken, and the sender will drop them once it has ours: both sets then hold the lowest-ranked records of their union.
 */
import { setImmediate } from 'node:timers/promises'
import { ProtocolError } from '../../src/errors.ts'
import {
  BUCKET_DIGEST_BYTES,
  BUCKETS,
  bucketOf,
  differingBuckets,
  RECORD_DIGEST_BYTES,
  recordDigest
} from '../../src/merge/record-digest.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { Taken } from '../../src/merge/take-record.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import {
  MAX_NAMES_PAGE_BYTES,
  MAX_NAMES_PER_SESSION,
  MAX_RECORD_BYTES_PER_SESSION,
  MAX_RECORDS_BATCH_BYTES,
  NAMES_PER_PAGE,
  SYNC_FRAME_TIMEOUT_MS
} from '../constants.ts'
import type { FramedStream } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { namesSchema, recordsSchema, type Digest } from './messages.ts'

/** Signatures checked before yielding to other work: about 25 ms. */
const RECORDS_PER_TURN = 200

/** Bytes of cbor around a batch and around each record in it. */
const BATCH_OVERHEAD_BYTES = 64
const RECORD_OVERHEAD_BYTES = 5

export interface SyncedSwarm {
  readonly swarm: Swarm
  readonly records: Pick<RecordSet, 'records'>
  /** Inserts a record into the set. Throws `InvalidRecordError`. */
  receive(bytes: Uint8Array): Taken
}

export interface Exchange {
  framed: FramedStream
  local: SyncedSwarm
  ours: Digest
  theirs: Digest
  /** Did we open the stream? Then we speak first in every step. */
  initiator: boolean
  signal: AbortSignal
}

export interface ExchangeReport {
  /** The digests were equal: nothing was exchanged */
  equal: boolean
  /** Records sent and received */
  sent: number
  received: number
  /** Of the received ones, new to us */
  added: number
}

/** Run the steps above. Throws `ProtocolError`, `InvalidRecordError` (sender's fault), or the stream's error. */
export async function exchangeRecords(exchange: Exchange): Promise<ExchangeReport> {
  const { ours, theirs, initiator } = exchange
  const differing = differingBuckets(ours.digest, theirs.digest)
  if (differing.length === 0) return { equal: true, sent: 0, received: 0, added: 0 }

  const common = new Set(differing.filter(i => !isEmpty(ours.digest, i) && !isEmpty(theirs.digest, i)))
  // a fixed set for the whole session, regardless of records that arrive by gossip meanwhile
  const snapshot = exchange.local.records.records().filter(r => differing.includes(bucketOf(recordDigest(r))))

  const send = async (): Promise<number> => (common.size > 0 ? await sendNames(exchange, snapshot, common) : BUCKETS)
  const receive = async (): Promise<Names> =>
    common.size > 0 ? await receiveNames(exchange, common) : { names: new Set(), through: BUCKETS }
  let through: number
  let known: Names
  if (initiator) {
    through = await send()
    known = await receive()
  } else {
    known = await receive()
    through = await send()
  }

  const complete = Math.min(through, known.through)
  const missing = snapshot.filter(r => {
    const digest = recordDigest(r)
    const bucket = bucketOf(digest)
    if (isEmpty(theirs.digest, bucket)) return true
    return bucket < complete && !known.names.has(nameOf(digest))
  })

  if (initiator) {
    const sent = await sendRecords(exchange, missing)
    return { equal: false, sent, ...(await receiveRecords(exchange)) }
  }
  const got = await receiveRecords(exchange)
  return { equal: false, sent: await sendRecords(exchange, missing), ...got }
}

// --- internal ---

interface Names {
  names: ReadonlySet<string>
  through: number
}

function isEmpty(digest: Uint8Array, bucket: number): boolean {
  const at = bucket * BUCKET_DIGEST_BYTES
  return digest.subarray(at, at + BUCKET_DIGEST_BYTES).every(b => b === 0)
}

/** One character per byte: cheaper than hex as the key of a set. */
function nameOf(digest: Uint8Array): string {
  return String.fromCharCode(...digest)
}

function frameSignal(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(SYNC_FRAME_TIMEOUT_MS)])
}

async function sendNames(
  exchange: Exchange,
  snapshot: readonly SignedRecord[],
  buckets: ReadonlySet<number>
): Promise<number> {
  const all = snapshot.map(recordDigest).filter(d => buckets.has(bucketOf(d)))
  let through = BUCKETS
  if (all.length > MAX_NAMES_PER_SESSION) {
    through = bucketOf(all[MAX_NAMES_PER_SESSION] as Uint8Array)
  }
  const names = all.filter(d => bucketOf(d) < through)
  let at = 0
  do {
    const page = names.slice(at, at + NAMES_PER_PAGE)
    at += NAMES_PER_PAGE
    const bytes = new Uint8Array(page.length * RECORD_DIGEST_BYTES)
    for (const [i, digest] of page.entries()) bytes.set(digest, i * RECORD_DIGEST_BYTES)
    const frame = encodeMessage(namesSchema, { t: 'names', names: bytes, through, more: at < names.length })
    await exchange.framed.write(frame, frameSignal(exchange.signal))
  } while (at < names.length)
  return through
}

async function receiveNames(exchange: Exchange, buckets: ReadonlySet<number>): Promise<Names> {
  const names = new Set<string>()
  for (;;) {
    const frame = await exchange.framed.read(MAX_NAMES_PAGE_BYTES, frameSignal(exchange.signal))
    const page = decodeMessage(namesSchema, frame, MAX_NAMES_PAGE_BYTES)
    for (let at = 0; at < page.names.byteLength; at += RECORD_DIGEST_BYTES) {
      const digest = page.names.subarray(at, at + RECORD_DIGEST_BYTES)
      if (!buckets.has(bucketOf(digest))) throw new ProtocolError('a name of a bucket that does not differ')
      names.add(nameOf(digest))
    }
    if (names.size > MAX_NAMES_PER_SESSION) throw new ProtocolError(`more than ${MAX_NAMES_PER_SESSION} names`)
    if (!page.more) return { names, through: page.through }
    if (page.names.byteLength === 0) throw new ProtocolError('an empty page of names that is not the last')
  }
}

async function sendRecords(exchange: Exchange, records: readonly SignedRecord[]): Promise<number> {
  const batches = batchesOf(records)
  let sent = 0
  for (const [i, batch] of batches.entries()) {
    const frame = encodeMessage(recordsSchema, { t: 'records', records: batch, more: i + 1 < batches.length })
    await exchange.framed.write(frame, frameSignal(exchange.signal))
    sent += batch.length
  }
  return sent
}

/** At least one batch; each fits a frame, all fit a session. */
function batchesOf(records: readonly SignedRecord[]): Uint8Array[][] {
  const batches: Uint8Array[][] = [[]]
  let batchBytes = BATCH_OVERHEAD_BYTES
  let total = 0
  for (const { bytes } of records) {
    const cost = bytes.byteLength + RECORD_OVERHEAD_BYTES
    total += cost
    if (total > MAX_RECORD_BYTES_PER_SESSION) break
    if (batchBytes + cost > MAX_RECORDS_BATCH_BYTES) {
      batches.push([])
      batchBytes = BATCH_OVERHEAD_BYTES
    }
    batches.at(-1)?.push(bytes)
    batchBytes += cost
  }
  return batches
}

async function receiveRecords(exchange: Exchange): Promise<{ received: number; added: number }> {
  const { framed, signal } = exchange
  let received = 0
  let added = 0
  let total = 0
  for (;;) {
    const frame = await framed.read(MAX_RECORDS_BATCH_BYTES, frameSignal(signal))
    total += frame.byteLength
    // the sender's count excludes the cbor of each frame; one extra batch is more than enough for it
    if (total > MAX_RECORD_BYTES_PER_SESSION + MAX_RECORDS_BATCH_BYTES)
      throw new ProtocolError('too many records at once')
    const batch = decodeMessage(recordsSchema, frame, MAX_RECORDS_BATCH_BYTES)
    if (batch.more && batch.records.length === 0) throw new ProtocolError('an empty batch that is not the last')
    received += batch.records.length
    added += await acceptBatch(exchange, batch.records)
    if (!batch.more) break
    signal.throwIfAborted()
  }
  return { received, added }
}

/** Returns how many records the set took. */
async function acceptBatch({ local, signal }: Exchange, batch: readonly Uint8Array[]): Promise<number> {
  let added = 0
  for (const [i, bytes] of batch.entries()) {
    if (i > 0 && i % RECORDS_PER_TURN === 0) await setImmediate()
    signal.throwIfAborted()
    const { outcome } = local.receive(bytes)
    if (outcome === 'added' || outcome === 'replaced') added++
  }
  return added
}
