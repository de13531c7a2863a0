/**
 * The grow-only set of records: the whole state of a swarm.
 *
 * It is a join semilattice (Shapiro et al., "Conflict-free replicated data types", 2011). For every slot (author, seq) it keeps
 * the records with the two lowest ids: one is a statement, two are the proof that the author signed two different statements
 * under one number. More would prove nothing new, so an author can add at most `2 * quotas.recordsPerPeer` records, whatever it
 * signs. "The n lowest of a total order" is associative, commutative and idempotent, hence so is `join`: peers that have seen
 * the same records in any order, any number of times, hold equal sets.
 *
 * The total of `quotas.recordBytes` is deliberately NOT a rule of the set. A rule that keeps a set small has to evict, and
 * whoever makes enough identities could evict finished work; a rule that refuses depends on the order of arrival. So the set
 * keeps everything, and a node refuses what it does not hold yet at its door (`isFull`, protocols/gossip and protocols/sync)
 * once it holds that many bytes. Sets then converge as long as the quota is not exhausted, and finished work is never lost.
 *
 * Records of types that this version does not know are kept and counted like any other (publish/record.ts); no index below lists them.
 *
 * Nothing is validated here: records come from `openRecord`.
 */
import { compareBytes } from '../codec.ts'
import { peerIdOf } from '../peer-key.ts'
import type { RecordBody, SignedRecord } from '../publish/record.ts'

/** Records kept per (author, seq): enough to prove equivocation. */
export const MAX_RECORDS_PER_SLOT = 2

/**
 * `superseded`: the slot already holds two records with lower ids, this one adds nothing. `replaced`: it took the place of one of the two,
 * as the join demands, and proves nothing that was not proven. An author can sign thousands of those one after the other; so they are
 * neither kept on disk nor passed on by gossip, and only sync carries the two lowest further.
 */
export type InsertOutcome = 'added' | 'replaced' | 'duplicate' | 'superseded'

type OfType<T extends RecordBody['type']> = SignedRecord<Extract<RecordBody, { type: T }>>

export interface RecordSet {
  /** Number of records */
  readonly size: number
  /** Bytes of all their envelopes */
  readonly bytes: number
  insert(record: SignedRecord): InsertOutcome
  /** By `SignedRecord.key` */
  has(key: string): boolean
  get(key: string): SignedRecord | undefined
  /** All records in ascending order of id, so that equal sets list equally. */
  records(): readonly SignedRecord[]
  /** Records of one type in ascending order of id. */
  byType<T extends RecordBody['type']>(type: T): readonly OfType<T>[]
  /** Results and alignments of one partition in ascending order of id. */
  byPartition(partition: number): readonly (OfType<'result'> | OfType<'alignment'>)[]
  /** Does this slot hold the two records that prove a fork? */
  isForked(author: Uint8Array, seq: number): boolean
  /** Peer ids of authors that signed two different records with one sequence number. */
  equivocators(): ReadonlySet<string>
  /** One more than the author's highest sequence number, 0 for an author without records. */
  nextSeq(author: Uint8Array): number
}

/** Total order of records: the bytes of their ids. */
export function compareRecords(a: SignedRecord, b: SignedRecord): number {
  return compareBytes(a.id.bytes, b.id.bytes)
}

export function createRecordSet(records: Iterable<SignedRecord> = []): RecordSet {
  const byKey = new Map<string, SignedRecord>()
  /** author -> seq -> one or two records, ascending */
  const slots = new Map<string, Map<number, SignedRecord[]>>()
  const forks = new Set<string>() // authors of slots with two records
  let bytes = 0
  let views: Views | undefined

  const slotOf = (author: string, seq: number): SignedRecord[] => {
    let bySeq = slots.get(author)
    if (bySeq === undefined) slots.set(author, (bySeq = new Map()))
    let slot = bySeq.get(seq)
    if (slot === undefined) bySeq.set(seq, (slot = []))
    return slot
  }

  const insert = (record: SignedRecord): InsertOutcome => {
    if (byKey.has(record.key)) return 'duplicate'
    const author = peerIdOf(record.body.author)
    const slot = slotOf(author, record.body.seq)
    if (slot.length === MAX_RECORDS_PER_SLOT && compareRecords(record, slot[1] as SignedRecord) > 0) return 'superseded'
    slot.push(record)
    slot.sort(compareRecords)
    byKey.set(record.key, record)
    bytes += record.bytes.byteLength
    if (slot.length === MAX_RECORDS_PER_SLOT) forks.add(author)
    if (slot.length > MAX_RECORDS_PER_SLOT) {
      const evicted = slot.pop() as SignedRecord
      byKey.delete(evicted.key)
      bytes -= evicted.bytes.byteLength
      views = undefined
      return 'replaced'
    }
    views = undefined
    return 'added'
  }

  const sorted = (): Views => (views ??= index(byKey.values()))

  for (const record of records) insert(record)

  return {
    get size() {
      return byKey.size
    },
    get bytes() {
      return bytes
    },
    insert,
    has: key => byKey.has(key),
    get: key => byKey.get(key),
    records: () => sorted().all,
    byType: type => sorted().types[type],
    byPartition: partition => sorted().partitions.get(partition) ?? [],
    isForked: (author, seq) => slots.get(peerIdOf(author))?.get(seq)?.length === MAX_RECORDS_PER_SLOT,
    equivocators: () => new Set(forks),
    nextSeq: author => {
      let next = 0
      for (const seq of slots.get(peerIdOf(author))?.keys() ?? []) next = Math.max(next, seq + 1)
      return next
    }
  }
}

/** Least upper bound of two sets; neither is changed. */
export function join(a: RecordSet, b: RecordSet): RecordSet {
  const out = createRecordSet(a.records())
  for (const record of b.records()) out.insert(record)
  return out
}

/** Does the set hold as many bytes as the manifest allows? Then a node takes no further records from others. */
export function isFull(set: Pick<RecordSet, 'bytes'>, quotas: { recordBytes: number }): boolean {
  return set.bytes >= quotas.recordBytes
}

// --- internal ---

interface Views {
  all: SignedRecord[]
  types: { [T in RecordBody['type']]: OfType<T>[] }
  partitions: Map<number, (OfType<'result'> | OfType<'alignment'>)[]>
}

function index(records: Iterable<SignedRecord>): Views {
  const views: Views = {
    all: [...records].sort(compareRecords),
    types: { score: [], result: [], alignment: [] },
    partitions: new Map()
  }
  for (const record of views.all) {
    if (isOf('score', record)) {
      views.types.score.push(record)
      continue
    }
    if (isOf('result', record)) views.types.result.push(record)
    else if (isOf('alignment', record)) views.types.alignment.push(record)
    else continue
    const list = views.partitions.get(record.body.partition)
    if (list === undefined) views.partitions.set(record.body.partition, [record])
    else list.push(record)
  }
  return views
}

function isOf<T extends RecordBody['type']>(type: T, record: SignedRecord): record is OfType<T> {
  return record.body.type === type
}
