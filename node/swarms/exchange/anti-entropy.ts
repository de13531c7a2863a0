/**
 * When to sync with whom: on every new connection to a member, and every few seconds with one random and the longest-unsynced
 * member (reliability E6). Gossip is only the fast path; this is what makes late joiners and lossy links converge.
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { SYNC_PROTOCOL } from '../../../protocols/constants.ts'
import type { Sync } from '../../../protocols/sync/sync.ts'
import type { Logger } from '../../process/logger.ts'

/** A session moves at most 16 MiB of records each way; after so many with one peer, let others have a turn. */
const MAX_SESSIONS_IN_A_ROW = 8

export interface AntiEntropy {
  start(): Promise<void>
  stop(): Promise<void>
  /** Sync now with every connected member; resolves when each was tried, to whether one succeeded. */
  syncAll(signal?: AbortSignal): Promise<boolean>
  /** Connected peers that speak the sync protocol. */
  members(): PeerId[]
}

export interface AntiEntropyInit {
  /** Mean pause between rounds, ms; each is drawn within 30 % of it so that peers do not beat in time */
  intervalMs: number
}

export function createAntiEntropy(
  { libp2p, sync, swarm, logger }: { libp2p: Libp2p; sync: Sync; swarm: CID; logger: Logger },
  { intervalMs }: AntiEntropyInit
): AntiEntropy {
  const speakers = new Map<string, { peer: PeerId; last: number }>()
  const running = new Map<string, Promise<boolean>>()
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let topology: string | undefined

  const run = async (peer: PeerId, signal: AbortSignal): Promise<boolean> => {
    try {
      for (let i = 0; i < MAX_SESSIONS_IN_A_ROW; i++) {
        const report = await sync.run(peer, swarm, { signal })
        const known = speakers.get(peer.toString())
        if (known !== undefined) known.last = performance.now()
        if (report.equal || report.sent + report.added === 0) return true
      }
      return true
    } catch (error) {
      if (!signal.aborted) logger.debug('sync failed', { peer: peer.toString(), reason: String(error) })
      return false
    }
  }

  /** One session with a peer at a time; a second caller shares the first one's. */
  const once = async (peer: PeerId, signal?: AbortSignal): Promise<boolean> => {
    const key = peer.toString()
    const known = running.get(key)
    if (known !== undefined) return await known
    const signals = signal === undefined ? [controller.signal] : [controller.signal, signal]
    const session = run(peer, AbortSignal.any(signals)).finally(() => running.delete(key))
    running.set(key, session)
    return await session
  }

  const schedule = (): void => {
    timer = setTimeout(
      () => {
        round().then(schedule, (error: unknown) => {
          logger.error('an anti-entropy round failed', { error: String(error) })
          schedule()
        })
      },
      intervalMs * (0.7 + 0.6 * Math.random())
    )
  }

  const round = async (): Promise<void> => {
    if (controller.signal.aborted) return
    const all = [...speakers.values()]
    const random = all[Math.floor(Math.random() * all.length)]
    const oldest = all.sort((a, b) => a.last - b.last)[0]
    await Promise.all([...new Set([random, oldest])].flatMap(s => (s === undefined ? [] : [once(s.peer)])))
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
      const meet = (peer: PeerId): void => {
        if (speakers.has(peer.toString())) return
        speakers.set(peer.toString(), { peer, last: 0 })
        void once(peer)
      }
      topology = await libp2p.register(SYNC_PROTOCOL, {
        onConnect: meet,
        onDisconnect: peer => {
          speakers.delete(peer.toString())
        }
      })
      // a topology hears of later connections only, and the peer that gave us the manifest is connected already
      for (const peer of libp2p.getPeers()) {
        if (await speaksSync(peer)) meet(peer)
      }
      schedule()
    },
    stop: async () => {
      controller.abort()
      clearTimeout(timer)
      if (topology !== undefined) libp2p.unregister(topology)
      await Promise.all(running.values())
    },
    syncAll: async signal => {
      const outcomes = await Promise.all([...speakers.values()].map(async ({ peer }) => await once(peer, signal)))
      return outcomes.includes(true)
    },
    members: () => [...speakers.values()].map(s => s.peer)
  }
}
