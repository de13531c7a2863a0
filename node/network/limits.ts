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

export interface NetworkLimits {
  /**
   * Above so many connections, those of least use are closed down to `connectionsLowWater`. An idle one costs 50 bytes a second each way, and the
   * rest of what an idle node sends does not depend on their number.
   */
  connectionsHighWater: number
  /** Twice what a node connects to by itself (discovery.ts): half of all connections are those of others. */
  connectionsLowWater: number
  /** Connections at the same time. */
  maxConnections: number
  /** Inbound connections that have not finished the handshake. */
  maxIncomingPendingConnections: number
  /** Inbound connections a second from one address. Participants behind one NAT or on one machine start together. */
  inboundConnectionThreshold: number
  /** Milliseconds for the handshake of an inbound connection. */
  inboundUpgradeTimeout: number
  /** Milliseconds to agree on a protocol on a new stream. */
  streamProtocolNegotiationTimeout: number
  maxParallelDials: number
  maxDialQueueLength: number
  /** Sockets of the listener, including half-open ones: slightly above `maxConnections`. */
  tcpMaxConnections: number
  /** Milliseconds between two yamux pings of one side. */
  keepAliveInterval: number
  /** Milliseconds without a byte after which a socket is closed; yamux pings far more often. */
  socketInactivityTimeout: number
  /** Streams one connection may have open in each direction. */
  maxStreamsPerConnection: number
  /** Bytes that a peer may send ahead on one stream. */
  maxStreamWindowSize: number
  /** Bytes buffered for a paused reader. Must exceed the window, otherwise a slow reader's stream is reset. */
  maxReadBufferLength: number
  /** Bytes buffered for a slow peer before its stream is reset. libp2p's default is unbounded. */
  maxWriteBufferLength: number
  /** Largest gossip frame. */
  gossipMaxFrameBytes: number
  /** Gossip bytes buffered for a slow peer. */
  gossipMaxOutboundBufferBytes: number
  /** Gossip bytes accepted from one peer: per second, and in a burst. */
  gossipBytesPerSecond: number
  gossipBurstBytes: number
  /** Peers behind one IP address before gossip trusts them less. Loopback is exempt. */
  gossipPeersPerIp: number
  /**
   * Blocks that one peer may want at the same time: all of them are loaded into memory, 1 MiB each for a dataset's files. Bitswap drops further wants
   * silently, and Kubo repeats them only after a minute. It wants 32 for each of its commands and gateway requests, so this serves four of them at a
   * time (three, fetching 40 MiB each: 3.3 s and 375 MiB resident; with 32 they hung).
   */
  bitswapMaxWantListSize: number
  /** A manifest is one block of up to 2 MiB. */
  bitswapMaxMessageBytes: number
  bitswapMaxInboundStreams: number
  bitswapMaxOutboundStreams: number
  /** Milliseconds to receive or send one bitswap message: 2 MiB at 17 KB/s, a line of 256 kbit/s that two transfers share. */
  bitswapMessageTimeout: number
  /** Faults (invalid records, malformed frames) a minute that a peer is forgiven. */
  faultsPerMinute: number
  /** Milliseconds for which a peer above that is denied. */
  denyForMs: number
  /** Relay: reservations for peers that cannot be reached, and bytes a relayed connection may carry. */
  relayMaxReservations: number
  relayMaxBytes: number
}

export const DEFAULT_NETWORK_LIMITS: Readonly<NetworkLimits> = {
  connectionsHighWater: 24,
  connectionsLowWater: 16,
  maxConnections: 128,
  maxIncomingPendingConnections: 16,
  inboundConnectionThreshold: 20,
  inboundUpgradeTimeout: 5000,
  streamProtocolNegotiationTimeout: 5000,
  maxParallelDials: 16,
  maxDialQueueLength: 128,
  tcpMaxConnections: 160,
  keepAliveInterval: 12_000,
  socketInactivityTimeout: 120_000,
  maxStreamsPerConnection: 64,
  maxStreamWindowSize: STREAM_WINDOW,
  maxReadBufferLength: STREAM_WINDOW + MIB,
  maxWriteBufferLength: 4 * 1024 * 1024,
  gossipMaxFrameBytes: 64 * 1024,
  gossipMaxOutboundBufferBytes: 1024 * 1024,
  gossipBytesPerSecond: 1024 * 1024,
  gossipBurstBytes: 8 * 1024 * 1024,
  gossipPeersPerIp: 10,
  bitswapMaxWantListSize: 128,
  bitswapMaxMessageBytes: 2 * 1024 * 1024 + 64 * 1024,
  bitswapMaxInboundStreams: 8,
  bitswapMaxOutboundStreams: 32,
  bitswapMessageTimeout: 120_000,
  faultsPerMinute: 5,
  denyForMs: 10 * 60_000,
  relayMaxReservations: 16,
  relayMaxBytes: 64 * 1024 * 1024
}
