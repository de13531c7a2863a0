/** Our own Kademlia network, in which members find each other. */
import { KEEP_ALIVE, type Libp2p, type PeerStore, type ServiceMap, type Startable } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import { KAD_PROTOCOL } from '../../protocols/constants.ts'
import { asError } from '../../protocols/framing.ts'
import { overriding } from './overriding.ts'
import type { Reachability } from './reachability.ts'

/**
 * The DHT asks libp2p to keep connections to the 20 peers closest to this node, which makes twice as many of most nodes. Its routing table works
 * without: peers are dialed when they are asked something.
 */
export function dhtService(components: KadDHTComponents): KadDHT {
  const {
    peerId,
    privateKey,
    registrar,
    addressManager,
    peerStore,
    connectionManager,
    datastore,
    events,
    logger,
    ping
  } = components
  const merge: PeerStore['merge'] = async (peer, data, options) => {
    const tags = Object.entries(data.tags ?? {}).filter(([name]) => !name.startsWith(KEEP_ALIVE))
    return await peerStore.merge(
      peer,
      data.tags === undefined ? data : { ...data, tags: Object.fromEntries(tags) },
      options
    )
  }
  const untagging = overriding(peerStore, { merge })
  const create = kadDHT({
    protocol: KAD_PROTOCOL,
    // until others can reach this node (followReachability)
    clientMode: true,
    // the first node of a swarm has no peer to query; without this its queries would wait forever
    allowQueryWithZeroPeers: true,
    // members on one LAN or machine have private addresses only
    peerInfoMapper: passthroughMapper
  })
  return create({
    peerId,
    privateKey,
    registrar,
    addressManager,
    peerStore: untagging,
    connectionManager,
    datastore,
    events,
    logger,
    ping
  })
}

interface ServerModeComponents {
  libp2p: Pick<Libp2p<ServiceMap & { dht: KadDHT }>, 'addEventListener' | 'removeEventListener' | 'services' | 'logger'>
  reachability: Reachability
}

/** Also looked at then, because evidence grows old. */
const LOOK_MS = 60_000

/** A node that others can reach answers in the DHT; one that they cannot would only make their questions time out, and asks. */
export function followReachability({ libp2p, reachability }: ServerModeComponents): Startable {
  const log = libp2p.logger.forComponent('coopt:dht')
  let timer: NodeJS.Timeout | undefined
  const look = (): void => {
    const reach = reachability.reach()
    const mode = reach === 'public' || reach === 'local' ? 'server' : 'client'
    libp2p.services.dht
      .setMode(mode)
      .catch((error: unknown) => log.error('no %s of the DHT - %e', mode, asError(error)))
  }
  return {
    start() {
      timer ??= setInterval(look, LOOK_MS).unref()
      libp2p.addEventListener('connection:open', look)
      libp2p.addEventListener('self:peer:update', look)
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      libp2p.removeEventListener('connection:open', look)
      libp2p.removeEventListener('self:peer:update', look)
    }
  }
}
