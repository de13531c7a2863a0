/**
 * Records by rank, for a set that is full: sequence number first, so that authors take turns; then author, the longer record, the lower id.
 *
 * Sorting is deferred until the first query, because most sets are never full. From then on a change costs a binary search and a move of array
 * elements, far less than the signature check before it.
 */
import { compareBytes } from '../codec.ts'
import type { SignedRecord } from '../publish/record.ts'

export interface Ranking {
  add(record: SignedRecord): void
  remove(record: SignedRecord): void
  /** Does this record rank before the last one? */
  isBeforeLast(record: SignedRecord): boolean
  /** Throws `RangeError` when there is none. */
  last(): SignedRecord
}

/** `all` gives the records at the first query; every later change must be reported to the ranking. */
export function createRanking(all: () => Iterable<SignedRecord>): Ranking {
  let ranked: SignedRecord[] | undefined
  const list = (): SignedRecord[] => (ranked ??= [...all()].sort(compareRanks))
  return {
    add: record => {
      if (ranked !== undefined) ranked.splice(placeOf(record, ranked), 0, record)
    },
    remove: record => {
      if (ranked !== undefined) ranked.splice(placeOf(record, ranked), 1)
    },
    isBeforeLast: record => {
      const last = list().at(-1)
      return last !== undefined && compareRanks(record, last) < 0
    },
    last: () => {
      const last = list().at(-1)
      if (last === undefined) throw new RangeError('an empty ranking has no last record')
      return last
    }
  }
}

/** Total order of records, the first negative. */
export function compareRanks(a: SignedRecord, b: SignedRecord): number {
  return (
    a.body.seq - b.body.seq ||
    compareBytes(a.body.author, b.body.author) ||
    b.bytes.byteLength - a.bytes.byteLength ||
    compareBytes(a.id.bytes, b.id.bytes)
  )
}

// --- internal ---

/** Index of the record, or where to insert it. */
function placeOf(record: SignedRecord, ranked: readonly SignedRecord[]): number {
  let [low, high] = [0, ranked.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareRanks(ranked[middle] as SignedRecord, record) < 0) low = middle + 1
    else high = middle
  }
  return low
}
