/**
 * READ FIRST: watches a running node for people and for Prometheus. An overview is made when it is asked for, from what is in memory; nothing runs
 * in between but two listeners.
 */
import { statfs } from 'node:fs/promises'
import type { Connection, PeerId } from '@libp2p/interface'
import { VERSION } from '../api/version.ts'
import type { Content } from '../content/content.ts'
import type { Config } from '../home/config.ts'
import type { Home } from '../home/home.ts'
import type { Network } from '../network/network.ts'
import { counted } from '../process/counters.ts'
import type { DurableBlockstore } from '../store/durable-blockstore.ts'
import type { Membership } from '../swarms/membership.ts'
import { createActivity, type Activity } from './activity.ts'
import type { NodeMetrics } from './metrics.ts'
import type { ConnectionOverview, NodeOverview } from './overview.ts'
import { createPace } from './pace.ts'
import { swarmOverview } from './swarm-overview.ts'
import { warningsOf } from './warnings.ts'

export interface MonitorComponents {
  readonly identity: { readonly peerId: string }
  readonly config: Pick<Config, 'store'>
  readonly home: Pick<Home, 'root'>
  readonly content: Pick<Content, 'holdsEach'>
  readonly store: Pick<DurableBlockstore, 'bytes' | 'diskState'>
  readonly swarms: { all(): readonly Membership[]; waiting(): readonly string[] }
  readonly network: Network | undefined
  readonly metrics?: NodeMetrics | undefined
}

export interface Monitor {
  readonly activity: Activity
  readonly metrics: NodeMetrics | undefined
  overview(): Promise<NodeOverview>
  /** The swarms were opened and the store takes blocks; otherwise why not. */
  readiness(): string | undefined
  /** Whatever an overview shows may have changed. Returns the function that ends it. */
  onChange(listener: () => void): () => void
  close(): void
}

export function createMonitor(components: MonitorComponents): Monitor {
  const { identity, config, home, content, store, swarms, network, metrics } = components
  const activity = createActivity()
  const pace = createPace()
  const startedAt = new Date()
  const started = performance.now()
  let wasReached = false
  const listeners = new Set<() => void>()
  const followed = new Map<Membership, () => void>()

  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  const onConnection = ({ detail }: CustomEvent<Connection>): void => {
    wasReached ||= isReach(detail)
    changed()
  }
  network?.libp2p.addEventListener('connection:open', onConnection)
  network?.libp2p.addEventListener('connection:close', changed)
  network?.libp2p.getConnections().forEach(connection => (wasReached ||= isReach(connection)))

  const follow = (): void => {
    for (const membership of swarms.all()) {
      if (followed.has(membership)) continue
      membership.state.events.addEventListener('change', changed)
      followed.set(membership, () => membership.state.events.removeEventListener('change', changed))
    }
  }

  const overview = async (): Promise<NodeOverview> => {
    follow()
    const peer = identity.peerId
    const all = swarms.all()
    const { bavail, bsize } = await statfs(home.root)
    const facts = {
      version: VERSION,
      peer,
      startedAt: startedAt.toISOString(),
      addresses: network?.libp2p.getMultiaddrs().map(String) ?? [],
      opening: [...swarms.waiting()],
      swarms: await Promise.all(
        all.map(async one => {
          const doing = activity.of(one.swarm.id.toString())
          return await swarmOverview(one, { peer, content, activity: doing, pace })
        })
      ),
      connections: await connectionsOf(network, all),
      wasReached,
      relayReservations: network?.libp2p.services.relay.reservations.size ?? 0,
      disk: {
        storeBytes: store.bytes,
        ...(config.store.maxBytes === undefined ? {} : { maxBytes: config.store.maxBytes }),
        freeBytes: bavail * bsize,
        minFreeBytes: config.store.minFreeBytes,
        state: store.diskState
      }
    }
    return { ...facts, warnings: warningsOf({ ...facts, upMs: performance.now() - started, counts: counted() }) }
  }
  metrics?.watch(overview)

  return {
    activity,
    metrics,
    overview,
    readiness: () => {
      if (swarms.waiting().length > 0) return `${swarms.waiting().length} swarms wait for content of other members`
      return store.diskState === 'low' ? 'the disk is low: nothing new is stored' : undefined
    },
    onChange: listener => {
      follow()
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {
      network?.libp2p.removeEventListener('connection:open', onConnection)
      network?.libp2p.removeEventListener('connection:close', changed)
      for (const stop of followed.values()) stop()
      followed.clear()
      listeners.clear()
    }
  }
}

// --- internal ---

async function connectionsOf(
  network: Network | undefined,
  memberships: readonly Membership[]
): Promise<ConnectionOverview[]> {
  if (network === undefined) return []
  const { libp2p } = network
  const swarmsOf = (peer: PeerId): string[] =>
    memberships.filter(one => one.members().some(member => member.equals(peer))).map(one => one.swarm.id.toString())
  return await Promise.all(
    libp2p.getConnections().map(async connection => {
      const peer = connection.remotePeer
      const agent = await agentOf(network, peer)
      return {
        peer: peer.toString(),
        direction: connection.direction,
        isRelayed: isRelayed(connection),
        address: connection.remoteAddr.toString(),
        ...(connection.rtt === undefined ? {} : { latencyMs: connection.rtt }),
        ...(agent === undefined ? {} : { agent }),
        swarms: swarmsOf(peer)
      }
    })
  )
}

async function agentOf({ libp2p }: Network, peer: PeerId): Promise<string | undefined> {
  try {
    const bytes = (await libp2p.peerStore.get(peer)).metadata.get('AgentVersion')
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return undefined // not identified yet
    throw error
  }
}

function isRelayed({ remoteAddr }: Connection): boolean {
  return remoteAddr.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** Loopback says nothing about a router or firewall. */
function isReach(connection: Connection): boolean {
  return (
    connection.direction === 'inbound' &&
    !isRelayed(connection) &&
    !/^\/(ip4\/127\.|ip6\/::1\/|memory\/)/.test(connection.remoteAddr.toString())
  )
}
