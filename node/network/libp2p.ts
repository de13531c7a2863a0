/**
 * Composition of the libp2p stack: TCP, noise, yamux, identify, ping, gossipsub, Kademlia and mDNS under our own names, circuit
 * relay. Nothing public: no bootstrappers, no delegated routing, no gateways, and only addresses that were configured, found in our own DHT, or
 * announced on the LAN are dialed.
 */
import { autoNATv2 } from '@libp2p/autonat-v2'
import { circuitRelayServer, circuitRelayTransport, type CircuitRelayService } from '@libp2p/circuit-relay-v2'
import { gossipsub, type GossipSub, type GossipSubComponents } from '@libp2p/gossipsub'
import { identify, identifyPush, type Identify, type IdentifyPush } from '@libp2p/identify'
import type { Connection, PeerId, PrivateKey, ServiceMap, Startable } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Libp2pOptions } from 'libp2p'
import { MDNS_SERVICE_TAG } from '../../protocols/constants.ts'
import { isUsableFrom } from './address-scope.ts'
import type { Conduct } from './peer-scoring.ts'
import { dhtService } from './dht.ts'
import { gatherWrites } from './gathered-writes.ts'
import { guardRegistrar, RPC_LIMITS } from './gossip-guard.ts'
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from './limits.ts'
import { scopedIdentify, scopedPush } from './identify-scoped.ts'
import { DEFAULT_LISTEN } from './listen.ts'
import { createOwnAddresses, type OwnAddresses } from './own-addresses.ts'
import { createReachability, type Reach, type Reachability } from './reachability.ts'
import { createConnectionReversal } from './connection-reversal.ts'
import { createRelayKeeper, type RelayKeeper } from './relay-keeper.ts'
import { withRelayQuota } from './relay-quota.ts'
import { watchSilence } from './silence-watch.ts'
import { swarmKeyProtector } from './swarm-key.ts'

export interface Services extends ServiceMap {
  identify: Identify
  identifyPush: IdentifyPush
  ping: Ping
  dht: KadDHT
  pubsub: GossipSub
  relay: CircuitRelayService
  own: OwnAddresses
  reach: Reachability
  reservations: RelayKeeper
  reversal: Startable
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
  /** Tests: behave as if nobody could connect, and take members on this machine as relays. @default false */
  unreachable?: boolean
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

/** With 12 s between them a dead peer is noticed after 36 to 39 s, and there is time left to find it elsewhere within a minute. */
const KEEP_ALIVES_MISSED = 3

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
  let own: OwnAddresses | undefined
  let reachability: Reachability | undefined
  let connectionsOf: ((peer: PeerId) => Connection[]) | undefined
  const transports = [
    tcp({
      maxConnections: limits.tcpMaxConnections,
      inboundSocketInactivityTimeout: limits.socketInactivityTimeout,
      outboundSocketInactivityTimeout: limits.socketInactivityTimeout
    }),
    // its own search takes every peer for a candidate and makes ours fail: relay-keeper.ts looks for relays
    circuitRelayTransport({ discoveryFilter: { has: () => true, add: () => {}, remove: () => {} } })
  ]
  return {
    privateKey,
    addresses: { listen: init.listen ?? DEFAULT_LISTEN, announce: init.announce ?? [] },
    transports: init.memory === true ? [...transports, memory()] : transports,
    connectionEncrypters: [gatherWrites(noise())],
    streamMuxers: [
      watchSilence(
        yamux({
          ...limitStreams,
          // two frames, and the other side is known to live; a stream for a ping costs twenty times as much
          keepAliveInterval: limits.keepAliveInterval,
          streamOptions: {
            maxStreamWindowSize: limits.maxStreamWindowSize,
            maxReadBufferLength: limits.maxReadBufferLength,
            maxWriteBufferLength: limits.maxWriteBufferLength
          }
        }),
        { silentMs: KEEP_ALIVES_MISSED * limits.keepAliveInterval }
      )
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
    // it opens a stream for each ping, 40 packets, and would end healthy connections of busy machines: see silence-watch.ts
    connectionMonitor: { enabled: false },
    // the default gater only refuses private addresses in browsers; ours also refuses peers that misbehaved
    connectionGater: {
      ...conduct.gater,
      // a peer elsewhere may name addresses in our own network, by accident or to have us knock there
      filterMultiaddrForPeer: (peer, address) => {
        const connections = connectionsOf?.(peer) ?? []
        return connections.length === 0 || connections.some(({ remoteAddr }) => isUsableFrom(address, remoteAddr))
      }
    },
    ...(init.metrics === undefined ? {} : { metrics: init.metrics }),
    peerDiscovery: init.mdns === false ? [] : [mdns({ serviceTag: MDNS_SERVICE_TAG })],
    services: {
      identify: components => identify()(scopedIdentify(components)),
      identifyPush: components => identifyPush()(scopedPush(components)),
      // one member that dials back is enough for an address of an interface; version 1 reuses the connection it has and then closes it
      autonat: autoNATv2(),
      own: components => {
        connectionsOf = peer => components.connectionManager.getConnections(peer)
        return (own = createOwnAddresses(components))
      },
      reach: ({ connectionManager }) =>
        (reachability = createReachability({
          own: () => own?.list() ?? [],
          connections: () => connectionManager.getConnections()
        })),
      reservations: components =>
        createRelayKeeper(components, {
          nearby: init.unreachable === true,
          isNeeded: () => init.unreachable === true || isHidden(reachability?.reach())
        }),
      reversal: components => createConnectionReversal(components, { nearby: init.unreachable === true }),
      ping: ping(),
      dht: components => dhtService(components),
      pubsub: components => gossipService(components, limits, conduct),
      relay: components =>
        circuitRelayServer({
          reservations: {
            maxReservations: init.relay === false ? 0 : limits.relayMaxReservations,
            // with a limit, what passes is a limited connection, on which most protocols refuse to run; ours is in relay-quota.ts
            applyDefaultLimit: false
          }
        })(
          withRelayQuota(components, {
            bytesPerHour: limits.relayMaxBytes,
            connectionMs: limits.relayConnectionTimeout
          })
        )
    }
  }
}

// --- internal ---

function isHidden(reach: Reach | undefined): boolean {
  return reach === 'unreachable' || reach === 'relayed'
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
    // two members that only a relay of others connects still hear of each other's records
    runOnLimitedConnection: true,
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
