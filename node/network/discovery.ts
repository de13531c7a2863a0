/**
 * How the members of a swarm find each other, and keep finding each other when the publisher is gone.
 *
 * Three sources, used only as hints: addresses (from the invite, and those that worked before, which the caller stores on disk), our own DHT, where
 * every member is a provider of the manifest, and the local network (network.ts). Each round dials members until enough are connected, so a swarm
 * becomes a mesh within seconds and does not depend on any single member. Idle traffic does not grow with the swarm: a search that finds nobody
 * new pauses for twice as long, up to ten minutes.
 *
 * A member whose connection broke is dialed again even when enough others are connected: a split of the network leaves each side with
 * members of its own, and heals only if they look for the others.
 *
 * Guarantees: rounds do not overlap, and a scheduled round is never postponed: a lost connection can only bring it forward. Only members of the swarm
 * count towards `targetPeers`, no matter how many other peers are connected.
 */
import type { Connection, Libp2p, PeerId, Startable } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { DIAL_TIMEOUT_MS } from '../../protocols/constants.ts'
import { asError } from '../../protocols/framing.ts'
import { addressesOf, createKnownAddresses } from './known-addresses.ts'
import { createLostMembers } from './lost-members.ts'

/**
 * Members that a node connects to by itself; others may dial it. Gossip needs six (its mesh), and each end of a connection has two ends, so nodes
 * have about twice as many.
 */
const DEFAULT_TARGET_PEERS = 8
const DEFAULT_INTERVAL_MS = 30_000
/** First pause between rounds; each further pause is twice as long, up to the interval. */
const FIRST_PAUSE_MS = 500
/** While a member is missing whose connection broke, rounds are this far apart: a healed split is noticed within two. */
const LOST_PAUSE_MS = 5000
/** Longest pause between searches in the DHT, each of which asks up to 20 peers. Also how often one more member is dialed than needed, by chance. */
const MAX_SEARCH_PAUSE_MS = 10 * 60_000
/** Provider records live for two days in the DHT. Its peers tell others when they leave, and a swarm of a few changes quickly. */
const REPROVIDE_MS = 60 * 60_000
/** With so many neighbours when it was told, the DHT keeps what it was told; with fewer, new neighbours are told at once. */
const ENOUGH_NEIGHBOURS = 8
/** A lookup on a small private network succeeds quickly or not at all. */
const LOOKUP_TIMEOUT_MS = 10_000
/** Providers taken from one search, of which some are dialed by chance: otherwise all would dial the same ones. */
const MAX_FOUND = 64

export interface DiscoveryComponents {
  libp2p: Libp2p
  /** The manifest's CID */
  swarm: CID
  /** Connected members of the swarm */
  members(): PeerId[]
}

export interface DiscoveryInit {
  /** Multiaddrs as text, each ending in /p2p/PEER: from the invite and from earlier runs. */
  addresses?: readonly string[]
  /** Called with the addresses at which members can be reached whenever they change, to be stored for the next start. */
  onAddresses?: (addresses: string[]) => void
  /** Mean pause between rounds once members are connected; each is drawn within 30 % of it. @default 30000 */
  intervalMs?: number
  /** Stop dialing at this many members. @default 8 */
  targetPeers?: number
  /** Uniform in [0, 1). @default Math.random */
  random?: () => number
}

export interface Discovery extends Startable {
  /** Try these addresses as well, right away. */
  addAddresses(addresses: readonly string[]): void
  /** Run a round now; resolves when it has finished. Never throws. */
  round(): Promise<void>
}

export function createDiscovery(components: DiscoveryComponents, init: DiscoveryInit = {}): Discovery {
  const { libp2p, swarm, members } = components
  const log = libp2p.logger.forComponent('coopt:discovery')
  const intervalMs = init.intervalMs ?? DEFAULT_INTERVAL_MS
  const targetPeers = init.targetPeers ?? DEFAULT_TARGET_PEERS
  const random = init.random ?? Math.random
  const known = createKnownAddresses(libp2p.peerId.toString())
  known.remember(init.addresses ?? [])
  const isConnected = (peer: string): boolean => libp2p.getConnections().some(c => c.remotePeer.toString() === peer)
  const lost = createLostMembers(isConnected)
  let stopped = new AbortController()
  /** The next scheduled round, while none is running */
  let next: { timer: NodeJS.Timeout; at: number } | undefined
  let started = false
  let running: Promise<void> | undefined
  let pause = FIRST_PAUSE_MS
  let search = { at: -Infinity, pause: FIRST_PAUSE_MS }
  let provided: { at: number; neighbours: number } | undefined
  let saved = ''

  /** Returns whether it is connected now. */
  const dial = async (target: PeerId | Multiaddr[]): Promise<boolean> => {
    try {
      await libp2p.dial(target, { signal: within(stopped.signal, DIAL_TIMEOUT_MS) })
      return true
    } catch (cause) {
      log('dial failed - %e', asError(cause))
      return false
    }
  }

  /** Dial these one after the other, `count` at once, until `count` are connected. */
  const dialSome = async (dials: Array<() => Promise<boolean>>, count: number): Promise<void> => {
    let connected = 0
    const work = async (): Promise<void> => {
      for (let one = dials.shift(); one !== undefined && connected < count; one = dials.shift())
        if (await one()) connected++
    }
    await Promise.all(Array.from({ length: count }, work))
  }

  const missing = (): number => Math.max(0, targetPeers - members().length)

  const dialKnown = async (): Promise<void> => {
    const byPeer = known.byPeer()
    const again = shuffled(lost.due(), random).map(peer => byPeer.get(peer) ?? peerIdFromString(peer))
    const others =
      missing() === 0
        ? []
        : shuffled(
            [...byPeer].filter(([peer]) => !isConnected(peer)),
            random
          )
    await Promise.all([
      ...again.map(dial),
      dialSome(
        others.map(
          ([, addresses]) =>
            async () =>
              await dial(addresses)
        ),
        missing()
      )
    ])
  }

  /** Tell the DHT that we belong to the swarm, and dial others that did. */
  const useDht = async (): Promise<void> => {
    const neighbours = libp2p.getPeers().length
    if (neighbours === 0) return // no peer to query
    const now = performance.now()
    const hasFewer = provided !== undefined && provided.neighbours < Math.min(ENOUGH_NEIGHBOURS, neighbours)
    if (provided === undefined || hasFewer || now - provided.at > REPROVIDE_MS) {
      await libp2p.contentRouting.provide(swarm, { signal: within(stopped.signal, LOOKUP_TIMEOUT_MS) })
      provided = { at: performance.now(), neighbours }
    }
    const isDue = now - search.at >= (missing() === 0 ? MAX_SEARCH_PAUSE_MS : search.pause)
    if (!isDue) return
    const found = new Map<string, () => Promise<boolean>>()
    search = { at: now, pause: Math.min(MAX_SEARCH_PAUSE_MS, 2 * search.pause) }
    try {
      const lookup = libp2p.contentRouting.findProviders(swarm, { signal: within(stopped.signal, LOOKUP_TIMEOUT_MS) })
      for await (const { id, multiaddrs } of lookup) {
        if (id.equals(libp2p.peerId) || isConnected(id.toString())) continue
        found.set(id.toString(), async () => await reach(id, multiaddrs))
        if (found.size >= MAX_FOUND) break
      }
    } finally {
      const before = libp2p.getPeers().length
      await dialSome(shuffled([...found.values()], random), Math.max(1, missing()))
      if (libp2p.getPeers().length > before) search.pause = FIRST_PAUSE_MS
    }
  }

  const reach = async (id: PeerId, multiaddrs: Multiaddr[]): Promise<boolean> => {
    if (multiaddrs.length > 0) await libp2p.peerStore.merge(id, { multiaddrs })
    return await dial(id)
  }

  /** Keeps working addresses for the next start, when the publisher may be gone. */
  const keepAddresses = async (): Promise<void> => {
    known.remember(await addressesOf(libp2p, members()))
    const addresses = known.list()
    if ([...addresses].sort().join() === saved) return
    saved = [...addresses].sort().join()
    init.onAddresses?.(addresses)
  }

  const step = async (what: string, action: () => Promise<void>): Promise<void> => {
    try {
      if (!stopped.signal.aborted) await action()
    } catch (cause) {
      if (!stopped.signal.aborted) log('%s failed - %e', what, asError(cause))
    }
  }

  const round = async (): Promise<void> => {
    await step('dialing known addresses', dialKnown)
    await step('asking the DHT', useDht)
    await step('keeping addresses', keepAddresses)
  }

  /** Schedule a round within `ms`, unless one is due earlier. */
  const beginWithin = (ms: number): void => {
    const at = performance.now() + ms
    if (!started || (next !== undefined && next.at <= at)) return
    clearTimeout(next?.timer)
    const begin = (): void => {
      next = undefined
      void joinRound().then(scheduleNext)
    }
    next = { timer: setTimeout(begin, ms), at }
  }

  const drawPause = (): number => pause * (0.7 + 0.6 * random())

  const scheduleNext = (): void => {
    pause = Math.min(pause, lost.isAnyRecent() ? LOST_PAUSE_MS : intervalMs)
    beginWithin(drawPause())
    pause = Math.min(intervalMs, pause * 2)
  }

  /** The running round, or a new one. */
  const joinRound = async (): Promise<void> => {
    running ??= round().finally(() => {
      running = undefined
    })
    await running
  }

  /** A lost member may be the last one: run a round soon, or shorten the pause after the running one. */
  const onDisconnect = (): void => {
    pause = FIRST_PAUSE_MS
    if (missing() > 0) search = { at: -Infinity, pause: FIRST_PAUSE_MS }
    if (running === undefined) beginWithin(drawPause())
  }

  /** A connection that was closed in good order is one that the other side has no use for: it has others, or has ended. */
  const onClose = ({ detail: { remotePeer, status } }: CustomEvent<Connection>): void => {
    if (status === 'closed') return
    const peer = remotePeer.toString()
    if (known.byPeer().has(peer) || members().some(member => member.equals(remotePeer))) lost.add(peer)
  }

  return {
    start() {
      if (started) return
      started = true
      stopped = new AbortController()
      libp2p.addEventListener('connection:close', onClose)
      libp2p.addEventListener('peer:disconnect', onDisconnect)
      beginWithin(0)
    },
    async stop() {
      started = false
      stopped.abort()
      libp2p.removeEventListener('connection:close', onClose)
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      clearTimeout(next?.timer)
      next = undefined
      await running
    },
    addAddresses(addresses) {
      known.remember(addresses)
      search = { at: -Infinity, pause: FIRST_PAUSE_MS }
      if (!started) return
      // the running round may be past dialing
      void (running ?? Promise.resolve()).then(joinRound)
    },
    round: joinRound
  }
}

// --- internal ---

function within(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)])
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map(value => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}
