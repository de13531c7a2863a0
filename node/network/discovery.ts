/**
 * How the members of a swarm find each other, and keep finding each other when the publisher is gone.
 *
 * Three sources, used only as hints: addresses (from the invite, and those that worked before, which the caller stores on disk), our own DHT, where
 * every member is a provider of the manifest, and the local network (network.ts). Each round dials members until enough are connected, so a swarm
 * becomes a mesh within seconds and does not depend on any single member.
 *
 * Guarantees: rounds do not overlap, and a scheduled round is never postponed: a lost connection can only bring it forward. Only members of the swarm
 * count towards `targetPeers`, no matter how many other peers are connected.
 */
import type { Libp2p, PeerId, Startable } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { DIAL_TIMEOUT_MS } from '../../protocols/constants.ts'
import { asError } from '../../protocols/framing.ts'

/** Members that a node connects to by itself; others may dial it. */
const DEFAULT_TARGET_PEERS = 16
const DEFAULT_INTERVAL_MS = 30_000
/** First pause between rounds; each further pause is twice as long, up to the interval. */
const FIRST_PAUSE_MS = 500
/** Provider records live for two days in the DHT; new neighbours should learn of us sooner. */
const REPROVIDE_MS = 10 * 60_000
/** A lookup on a small private network succeeds quickly or not at all. */
const LOOKUP_TIMEOUT_MS = 10_000
/** Addresses remembered: several for each member that a node is likely to meet again. */
const MAX_ADDRESSES = 64

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
  /** Stop dialing at this many members. @default 16 */
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
  const known = new Map<string, Multiaddr>()
  let stopped = new AbortController()
  /** The next scheduled round, while none is running */
  let next: { timer: NodeJS.Timeout; at: number } | undefined
  let started = false
  let running: Promise<void> | undefined
  let pause = FIRST_PAUSE_MS
  let provided: { at: number; peers: string } | undefined
  let saved = ''

  const remember = (addresses: Iterable<string>): void => {
    for (const text of addresses) {
      const address = parse(text)
      if (address === undefined || peerOf(address) === libp2p.peerId.toString()) continue
      known.delete(text)
      known.set(text, address)
      if (known.size > MAX_ADDRESSES) known.delete(known.keys().next().value as string)
    }
  }
  remember(init.addresses ?? [])

  const isConnected = (peer: string): boolean => libp2p.getConnections().some(c => c.remotePeer.toString() === peer)

  const dial = async (target: PeerId | Multiaddr[]): Promise<void> => {
    try {
      await libp2p.dial(target, { signal: within(stopped.signal, DIAL_TIMEOUT_MS) })
    } catch (cause) {
      log('dial failed - %e', asError(cause))
    }
  }

  const dialKnown = async (): Promise<void> => {
    const byPeer = Map.groupBy(known.values(), a => peerOf(a) ?? '')
    const wanted = [...byPeer].filter(([peer]) => !isConnected(peer)).slice(0, targetPeers)
    await Promise.all(wanted.map(async ([, addresses]) => await dial(addresses)))
  }

  /** Tell the DHT that we belong to the swarm, and dial others that did. */
  const useDht = async (): Promise<void> => {
    const peers = libp2p.getPeers().map(String).sort().join()
    if (peers === '') return // no peer to query
    const stale = provided === undefined || provided.peers !== peers || performance.now() - provided.at > REPROVIDE_MS
    if (stale) {
      await libp2p.contentRouting.provide(swarm, { signal: within(stopped.signal, LOOKUP_TIMEOUT_MS) })
      provided = { at: performance.now(), peers }
    }
    const dials: Promise<void>[] = []
    const lookup = libp2p.contentRouting.findProviders(swarm, { signal: within(stopped.signal, LOOKUP_TIMEOUT_MS) })
    for await (const { id, multiaddrs } of lookup) {
      if (id.equals(libp2p.peerId) || isConnected(id.toString())) continue
      if (members().length + dials.length >= targetPeers) break
      const dialed = reach(id, multiaddrs)
      dialed.catch(() => undefined) // awaited below; a lookup that fails before that would leave its error unhandled
      dials.push(dialed)
    }
    await Promise.all(dials)
  }

  const reach = async (id: PeerId, multiaddrs: Multiaddr[]): Promise<void> => {
    if (multiaddrs.length > 0) await libp2p.peerStore.merge(id, { multiaddrs })
    await dial(id)
  }

  /** Keeps working addresses for the next start, when the publisher may be gone. */
  const keepAddresses = async (): Promise<void> => {
    for (const peer of members()) {
      const id = peer.toString()
      const dialed = libp2p.getConnections(peer).filter(c => c.direction === 'outbound')
      const announced = (await libp2p.peerStore.get(peer)).addresses
      const addresses = [...dialed.map(c => c.remoteAddr), ...announced.map(a => a.multiaddr)]
      remember(addresses.map(a => (peerOf(a) === undefined ? `${a}/p2p/${id}` : a.toString())))
    }
    const addresses = [...known.keys()].reverse()
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
    if (members().length < targetPeers) {
      await step('dialing known addresses', dialKnown)
      await step('asking the DHT', useDht)
    }
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
    if (running === undefined) beginWithin(drawPause())
  }

  return {
    start() {
      if (started) return
      started = true
      stopped = new AbortController()
      libp2p.addEventListener('peer:disconnect', onDisconnect)
      beginWithin(0)
    },
    async stop() {
      started = false
      stopped.abort()
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      clearTimeout(next?.timer)
      next = undefined
      await running
    },
    addAddresses(addresses) {
      remember(addresses)
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

/** `undefined` for text that is not a multiaddr with a peer id: hints from others and old files may be anything. */
function parse(text: string): Multiaddr | undefined {
  try {
    const address = multiaddr(text)
    return peerOf(address) === undefined ? undefined : address
  } catch {
    return undefined // not a multiaddr: nothing to dial
  }
}

/** The peer at the end of the address; a relayed address names the relay first. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(c => c.name === 'p2p')?.value
}
