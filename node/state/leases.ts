/**
 * Leases: which peer claims to work on which partition. They are hints that expire on the observer's own clock, are never stored, and never affect
 * the swarm's state.
 *
 * Guarantees: a peer that claims a partition and does not deliver only causes a delay. A renewal extends a lease only if it reports more rows done
 * than before; all leases of one author for one partition together hold it for a bounded time, no matter how often they are renewed, released and
 * taken again; and after three expired leases an author's leases are ignored for a while, doubling up to an hour. Only a record that the author
 * publishes for the partition (`delivered`) clears that. Memory is bounded per author and in the number of authors.
 */
import type { PeerKey } from '../../src/envelope.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Lease } from '../../src/publish/lease.ts'

/** Two partitions at a time is what a participant works on (one running, one prepared); more is hoarding. */
export const MAX_OPEN_LEASES_PER_PEER = 2

/**
 * Total time, in lease durations, for which an author may hold a partition: 20 minutes with the default lease of one minute. After that others may
 * work on it, too.
 */
export const MAX_HELD_TTLS = 20

const EXPIRIES_BEFORE_BACKOFF = 3
const FIRST_BACKOFF_MS = 60_000
const MAX_BACKOFF_MS = 3_600_000

export interface LeaseTable {
  /** Record a lease. Older counters of the same author and partition are ignored while its last lease is live. */
  observe(lease: Lease): void
  /** The author published a record for this partition: what it claimed was real. */
  delivered(author: PeerKey, partition: number): void
  /** Does another peer hold a live lease for this partition? */
  isHeldByOther(partition: number): boolean
  /**
   * Of these partitions the one that others have held longest, if for at least one lease duration: a node with nothing else to do may take it, since
   * its holder may be slow or never deliver.
   */
  oldestHeld(partitions: Iterable<number>): number | undefined
  /** Live leases of others. `heldMs`: for how long the author has held the partition so far. */
  held(): HeldLease[]
  /** Authors with a live lease. */
  activePeers(): PeerKey[]
}

export interface HeldLease {
  readonly author: PeerKey
  readonly partition: number
  readonly task: Lease['task']
  /** Rows that it says it has done */
  readonly done: number
  readonly heldMs: number
}

export interface LeaseTableInit {
  self: PeerKey
  /** How long a lease holds after it was last heard of, ms */
  ttlMs: number
  /** Monotonic milliseconds */
  now?: () => number
}

/** Identities are free: beyond this number, authors without a live lease are forgotten together with what they held. */
const MAX_AUTHORS = 4096

/**
 * Partitions per author for which the time held is remembered, 32 times as many as it may hold at once. The least recently used is forgotten first,
 * so an author must leave a partition alone to have it forgotten.
 */
const MAX_CLAIMS_PER_AUTHOR = 64

interface Held {
  lease: Lease
  expires: number
  /** An older lease that any peer sent again: its expiry does not count against the author */
  replayed: boolean
}

/** How long an author has held a partition so far, in past and live leases. */
interface Claim {
  /** Milliseconds held before `since` */
  used: number
  /** When the live lease began */
  since: number | undefined
  /** Highest counter seen */
  counter: number
}

interface Author {
  key: PeerKey
  held: Map<number, Held>
  claims: Map<number, Claim>
  expiries: number
  ignoredUntil: number
}

export function createLeaseTable({ self, ttlMs, now = () => performance.now() }: LeaseTableInit): LeaseTable {
  const authors = new Map<string, Author>()
  const own = peerIdOf(self)
  const maxHeldMs = MAX_HELD_TTLS * ttlMs

  const expire = (): void => {
    const time = now()
    for (const author of authors.values()) {
      for (const [partition, held] of author.held) {
        if (held.expires > time) continue
        author.held.delete(partition)
        stopHolding(author, partition, held.expires)
        if (held.lease.released || held.replayed) continue
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

  const authorOf = (lease: Lease, id: string): Author | undefined => {
    const remembered = authors.get(id)
    if (remembered !== undefined) return remembered
    if (authors.size >= MAX_AUTHORS) for (const [other, a] of authors) if (a.held.size === 0) authors.delete(other)
    if (authors.size >= MAX_AUTHORS) return undefined
    const author: Author = { key: lease.author, held: new Map(), claims: new Map(), expiries: 0, ignoredUntil: 0 }
    authors.set(id, author)
    return author
  }

  return {
    observe(lease) {
      expire()
      const id = peerIdOf(lease.author)
      if (id === own) return
      const author = authorOf(lease, id)
      if (author === undefined) return
      const { partition } = lease
      const time = now()
      const before = author.held.get(partition)
      if (before !== undefined && before.lease.counter >= lease.counter) return
      const claim = claimOf(author, partition)
      const replayed = lease.counter <= claim.counter
      claim.counter = Math.max(claim.counter, lease.counter)
      // a released lease is kept until it would have expired, so that an older renewal arriving late does not revive it
      if (lease.released) {
        stopHolding(author, partition, time)
        author.held.set(partition, { lease, expires: time + ttlMs, replayed })
        return
      }
      claim.since ??= time
      const until = claim.since + maxHeldMs - claim.used
      if (until <= time) {
        claim.since = undefined
        return
      }
      const isIdle = before !== undefined && !before.lease.released && lease.done <= before.lease.done
      author.held.set(partition, { lease, expires: Math.min(until, isIdle ? before.expires : time + ttlMs), replayed })
      const open = [...author.held.entries()].filter(([, held]) => !held.lease.released)
      if (open.length > MAX_OPEN_LEASES_PER_PEER) {
        open.sort(([, a], [, b]) => a.expires - b.expires)
        const [soonest] = open[0] as [number, Held]
        author.held.delete(soonest)
        stopHolding(author, soonest, time)
      }
    },
    delivered(key, partition) {
      expire()
      const author = authors.get(peerIdOf(key))
      const claim = author?.claims.get(partition)
      // a record for a partition that was never claimed proves nothing: records are cheaper to make than rows
      if (author === undefined || claim === undefined) return
      author.expiries = 0
      claim.used = 0
      if (claim.since !== undefined) claim.since = now()
    },
    isHeldByOther(partition) {
      for (const { held } of live()) if (held.lease.partition === partition) return true
      return false
    },
    oldestHeld(partitions) {
      const time = now()
      const wanted = new Set(partitions)
      const longest = new Map<number, number>()
      for (const { author, held } of live()) {
        const { partition } = held.lease
        const claim = author.claims.get(partition)
        if (claim?.since === undefined || !wanted.has(partition)) continue
        longest.set(partition, Math.max(longest.get(partition) ?? 0, claim.used + time - claim.since))
      }
      const [first] = [...longest].filter(([, ms]) => ms >= ttlMs).sort(([p, a], [q, b]) => b - a || p - q)
      return first?.[0]
    },
    held() {
      const time = now()
      return [...live()].map(({ author, held: { lease } }) => {
        const { partition, task, done } = lease
        const claim = author.claims.get(partition)
        const heldMs = claim?.since === undefined ? 0 : claim.used + time - claim.since
        return { author: author.key, partition, task, done, heldMs }
      })
    },
    activePeers() {
      const peers = new Map<string, PeerKey>()
      for (const { id, author } of live()) peers.set(id, author.key)
      return [...peers.values()]
    }
  }
}

// --- internal ---

/** The author's claim on this partition, marked as the most recently used. */
function claimOf(author: Author, partition: number): Claim {
  const claim = author.claims.get(partition) ?? { used: 0, since: undefined, counter: -1 }
  author.claims.delete(partition)
  author.claims.set(partition, claim)
  if (author.claims.size > MAX_CLAIMS_PER_AUTHOR) {
    // claims with a live lease are among the most recently used: a peer has at most two
    const [oldest] = author.claims.keys()
    if (oldest !== undefined) author.claims.delete(oldest)
  }
  return claim
}

function stopHolding(author: Author, partition: number, time: number): void {
  const claim = author.claims.get(partition)
  if (claim?.since === undefined) return
  claim.used += time - claim.since
  claim.since = undefined
}
