/**
 * Composition of the libp2p stack: TCP, noise, yamux, identify, ping, gossipsub, Kademlia and mDNS under our own names, circuit
 * relay. Nothing public: no bootstrappers, no delegated routing, no gateways, and only addresses that were configured, found in our own DHT, or
 * announced on the LAN are dialed.
 */
import { circuitRelayServer, circuitRelayTransport, type CircuitRelayService } from '@libp2p/circuit-relay-v2'
import { gossipsub, type GossipSub, type GossipSubComponents } from '@libp2p/gossipsub'
import { identify, identifyPush, type Identify, type IdentifyPush } from '@libp2p/identify'
import { KEEP_ALIVE, type PeerStore, type PrivateKey, type ServiceMap } from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Libp2pOptions } from 'libp2p'
import { KAD_PROTOCOL, MDNS_SERVICE_TAG } from '../../protocols/constants.ts'
import type { Conduct } from './peer-scoring.ts'
import { gatherWrites } from './gathered-writes.ts'
import { guardRegistrar, RPC_LIMITS } from './gossip-guard.ts'
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from './limits.ts'
import { DEFAULT_LISTEN } from './listen.ts'
import { swarmKeyProtector } from './swarm-key.ts'

export interface Services extends ServiceMap {
  identify: Identify
  identifyPush: IdentifyPush
  ping: Ping
  dht: KadDHT
  pubsub: GossipSub
  relay: CircuitRelayService
}

export interface NetworkInit {
  /** Multiaddrs to listen on. @default all IPv4 and IPv6 addresses, any free TCP port */
  listen?: string[]
  /** Multiaddrs to announce instead of the detected ones, for a node behind a forwarded port. @default none */
  announce?: string[]
  /** Find members on the local network by multicast DNS. @default true */
  mdns?: boolean
  /** Act as a relay for unreachable members, if this node is reachable. @default true */
  relay?: boolean
  /** The contents of a `swarm.key` file in Kubo's format: only holders of the same key can connect. @default none */
  swarmKey?: Uint8Array
  /** In-process transport beside TCP, for tests and simulations. @default false */
  memory?: boolean
  /** What libp2p says of itself. @default nothing is kept */
  metrics?: NonNullable<Libp2pOptions['metrics']>
  /** Overrides individual limits. @default DEFAULT_NETWORK_LIMITS */
  limits?: Partial<NetworkLimits>
}

/** Score thresholds of gossipsub: one invalid message is forgiven, the second stops gossip with the peer, the third graylists it. */
const SCORE_THRESHOLDS = { gossipThreshold: -10, publishThreshold: -50, graylistThreshold: -80 }

/** First 20 bytes of sha2-256 of the data: StrictNoSign messages have no sender or sequence number to identify them. */
const MESSAGE_ID_BYTES = 20

export function networkLimits(init: NetworkInit): NetworkLimits {
  return { ...DEFAULT_NETWORK_LIMITS, ...init.limits }
}

/** Options for `createLibp2p`. `conduct` learns of malformed gossip and keeps denied peers out. */
export function libp2pOptions(init: NetworkInit, privateKey: PrivateKey, conduct: Conduct): Libp2pOptions<Services> {
  const limits = networkLimits(init)
  const limitStreams = {
    maxInboundStreams: limits.maxStreamsPerConnection,
    maxOutboundStreams: limits.maxStreamsPerConnection
  }
  const transports = [
    tcp({
      maxConnections: limits.tcpMaxConnections,
      inboundSocketInactivityTimeout: limits.socketInactivityTimeout,
      outboundSocketInactivityTimeout: limits.socketInactivityTimeout
    }),
    circuitRelayTransport()
  ]
  return {
    privateKey,
    addresses: { listen: init.listen ?? DEFAULT_LISTEN, announce: init.announce ?? [] },
    transports: init.memory === true ? [...transports, memory()] : transports,
    connectionEncrypters: [gatherWrites(noise())],
    streamMuxers: [
      yamux({
        ...limitStreams,
        // two frames, and the other side is known to live; a stream for a ping costs twenty times as much
        keepAliveInterval: limits.keepAliveInterval,
        streamOptions: {
          maxStreamWindowSize: limits.maxStreamWindowSize,
          maxReadBufferLength: limits.maxReadBufferLength,
          maxWriteBufferLength: limits.maxWriteBufferLength
        }
      })
    ],
    ...(init.swarmKey === undefined ? {} : { connectionProtector: swarmKeyProtector(init.swarmKey) }),
    connectionManager: {
      maxConnections: limits.maxConnections,
      maxIncomingPendingConnections: limits.maxIncomingPendingConnections,
      inboundConnectionThreshold: limits.inboundConnectionThreshold,
      inboundUpgradeTimeout: limits.inboundUpgradeTimeout,
      inboundStreamProtocolNegotiationTimeout: limits.streamProtocolNegotiationTimeout,
      outboundStreamProtocolNegotiationTimeout: limits.streamProtocolNegotiationTimeout,
      maxParallelDials: limits.maxParallelDials,
      maxDialQueueLength: limits.maxDialQueueLength
    },
    // it opens a stream for each ping, 40 packets, and would end healthy connections of busy machines
    connectionMonitor: { enabled: false },
    // the default gater only refuses private addresses in browsers; ours also refuses peers that misbehaved
    connectionGater: conduct.gater,
    ...(init.metrics === undefined ? {} : { metrics: init.metrics }),
    peerDiscovery: init.mdns === false ? [] : [mdns({ serviceTag: MDNS_SERVICE_TAG })],
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: components => dhtService(components),
      pubsub: components => gossipService(components, limits, conduct),
      relay: circuitRelayServer({
        reservations: {
          maxReservations: init.relay === false ? 0 : limits.relayMaxReservations,
          defaultDataLimit: BigInt(limits.relayMaxBytes)
        }
      })
    }
  }
}

// --- internal ---

/**
 * The DHT asks libp2p to keep connections to the 20 peers closest to this node, which makes twice as many of most nodes. Its routing table works
 * without: peers are dialed when they are asked something.
 */
function dhtService(components: KadDHTComponents): KadDHT {
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
  const untagging = new Proxy(peerStore, {
    get: (target, name) => {
      if (name === 'merge') return merge
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    }
  })
  const create = kadDHT({
    protocol: KAD_PROTOCOL,
    clientMode: false,
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

function gossipService(components: GossipSubComponents, limits: NetworkLimits, conduct: Conduct): GossipSub {
  const { privateKey, peerId, peerStore, connectionManager, logger } = components
  const registrar = guardRegistrar(components.registrar, {
    maxFrameBytes: limits.gossipMaxFrameBytes,
    bytesPerSecond: limits.gossipBytesPerSecond,
    burstBytes: limits.gossipBurstBytes,
    onFault: (connection, reason) => conduct.fault(connection.remotePeer, reason)
  })
  const create = gossipsub({
    globalSignaturePolicy: 'StrictNoSign',
    msgIdFn: message => sha256(message.data).subarray(0, MESSAGE_ID_BYTES),
    fallbackToFloodsub: false,
    doPX: false,
    // validators are synchronous: one frame of a peer is processed before the next is read
    asyncValidation: false,
    awaitRpcHandler: true,
    awaitRpcMessageHandler: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: limits.gossipMaxFrameBytes,
    maxOutboundBufferSize: limits.gossipMaxOutboundBufferBytes,
    decodeRpcLimits: RPC_LIMITS,
    // about 1 KiB a topic: a peer may be in 64 swarms
    maxTopicBytesPerPeer: 64 * 1024,
    scoreThresholds: SCORE_THRESHOLDS,
    scoreParams: {
      // Swarms are joined at run time, when topics cannot be added to gossipsub's scores any more: invalid messages count through
      // the application's part. Silence is normal on our topics and is not penalised.
      appSpecificScore: peer => conduct.score(peer),
      appSpecificWeight: 1,
      behaviourPenaltyWeight: -10,
      behaviourPenaltyThreshold: 6,
      IPColocationFactorWeight: -5,
      IPColocationFactorThreshold: limits.gossipPeersPerIp,
      IPColocationFactorWhitelist: new Set(['127.0.0.1', '::1'])
    }
  })
  return create({ privateKey, peerId, peerStore, registrar, connectionManager, logger })
}
