/**
 * The set of records: the whole state of a swarm.
 *
 * It is a join semilattice (Shapiro et al., "Conflict-free replicated data types", 2011): peers that have seen the same records in any order,
 * any number of times, hold equal sets. Two rules keep it small, and both are functions of the records alone:
 *
 * - Each slot (author, seq) keeps its two longest records; ties go to the lowest ids. One record is a statement, two prove that the author signed two
 *   different statements under one number, and more would prove nothing new.
 * - The set keeps the records that, in the order of their ranks (ranking.ts), are preceded by less than `quotas.recordBytes`. Authors take turns, so
 *   an author with many records does not displace those with few. An attacker with many identities can displace late records of others; an
 *   admission list prevents it.
 *
 * `join` is associative, commutative and idempotent because the rules fit together: within a slot the rank has the same order, and a record is only
 * displaced by one that is at least as long, so a displaced record never fits the quota again.
 *
 * Records of types that this version does not know are kept and counted like any other (publish/record.ts); no index below lists them.
 *
 * Nothing is validated here: records come from `takeRecord` or `openRecord`.
 */
import { compareBytes } from '../codec.ts'
import { peerIdOf } from '../peer-key.ts'
import type { RecordBody, SignedRecord } from '../publish/record.ts'
import { compareRanks, createRanking } from './ranking.ts'

/** Records kept per (author, seq): enough to prove equivocation. */
export const MAX_RECORDS_PER_SLOT = 2

/**
 * `added`: it is new. `replaced`: it is new and displaced another record in its slot, or the set was full already, so that the last by rank may
 * have been displaced. Any number of those can follow in succession, so they are neither stored on disk nor passed on by gossip; only sync
 * carries them further. A set that was once full stays full: all `added` records together exceed the quota by less than one record.
 *
 * Not inserted: `duplicate`; `superseded` if the slot holds two records that precede it; `over-quota` if the set is full of records with a lower rank
 * or the author's sequence numbers are used up.
 */
export type InsertOutcome = 'added' | 'replaced' | 'duplicate' | 'superseded' | 'over-quota'

type OfType<T extends RecordBody['type']> = SignedRecord<Extract<RecordBody, { type: T }>>

export interface RecordSet {
  /** Number of records */
  readonly size: number
  /** Bytes of all their envelopes: at most one record above the quota */
  readonly bytes: number
  /** `verify` runs if the record would be inserted, just before; what it throws leaves the set as it was. */
  insert(record: SignedRecord, verify?: () => void): InsertOutcome
  /** Is there room for this record, or a record of higher rank that it would displace? */
  fits(record: SignedRecord): boolean
  /** Called with every record that is displaced because the set is full; `wasForked` if another one is left under the same number. */
  onDisplaced(listener: (record: SignedRecord, wasForked: boolean) => void): void
  /** By `SignedRecord.key` */
  has(key: string): boolean
  get(key: string): SignedRecord | undefined
  /** All records in ascending order of id, so that equal sets list equally. */
  records(): readonly SignedRecord[]
  /** Records of one type in ascending order of id. */
  byType<T extends RecordBody['type']>(type: T): readonly OfType<T>[]
  /** Results and alignments of one partition in ascending order of id. */
  byPartition(partition: number): readonly (OfType<'result'> | OfType<'alignment'>)[]
  /** Peer ids of authors that signed two different records with one sequence number. */
  equivocators(): ReadonlySet<string>
  /** Is this peer id one of them? */
  isEquivocator(peerId: string): boolean
  /** One more than the author's highest sequence number, 0 for an author without records. */
  nextSeq(author: Uint8Array): number
}

/** Total order of records: the bytes of their ids. */
export function compareRecords(a: SignedRecord, b: SignedRecord): number {
  return compareBytes(a.id.bytes, b.id.bytes)
}

/** Without `quotas` the size is unlimited: for the records of a merged dataset, which were within the quota when merged. */
export function createRecordSet(
  records: Iterable<SignedRecord> = [],
  { recordBytes }: { recordBytes: number } = { recordBytes: Infinity }
): RecordSet {
  const byKey = new Map<string, SignedRecord>()
  /** author -> seq -> one or two records, in the order of their ranks */
  const slots = new Map<string, Map<number, SignedRecord[]>>()
  const forks = new Map<string, number>() // author -> slots with two records
  const ranking = createRanking(() => byKey.values())
  const listeners: ((record: SignedRecord, wasForked: boolean) => void)[] = []
  let bytes = 0
  let views: Views | undefined

  const fits = (record: SignedRecord): boolean => bytes < recordBytes || ranking.isBeforeLast(record)

  const drop = (record: SignedRecord): void => {
    byKey.delete(record.key)
    bytes -= record.bytes.byteLength
    ranking.remove(record)
    views = undefined
  }

  /** Is the last by rank beyond the quota? */
  const isOverfull = (): boolean => bytes >= recordBytes && bytes - ranking.last().bytes.byteLength >= recordBytes

  const displaceLast = (): void => {
    const last = ranking.last()
    const author = peerIdOf(last.body.author)
    const bySeq = slots.get(author)
    const left = (bySeq?.get(last.body.seq) ?? []).filter(record => record !== last)
    if (left.length > 0) {
      bySeq?.set(last.body.seq, left)
      const forked = (forks.get(author) ?? 1) - 1
      if (forked > 0) forks.set(author, forked)
      else forks.delete(author)
    } else {
      bySeq?.delete(last.body.seq)
      if (bySeq?.size === 0) slots.delete(author)
    }
    drop(last)
    for (const listener of listeners) listener(last, left.length > 0)
  }

  const insert = (record: SignedRecord, verify?: () => void): InsertOutcome => {
    if (byKey.has(record.key)) return 'duplicate'
    const author = peerIdOf(record.body.author)
    const { seq } = record.body
    const slot = slots.get(author)?.get(seq) ?? []
    const second = slot[MAX_RECORDS_PER_SLOT - 1]
    if (second !== undefined && compareRanks(record, second) > 0) return 'superseded'
    if (second === undefined && !fits(record)) return 'over-quota'
    verify?.()
    const wasFull = bytes >= recordBytes
    if (second !== undefined) drop(slot.pop() as SignedRecord)
    else if (slot.length + 1 === MAX_RECORDS_PER_SLOT) forks.set(author, (forks.get(author) ?? 0) + 1)
    slot.push(record)
    slot.sort(compareRanks)
    let bySeq = slots.get(author)
    if (bySeq === undefined) slots.set(author, (bySeq = new Map()))
    bySeq.set(seq, slot)
    byKey.set(record.key, record)
    bytes += record.bytes.byteLength
    ranking.add(record)
    views = undefined
    while (isOverfull()) displaceLast()
    return second === undefined && !wasFull ? 'added' : 'replaced'
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
    fits,
    onDisplaced: listener => {
      listeners.push(listener)
    },
    has: key => byKey.has(key),
    get: key => byKey.get(key),
    records: () => sorted().all,
    byType: type => sorted().types[type],
    byPartition: partition => sorted().partitions.get(partition) ?? [],
    equivocators: () => new Set(forks.keys()),
    isEquivocator: peerId => forks.has(peerId),
    nextSeq: author => {
      let next = 0
      for (const seq of slots.get(peerIdOf(author))?.keys() ?? []) next = Math.max(next, seq + 1)
      return next
    }
  }
}

/** Least upper bound of two sets under `quotas`; neither is changed. */
export function join(a: RecordSet, b: RecordSet, quotas?: { recordBytes: number }): RecordSet {
  const out = createRecordSet(a.records(), quotas)
  for (const record of b.records()) out.insert(record)
  return out
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
    types: { score: [], result: [], alignment: [], check: [] },
    partitions: new Map()
  }
  for (const record of views.all) {
    if (isOf('score', record)) {
      views.types.score.push(record)
      continue
    }
    if (isOf('check', record)) {
      views.types.check.push(record)
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
