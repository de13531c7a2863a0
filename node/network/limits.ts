/**
 * Limits of the network stack. libp2p in JavaScript has no resource manager, and its defaults add up to terabytes in the worst
 * case; these keep a flood of peers, streams or bytes within what a small machine can handle. Each can be changed in the configuration under the same name.
 */

import { totalmem } from 'node:os'

const MIB = 1024 * 1024

/**
 * A line of 1 Gbit/s with a round trip of 200 ms holds 25 MB, so 32 MiB, where the machine has 16 GiB; a 512th of its memory otherwise. Yamux begins
 * with 256 KiB and doubles only while the reader keeps up, so streams without such a transfer never have it.
 */
const STREAM_WINDOW = Math.min(32, Math.max(4, 2 ** Math.floor(Math.log2(totalmem() / MIB / 512) + 0.1))) * MIB

/** Each limit: what applies unless configured otherwise, and what it means. */
const LIMITS = {
  connectionsHighWater: [
    24,
    'Above so many connections, those of least use are closed down to `connectionsLowWater`. An idle one costs 50 bytes a second each way, and the rest of what an idle node sends does not depend on their number.'
  ],
  connectionsLowWater: [
    16,
    'Connections that are left then. Twice what a node connects to by itself: half of all connections are those of others.'
  ],
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
  keepAliveInterval: [
    12_000,
    'Milliseconds between two yamux pings of one side. A connection over which nothing came for three times as long is ended.'
  ],
  socketInactivityTimeout: [
    120_000,
    'Milliseconds without a byte after which a socket is closed; yamux pings far more often.'
  ],
  maxStreamsPerConnection: [64, 'Streams one connection may have open in each direction.'],
  maxStreamWindowSize: [STREAM_WINDOW, 'Bytes that a peer may send ahead on one stream.'],
  maxReadBufferLength: [
    STREAM_WINDOW + MIB,
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
  bitswapMessageTimeout: [
    120_000,
    'Milliseconds to receive or send one bitswap message: 2 MiB at 17 KB/s, a line of 256 kbit/s that two transfers share.'
  ],
  faultsPerMinute: [5, 'Faults (invalid records, malformed frames) a minute that a peer is forgiven.'],
  denyForMs: [10 * 60_000, 'Milliseconds for which a peer above that is denied.'],
  relayMaxReservations: [16, 'Relay: reservations for peers that cannot be reached.'],
  relayMaxBytes: [
    1024 * 1024 * 1024,
    'Relay: bytes that it carries in an hour for each peer that reserved, both directions together. Sixteen full ones are 40 Mbit/s.'
  ],
  relayConnectionTimeout: [
    60 * 60_000,
    'Relay: milliseconds that one relayed connection lasts; its peers then connect anew.'
  ]
} as const satisfies Record<string, readonly [number, string]>

export type NetworkLimits = Record<keyof typeof LIMITS, number>

const names = Object.keys(LIMITS) as (keyof NetworkLimits)[]

export const DEFAULT_NETWORK_LIMITS = Object.fromEntries(
  names.map(name => [name, LIMITS[name][0]])
) as Readonly<NetworkLimits>

export const NETWORK_LIMIT_MEANINGS = Object.fromEntries(names.map(name => [name, LIMITS[name][1]])) as Readonly<
  Record<keyof NetworkLimits, string>
>
