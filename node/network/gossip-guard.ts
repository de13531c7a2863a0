/**
 * Watches the frames of inbound gossip streams. Gossipsub only logs a frame that it cannot decode, so a peer could send any number of them at no
 * cost. Guarantees: each such frame is a fault (peer-scoring.ts), and an oversized frame or a flood ends the connection at once.
 *
 * It wraps gossipsub's registrar and reads along; gossipsub gets the same bytes. (`libp2p.use` is not an option:
 * `Connection` appends the protocol's handler to the registered list of middleware on every stream, so that the second stream runs
 * the handler twice; seen in libp2p 3.3.11.)
 */
import type { GossipSubComponents } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import type { Connection, Stream, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { MAX_PREFIX_BYTES } from '../../protocols/constants.ts'
import { asError } from '../../protocols/framing.ts'
import { createRateLimiter, type MonotonicClock } from '../../protocols/rate-limit.ts'
import { ProtocolError } from '../../src/errors.ts'

type Registrar = GossipSubComponents['registrar']

/** Charged for every frame in addition to its bytes, so that a flood of empty frames is limited, too. */
const FRAME_COST_BYTES = 64

/** Limits on the lists in one frame, also passed to gossipsub. */
export const RPC_LIMITS = {
  maxSubscriptions: 16,
  maxMessages: 64,
  maxIhaveMessageIDs: 512,
  maxIwantMessageIDs: 512,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 64,
  maxPeerInfos: 0
}

const DECODE_LIMITS = {
  limits: {
    subscriptions: RPC_LIMITS.maxSubscriptions,
    messages: RPC_LIMITS.maxMessages,
    control: {
      ihave: RPC_LIMITS.maxControlMessages,
      ihave$: { messageIDs: RPC_LIMITS.maxIhaveMessageIDs },
      iwant: RPC_LIMITS.maxControlMessages,
      iwant$: { messageIDs: RPC_LIMITS.maxIwantMessageIDs },
      graft: RPC_LIMITS.maxControlMessages,
      prune: RPC_LIMITS.maxControlMessages,
      prune$: { peers: RPC_LIMITS.maxPeerInfos },
      idontwant: RPC_LIMITS.maxControlMessages,
      idontwant$: { messageIDs: RPC_LIMITS.maxIdontwantMessageIDs }
    }
  }
}

export interface GossipGuardInit {
  maxFrameBytes: number
  bytesPerSecond: number
  burstBytes: number
  onFault(connection: Connection, reason: string): void
  /** @default performance.now */
  now?: MonotonicClock
}

/** A registrar whose inbound streams are watched. */
export function guardRegistrar(registrar: Registrar, init: GossipGuardInit): Registrar {
  const limiter = createRateLimiter({ perSecond: init.bytesPerSecond, burst: init.burstBytes }, init.now)
  return {
    getProtocols: () => registrar.getProtocols(),
    getHandler: protocol => registrar.getHandler(protocol),
    getTopologies: protocol => registrar.getTopologies(protocol),
    unhandle: async (protocol, options) => await registrar.unhandle(protocol, options),
    register: async (protocol, topology, options) => await registrar.register(protocol, topology, options),
    unregister: id => registrar.unregister(id),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: protocol => registrar.unuse(protocol),
    getMiddleware: protocol => registrar.getMiddleware(protocol),
    handle: async (protocol, handler, options) =>
      await registrar.handle(
        protocol,
        async (stream, connection) => {
          const take = (bytes: number): boolean => limiter.take(connection.remotePeer.toString(), bytes)
          watch(stream, connection, take, init)
          await handler(stream, connection)
        },
        options
      )
  }
}

// --- internal ---

function watch(stream: Stream, connection: Connection, take: (bytes: number) => boolean, init: GossipGuardInit): void {
  const scan = frameScanner(init.maxFrameBytes)
  const end = (reason: string): void => {
    init.onFault(connection, reason)
    connection.abort(new ProtocolError(`gossip: ${reason}`))
  }
  const onMessage = ({ data }: StreamMessageEvent): void => {
    for (const frame of scan(data)) {
      if (frame === 'oversized') return end('oversized-frame')
      if (!take(frame.byteLength + FRAME_COST_BYTES)) return end('flood')
      if (!isRpc(frame)) init.onFault(connection, 'malformed-frame')
    }
  }
  // Data that has arrived already goes to the first listener only: hold it back until gossipsub listens, too.
  if (stream.readStatus === 'readable') stream.pause()
  stream.addEventListener('message', onMessage)
  setImmediate(() => {
    if (stream.readStatus !== 'paused') return
    try {
      stream.resume() // sends a window update: throws if the connection has closed meanwhile
    } catch (cause) {
      stream.abort(asError(cause))
    }
  })
}

function isRpc(frame: Uint8Array): boolean {
  try {
    RPC.decode(frame, DECODE_LIMITS)
    return true
  } catch {
    return false // whatever the decoder throws, the frame is at fault
  }
}

/** Cuts a byte stream into varint-prefixed frames; after 'oversized' it yields nothing more. */
function frameScanner(
  maxFrameBytes: number
): (data: Uint8Array | Uint8ArrayList) => Iterable<Uint8Array | 'oversized'> {
  const buffered = new Uint8ArrayList()
  let broken = false
  return function* (data) {
    if (broken) return
    buffered.append(data)
    for (;;) {
      const prefix = readPrefix(buffered)
      if (prefix === undefined) return
      if (prefix.bytes > MAX_PREFIX_BYTES || prefix.length > maxFrameBytes) {
        broken = true
        buffered.consume(buffered.byteLength)
        yield 'oversized'
        return
      }
      if (buffered.byteLength < prefix.bytes + prefix.length) return
      const frame = buffered.slice(prefix.bytes, prefix.bytes + prefix.length)
      buffered.consume(prefix.bytes + prefix.length)
      yield frame
    }
  }
}

/** The varint at the start, `undefined` while it is incomplete. */
function readPrefix(buffered: Uint8ArrayList): { length: number; bytes: number } | undefined {
  let length = 0
  for (let i = 0; i < buffered.byteLength; i++) {
    const byte = buffered.get(i)
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80 || i >= MAX_PREFIX_BYTES) return { length, bytes: i + 1 }
  }
  return undefined
}
