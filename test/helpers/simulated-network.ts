/** The simulator's network: messages in flight that are lost, repeated, overtaken and cut off by splits; and anti-entropy by digests. */
import { bucketsOf, differingBuckets, setDigest } from '../../src/merge/record-digest.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { SignedRecord } from '../../src/publish/record.ts'

export interface Message {
  readonly from: number
  readonly to: number
  readonly kind: 'record' | 'lease'
  readonly bytes: Uint8Array
}

export interface SimulatedNetwork {
  readonly inFlight: number
  /** Messages that never arrived */
  readonly lost: number
  send(from: number, kind: Message['kind'], bytes: Uint8Array, to: readonly number[]): void
  /** Take one message, any one; now and then it is lost, or stays to arrive again. */
  next(): Message | undefined
  /** Can these two talk? */
  isLinked(a: number, b: number): boolean
  /** Put everybody on one of two sides */
  split(): void
  heal(): void
  /** Lose everything in flight */
  clear(): void
}

export function createSimulatedNetwork(count: number, below: (n: number) => number): SimulatedNetwork {
  const side = Array.from({ length: count }, () => 0)
  let messages: Message[] = []
  let lost = 0
  return {
    get inFlight() {
      return messages.length
    },
    get lost() {
      return lost
    },
    send: (from, kind, bytes, to) => {
      for (const peer of to) if (peer !== from) messages.push({ from, to: peer, kind, bytes })
    },
    next: () => {
      const index = below(messages.length)
      const message = messages[index] as Message
      if (below(100) >= 10) messages.splice(index, 1)
      if (below(100) >= 20 && side[message.from] === side[message.to]) return message
      lost++
      return undefined
    },
    isLinked: (a, b) => side[a] === side[b],
    split: () => {
      for (let i = 0; i < count; i++) side[i] = below(2)
    },
    heal: () => {
      side.fill(0)
    },
    clear: () => {
      lost += messages.length
      messages = []
    }
  }
}

/**
 * What each of two sets has to send to the other: those in differing buckets that the other does not name there. Both empty exactly when
 * the digests are equal.
 */
export function missingRecords(
  a: RecordSet,
  b: RecordSet
): { toA: SignedRecord[]; toB: SignedRecord[]; equal: boolean } {
  const [x, y] = [summed(a), summed(b)]
  const differing = differingBuckets(x.digest, y.digest)
  const lacking = (from: Summed, other: Summed): SignedRecord[] =>
    differing.flatMap(bucket => {
      const names = new Set(other.buckets[bucket]?.map(hex))
      return (from.buckets[bucket] ?? []).flatMap(name => {
        const record = names.has(hex(name)) ? undefined : from.byName.get(hex(name))
        return record === undefined ? [] : [record]
      })
    })
  return { toA: lacking(y, x), toB: lacking(x, y), equal: differing.length === 0 }
}

// --- internal ---

interface Summed {
  digest: Uint8Array
  buckets: ReturnType<typeof bucketsOf>
  byName: ReadonlyMap<string, SignedRecord>
}

/** A set lists the same array until it changes. */
const known = new WeakMap<readonly SignedRecord[], Summed>()

function summed(set: RecordSet): Summed {
  const records = set.records()
  const before = known.get(records)
  if (before !== undefined) return before
  const byName = new Map(records.map(record => [hex(record.id.multihash.digest), record]))
  const made = { digest: setDigest(set), buckets: bucketsOf(set), byName }
  known.set(records, made)
  return made
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
