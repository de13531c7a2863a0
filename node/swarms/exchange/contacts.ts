/**
 * Which connected peers are members of one swarm. A peer that speaks the sync protocol may belong to other swarms only: it is a member once a
 * sync session, a gossip subscription or a signed record shows it, and no longer once it says that it does not know the swarm. Such
 * strangers are asked again after longer and longer pauses, since a peer may join later. All is forgotten when the connection ends.
 */
import type { PeerId } from '@libp2p/interface'

/** After the first `unknown-swarm`; a peer that joins later shows itself, so this is for messages that got lost. */
const FIRST_PAUSE_MS = 30_000
const MAX_PAUSE_MS = 3_600_000

export interface Contact {
  readonly peer: PeerId
  /** When it was last synced with, on the clock of `now`; -Infinity for never */
  readonly syncedAt: number
}

export interface Contacts {
  /** Returns whether the peer is new. */
  add(peer: PeerId): boolean
  remove(peer: PeerId): void
  /** It speaks as a member: by a session, or a subscription to the swarm's topic. */
  showedItself(peer: PeerId): void
  /** A record signed by it was received. */
  signed(peerId: string): void
  synced(peer: PeerId): void
  /** It may have left the swarm: find out by asking. */
  unsubscribed(peer: PeerId): void
  /** It answered that it does not know the swarm. */
  deniedMembership(peer: PeerId): void
  members(): PeerId[]
  /** Members, peers that were not asked yet, and strangers whose pause is over. */
  worthAsking(): Contact[]
  /** Resolves when there is a member. Throws the signal's reason. */
  firstMember(signal: AbortSignal): Promise<void>
}

interface Entry {
  peer: PeerId
  syncedAt: number
  isMember: boolean
  denials: number
  askAfter: number
}

/** `now`: monotonic milliseconds */
export function createContacts(now: () => number = () => performance.now()): Contacts {
  const entries = new Map<string, Entry>()
  const waiting = new Set<() => void>()

  const becomeMember = (entry: Entry): void => {
    entry.isMember = true
    for (const resolve of waiting) resolve()
    waiting.clear()
  }

  const showedItself = (peer: PeerId): void => {
    const entry = entries.get(peer.toString())
    if (entry === undefined) return
    entry.denials = 0
    entry.askAfter = -Infinity
    becomeMember(entry)
  }

  const members = (): PeerId[] => [...entries.values()].filter(({ isMember }) => isMember).map(({ peer }) => peer)

  return {
    add: peer => {
      const key = peer.toString()
      if (entries.has(key)) return false
      entries.set(key, { peer, syncedAt: -Infinity, isMember: false, denials: 0, askAfter: -Infinity })
      return true
    },
    remove: peer => {
      entries.delete(peer.toString())
    },
    showedItself,
    signed: peerId => {
      const entry = entries.get(peerId)
      // what it signed before does not outweigh what it says now
      if (entry !== undefined && entry.denials === 0) becomeMember(entry)
    },
    synced: peer => {
      showedItself(peer)
      const entry = entries.get(peer.toString())
      if (entry !== undefined) entry.syncedAt = now()
    },
    unsubscribed: peer => {
      const entry = entries.get(peer.toString())
      if (entry !== undefined) entry.isMember = false
    },
    deniedMembership: peer => {
      const entry = entries.get(peer.toString())
      if (entry === undefined) return
      entry.isMember = false
      entry.askAfter = now() + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** entry.denials)
      entry.denials++
    },
    members,
    worthAsking: () => [...entries.values()].filter(({ askAfter }) => askAfter <= now()),
    firstMember: async signal => {
      if (members().length > 0) return
      signal.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onAbort = (): void => reject(signal.reason as Error)
      waiting.add(resolve)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        await promise
      } finally {
        waiting.delete(resolve)
        signal.removeEventListener('abort', onAbort)
      }
    }
  }
}
