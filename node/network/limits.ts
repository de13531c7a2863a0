/**
 * Limits of the network stack. libp2p in JavaScript has no resource manager, and its defaults add up to terabytes in the worst
 * case; these keep a flood of peers, streams or bytes within what a small machine can handle. Each can be changed in the configuration under the same name.
 */

/** Each limit: what applies unless configured otherwise, and what it means. */
const LIMITS = {
  maxConnections: [128, 'Connections at the same time.'],
  maxIncomingPendingConnections: [16, 'Inbound connections that have not finished the handshake.'],
  inboundConnectionThreshold: [
    20,
    'Inbound connections a second from one address. Participants behind one NAT or on one machine start together.'
  ],
  inboundUpgradeTimeout: [5000, 'Milliseconds for the handshake of an inbound connection.'],
  streamProtocolNegotiationTimeout: [5000, 'Milliseconds to agree on a protocol on a new stream.'],
  maxParallelDials: [16, 'Dials at the same time.'],
  maxDialQueueLength: [128, 'Dials that wait for their turn.'],
  tcpMaxConnections: [160, 'Sockets of the listener, including half-open ones: slightly above `maxConnections`.'],
  socketInactivityTimeout: [
    120_000,
    'Milliseconds without a byte after which a socket is closed; yamux sends keep-alives every 30 s.'
  ],
  maxStreamsPerConnection: [64, 'Streams one connection may have open in each direction.'],
  maxStreamWindowSize: [1024 * 1024, 'Bytes that a peer may send ahead on one stream.'],
  maxReadBufferLength: [
    2 * 1024 * 1024,
    "Bytes buffered for a paused reader. Must exceed the window, otherwise a slow reader's stream is reset."
  ],
  maxWriteBufferLength: [
    4 * 1024 * 1024,
    "Bytes buffered for a slow peer before its stream is reset. libp2p's default is unbounded."
  ],
  gossipMaxFrameBytes: [64 * 1024, 'Largest gossip frame.'],
  gossipMaxOutboundBufferBytes: [1024 * 1024, 'Gossip bytes buffered for a slow peer.'],
  gossipBytesPerSecond: [1024 * 1024, 'Gossip bytes accepted from one peer in a second.'],
  gossipBurstBytes: [8 * 1024 * 1024, 'Gossip bytes accepted from one peer in a burst.'],
  gossipPeersPerIp: [10, 'Peers behind one IP address before gossip trusts them less. Loopback is exempt.'],
  // Bitswap drops further wants silently, and Kubo repeats them only after a minute: three commands that fetch 40 MiB each took 3.3 s and 375 MiB
  // resident with 128, and hung with 32
  bitswapMaxWantListSize: [
    128,
    "Blocks that one peer may want at the same time: all of them are loaded into memory, 1 MiB each for a dataset's files. Kubo wants 32 for each of its commands and gateway requests, so this serves four of them at a time."
  ],
  bitswapMaxMessageBytes: [
    2 * 1024 * 1024 + 64 * 1024,
    'Bytes of one bitswap message: a manifest is one block of up to 2 MiB.'
  ],
  bitswapMaxInboundStreams: [8, 'Bitswap streams that one connection may open to this node.'],
  bitswapMaxOutboundStreams: [32, 'Bitswap streams that this node opens on one connection.'],
  bitswapMessageTimeout: [30_000, 'Milliseconds to receive or send one bitswap message: 2 MiB at 70 KB/s.'],
  faultsPerMinute: [5, 'Faults (invalid records, malformed frames) a minute that a peer is forgiven.'],
  denyForMs: [10 * 60_000, 'Milliseconds for which a peer above that is denied.'],
  relayMaxReservations: [16, 'Relay: reservations for peers that cannot be reached.'],
  relayMaxBytes: [64 * 1024 * 1024, 'Relay: bytes that a relayed connection may carry.']
} as const satisfies Record<string, readonly [number, string]>

export type NetworkLimits = Record<keyof typeof LIMITS, number>

const names = Object.keys(LIMITS) as (keyof NetworkLimits)[]

export const DEFAULT_NETWORK_LIMITS = Object.fromEntries(
  names.map(name => [name, LIMITS[name][0]])
) as Readonly<NetworkLimits>

export const NETWORK_LIMIT_MEANINGS = Object.fromEntries(names.map(name => [name, LIMITS[name][1]])) as Readonly<
  Record<keyof NetworkLimits, string>
>
