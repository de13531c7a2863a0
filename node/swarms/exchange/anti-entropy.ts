/**
 * When to sync with which peer: on every new connection to a peer that may be a member, and every few seconds with one random and the
 * longest-unsynced member; six times less often while the swarm is quiet: no record arrives, and all whom it syncs with have what it has. Gossip is
 * only the fast path; this is what makes late joiners and lossy links converge. At most one session with a
 * peer runs at a time, and peers that do not know the swarm are left alone (contacts.ts).
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { SYNC_PROTOCOL } from '../../../protocols/constants.ts'
import { SyncRefusedError, type Sync } from '../../../protocols/sync/sync.ts'
import { count } from '../../process/counters.ts'
import type { Logger } from '../../process/logger.ts'
import { createContacts } from './contacts.ts'

/** A session moves at most 16 MiB of records each way; after so many with one peer, let others have a turn. */
const MAX_SESSIONS_IN_A_ROW = 8

/** Pauses grow up to so many times while nothing happens: by half of the one before. */
const QUIET_FACTOR = 6
const QUIET_GROWTH = 1.5

export interface AntiEntropy {
  start(): Promise<void>
  stop(): Promise<void>
  /** Sync now with every member and everybody who may be one; resolves when each was tried, to whether one succeeded. */
  syncAll(signal?: AbortSignal): Promise<boolean>
  /** Connected members */
  members(): PeerId[]
  /** Resolves when a member is connected. Throws the signal's reason. */
  firstMember(signal: AbortSignal): Promise<void>
  /** A peer speaks as a member: in a session that it opened, or by a subscription to the swarm's topic. */
  onMember(peer: PeerId): void
  /** A peer is not subscribed any more. */
  onUnsubscribed(peer: PeerId): void
  /** A record of this author arrived. */
  onAuthor(peerId: string): void
}

export interface AntiEntropyComponents {
  libp2p: Pick<Libp2p, 'getPeers' | 'peerStore' | 'register' | 'unregister'>
  sync: Pick<Sync, 'run'>
  swarm: CID
  logger: Logger
}

export interface AntiEntropyInit {
  /** Mean pause between rounds while something happens, ms; each is drawn within 30 % of it so that peers do not fall into step */
  intervalMs: number
  /** Monotonic milliseconds. @default performance.now */
  now?: () => number
}

export function createAntiEntropy(
  { libp2p, sync, swarm, logger }: AntiEntropyComponents,
  { intervalMs, now }: AntiEntropyInit
): AntiEntropy {
  const contacts = createContacts(now)
  const sessions = new Map<string, Promise<boolean>>()
  const controller = new AbortController()
  let topology: string | undefined
  let next: { timer: NodeJS.Timeout; at: number } | undefined
  let pause = intervalMs

  const syncFully = async (peer: PeerId, signal: AbortSignal): Promise<boolean> => {
    try {
      for (let i = 0; i < MAX_SESSIONS_IN_A_ROW; i++) {
        const report = await sync.run(peer, swarm, { signal })
        contacts.synced(peer)
        count('sync_sessions')
        if (report.equal || report.sent + report.added === 0) return true
        active()
      }
      return true
    } catch (error) {
      if (signal.aborted) return false
      if (error instanceof SyncRefusedError && error.reason === 'unknown-swarm') contacts.deniedMembership(peer)
      count('sync_failures')
      logger.debug('sync failed', { peer: peer.toString(), reason: String(error) })
      return false
    }
  }

  /** A second caller shares the session of the first. */
  const syncWith = async (peer: PeerId, signal?: AbortSignal): Promise<boolean> => {
    const key = peer.toString()
    const running = sessions.get(key)
    if (running !== undefined) return await running
    const signals = signal === undefined ? [controller.signal] : [controller.signal, signal]
    const session = syncFully(peer, AbortSignal.any(signals)).finally(() => sessions.delete(key))
    sessions.set(key, session)
    return await session
  }

  const schedule = (): void => {
    if (controller.signal.aborted) return // stopped while a round was under way
    const ms = pause * (0.7 + 0.6 * Math.random())
    pause = Math.min(QUIET_FACTOR * intervalMs, QUIET_GROWTH * pause)
    const begin = (): void => {
      next = undefined
      round().then(schedule, (error: unknown) => {
        logger.error('an anti-entropy round failed', { error: String(error) })
        schedule()
      })
    }
    next = { timer: setTimeout(begin, ms), at: performance.now() + ms }
  }

  /** Something happens: the others may lack it, or what belongs to it. */
  const active = (): void => {
    pause = intervalMs
    if (next === undefined || next.at - performance.now() <= intervalMs) return
    clearTimeout(next.timer)
    schedule()
  }

  const round = async (): Promise<void> => {
    if (controller.signal.aborted) return
    const all = contacts.worthAsking()
    const random = all[Math.floor(Math.random() * all.length)]
    const oldest = all.toSorted((a, b) => a.syncedAt - b.syncedAt)[0]
    const chosen = new Set([random, oldest].flatMap(contact => (contact === undefined ? [] : [contact.peer])))
    await Promise.all([...chosen].map(async peer => await syncWith(peer)))
  }

  /** A peer that is not identified yet is not in the store; the topology hears of it when it is. */
  const speaksSync = async (peer: PeerId): Promise<boolean> => {
    try {
      return (await libp2p.peerStore.get(peer)).protocols.includes(SYNC_PROTOCOL)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return false
      throw error
    }
  }

  return {
    start: async () => {
      const onConnect = (peer: PeerId): void => {
        if (contacts.add(peer)) void syncWith(peer)
      }
      topology = await libp2p.register(SYNC_PROTOCOL, {
        notifyOnLimitedConnection: true,
        onConnect,
        onDisconnect: contacts.remove
      })
      // a topology hears of later connections only, and the peer that gave us the manifest is connected already
      for (const peer of libp2p.getPeers()) {
        if (await speaksSync(peer)) onConnect(peer)
      }
      schedule()
    },
    stop: async () => {
      controller.abort()
      clearTimeout(next?.timer)
      if (topology !== undefined) libp2p.unregister(topology)
      await Promise.all(sessions.values())
    },
    syncAll: async signal => {
      const outcomes = await Promise.all(contacts.worthAsking().map(async ({ peer }) => await syncWith(peer, signal)))
      return outcomes.includes(true)
    },
    members: contacts.members,
    firstMember: contacts.firstMember,
    // it syncs with us when it opens the swarm, and may not answer for it before it has
    onMember: contacts.showedItself,
    onUnsubscribed: contacts.unsubscribed,
    onAuthor: peerId => {
      contacts.signed(peerId)
      active()
    }
  }
}
