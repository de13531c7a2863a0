/**
 * Leases: who says to be working on what. Advice with an expiry on the observer's own clock, never stored, never part of what is true.
 *
 * A peer that claims and does not deliver only delays: a renewal prolongs a lease only if it shows more rows done than before, and after
 * three leases that ran out without a release its leases are not honoured for a while, doubling up to an hour (reliability C1, "claims &
 * never delivers").
 */
import type { PeerKey } from '../src/envelope.ts'
import { peerIdOf } from '../src/peer-key.ts'
import type { Lease } from '../src/publish/record.ts'

/** Two partitions at a time is what a participant works on (one running, one prepared); more is hoarding. */
export const MAX_OPEN_LEASES_PER_PEER = 2

const EXPIRIES_BEFORE_BACKOFF = 3
const FIRST_BACKOFF_MS = 60_000
const MAX_BACKOFF_MS = 3_600_000

export interface LeaseTable {
  /** Take note of a lease; older counters of the same author and partition are ignored. */
  observe(lease: Lease): void
  /** Is somebody else at work on this partition, as far as we know? */
  isHeldByOther(partition: number): boolean
  /** Authors with a live lease. */
  activePeers(): PeerKey[]
  /** Milliseconds until the next live lease runs out, or undefined. */
  nextExpiryMs(): number | undefined
}

export interface LeaseTableInit {
  self: PeerKey
  /** How long a lease holds after it was last heard of, ms */
  ttlMs: number
  /** Monotonic milliseconds */
  now?: () => number
}

/** Identities are free to make: beyond this many, authors without a live lease are forgotten (and their backoff with them). */
const MAX_AUTHORS = 4096

interface Held {
  lease: Lease
  expires: number
}

interface Author {
  key: PeerKey
  held: Map<number, Held>
  expiries: number
  ignoredUntil: number
}

export function createLeaseTable({ self, ttlMs, now = () => performance.now() }: LeaseTableInit): LeaseTable {
  const authors = new Map<string, Author>()
  const own = peerIdOf(self)

  const expire = (): void => {
    const time = now()
    for (const author of authors.values()) {
      for (const [partition, held] of author.held) {
        if (held.expires > time) continue
        author.held.delete(partition)
        if (held.lease.released) continue
        author.expiries++
        const over = author.expiries - EXPIRIES_BEFORE_BACKOFF
        if (over >= 0) author.ignoredUntil = time + Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** over)
      }
    }
  }

  const live = function* (): Generator<{ id: string; author: Author; held: Held }> {
    expire()
    const time = now()
    for (const [id, author] of authors) {
      if (author.ignoredUntil > time) continue
      for (const held of author.held.values()) if (!held.lease.released) yield { id, author, held }
    }
  }

  return {
    observe(lease) {
      expire()
      const id = peerIdOf(lease.author)
      if (id === own) return
      let author = authors.get(id)
      if (author === undefined) {
        if (authors.size >= MAX_AUTHORS) for (const [other, a] of authors) if (a.held.size === 0) authors.delete(other)
        if (authors.size >= MAX_AUTHORS) return
        author = { key: lease.author, held: new Map(), expiries: 0, ignoredUntil: 0 }
        authors.set(id, author)
      }
      const known = author.held.get(lease.partition)
      if (known !== undefined && known.lease.counter >= lease.counter) return
      if (lease.released) author.expiries = 0
      const idle = known !== undefined && !known.lease.released && !lease.released && lease.done <= known.lease.done
      // a released lease is kept until it would have expired, so that an older renewal arriving late does not revive it
      author.held.set(lease.partition, { lease, expires: idle ? known.expires : now() + ttlMs })
      const open = [...author.held.entries()].filter(([, held]) => !held.lease.released)
      if (open.length > MAX_OPEN_LEASES_PER_PEER) {
        open.sort(([, a], [, b]) => a.expires - b.expires)
        author.held.delete((open[0] as [number, Held])[0])
      }
    },
    isHeldByOther(partition) {
      for (const { held } of live()) if (held.lease.partition === partition) return true
      return false
    },
    activePeers() {
      const peers = new Map<string, PeerKey>()
      for (const { id, author } of live()) peers.set(id, author.key)
      return [...peers.values()]
    },
    nextExpiryMs() {
      let soonest: number | undefined
      for (const { held } of live()) soonest = Math.min(soonest ?? Infinity, held.expires)
      return soonest === undefined ? undefined : Math.max(0, soonest - now())
    }
  }
}
