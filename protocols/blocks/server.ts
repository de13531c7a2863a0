/**
 * Serves blocks over `/coopt/blocks/1.0.0`: request after request on one stream, each block read from the store, sent in pieces and never faster than
 * the other side reads. A slow reader is served as long as it reads; one that stands still is dropped.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { AbortOptions, Connection, Libp2p, Startable, Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { ContentUnavailableError } from '../../src/errors.ts'
import {
  BLOCKS_BURST,
  BLOCKS_FAST_BYTES_PER_SECOND,
  BLOCKS_IDLE_MS,
  BLOCKS_LARGE_PIECE_BYTES,
  BLOCKS_PIECE_BYTES,
  BLOCKS_PROTOCOL,
  BLOCKS_REQUESTS_PER_SECOND,
  BLOCKS_STALL_MS,
  MAX_BLOCKS_REQUEST_BYTES,
  MAX_BLOCKS_STREAMS,
  MAX_STREAMS_PER_PEER,
  RELAYED_BURST_BYTES,
  RELAYED_BYTES_PER_SECOND,
  REQUEST_TIMEOUT_MS
} from '../constants.ts'
import { encodePrefix, type FramedStream } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { createRateLimiter, type MonotonicClock, type RateLimit } from '../rate-limit.ts'
import { sessionHandler, within, type OnFault } from '../session.ts'
import { watchForStall } from '../stall-watch.ts'
import { blocksHeaderSchema, blocksRequestSchema, type BlocksHeader } from './messages.ts'

export interface BlockServerComponents {
  libp2p: Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'logger'>
  /** A block that this node holds. Requests never cause a fetch. */
  read(cid: CID, options: AbortOptions): Promise<Uint8Array | undefined>
}

export interface BlockServerInit {
  /** Requests of one peer. @default 500 a second, 4,096 at once */
  peerLimit?: RateLimit
  /** Bytes for one peer over relayed connections. @default 300,000 a second, 256 MiB at once */
  relayedLimit?: RateLimit
  /** Streams at the same time. @default 64 */
  maxStreams?: number
  /** Longest time without a piece taken by the reader, ms. @default 60,000 */
  stallMs?: number
  /** Longest time between requests on a stream, ms. @default 60,000 */
  idleMs?: number
  /** @default nothing */
  onFault?: OnFault
  /** @default performance.now */
  now?: MonotonicClock
}

/** Pause before looking again whether a relayed connection may carry more. */
const ALLOWANCE_MS = 250

/** No transfer takes longer: 2.7 GB at 256 kbit/s. What is left then is asked for on another stream. */
const SESSION_MS = 24 * 60 * 60_000

export function createBlockServer(components: BlockServerComponents, init: BlockServerInit = {}): Startable {
  const { libp2p } = components
  const { maxStreams = MAX_BLOCKS_STREAMS, stallMs = BLOCKS_STALL_MS, idleMs = BLOCKS_IDLE_MS } = init
  const perPeer = createRateLimiter(
    init.peerLimit ?? { perSecond: BLOCKS_REQUESTS_PER_SECOND, burst: BLOCKS_BURST },
    init.now
  )
  const relayed = createRateLimiter(
    init.relayedLimit ?? { perSecond: RELAYED_BYTES_PER_SECOND, burst: RELAYED_BURST_BYTES },
    init.now
  )
  let streams = 0
  let stopped = new AbortController()
  let started = false

  const serve = async (framed: FramedStream, connection: Connection, signal: AbortSignal): Promise<void> => {
    streams++
    try {
      const pace = { bytes: 0, seconds: 0 }
      while (await anotherRequest(framed, signal, idleMs)) await answer(framed, connection, pace, signal)
    } finally {
      streams--
    }
  }

  /** Wait until the relayed connections of this peer may carry so many bytes more. */
  const allowance = async (peer: string, bytes: number, signal: AbortSignal): Promise<void> => {
    while (!relayed.take(peer, bytes)) await pause(ALLOWANCE_MS, undefined, { signal })
  }

  const answer = async (
    framed: FramedStream,
    connection: Connection,
    pace: Pace,
    signal: AbortSignal
  ): Promise<void> => {
    const peer = connection.remotePeer.toString()
    const frame = await framed.read(MAX_BLOCKS_REQUEST_BYTES, within(signal, REQUEST_TIMEOUT_MS))
    const { cids } = decodeMessage(blocksRequestSchema, frame, MAX_BLOCKS_REQUEST_BYTES)
    using stall = watchForStall(stallMs, `${peer} does not read`)
    const watched = AbortSignal.any([signal, stall.signal])
    const reply = async (header: BlocksHeader): Promise<void> =>
      await framed.write(encodeMessage(blocksHeaderSchema, header), watched)

    if (streams > maxStreams) return await reply({ t: 'refused', reason: 'busy' })
    if (!perPeer.take(peer)) return await reply({ t: 'refused', reason: 'rate-limited' })
    await reply({ t: 'sending' })
    let next = readAhead(cids[0])
    for (const following of [...cids.slice(1), undefined]) {
      const block = await next
      next = readAhead(following)
      if (block !== undefined && isRelayed(connection)) await allowance(peer, block.byteLength, signal)
      stall.moved()
      await framed.writeBytes(encodePrefix(block?.byteLength ?? 0), watched)
      const began = performance.now()
      const pieceBytes = isFast(pace) ? BLOCKS_LARGE_PIECE_BYTES : BLOCKS_PIECE_BYTES
      for (let at = 0; at < (block?.byteLength ?? 0); at += pieceBytes) {
        await framed.writeBytes((block as Uint8Array).subarray(at, at + pieceBytes), watched)
        stall.moved()
      }
      pace.bytes += block?.byteLength ?? 0
      pace.seconds += (performance.now() - began) / 1000
    }

    /** Read while the block before is sent. */
    function readAhead(cid: CID | undefined): Promise<Uint8Array | undefined> {
      if (cid === undefined) return Promise.resolve(undefined)
      const reading = components.read(cid, { signal })
      reading.catch(() => undefined) // awaited in its turn
      return reading
    }
  }

  return {
    async start() {
      if (started) return
      started = true
      stopped = new AbortController()
      const handle = async (stream: Stream, connection: Connection): Promise<void> =>
        await sessionHandler(
          {
            libp2p,
            protocol: BLOCKS_PROTOCOL,
            log: libp2p.logger.forComponent('coopt:blocks'),
            timeoutMs: SESSION_MS,
            stopped: () => stopped.signal,
            onFault: init.onFault
          },
          async (framed, _, signal) => await serve(framed, connection, signal)
        )(stream, connection)
      await libp2p.handle(BLOCKS_PROTOCOL, handle, {
        maxInboundStreams: MAX_STREAMS_PER_PEER,
        maxOutboundStreams: MAX_STREAMS_PER_PEER,
        runOnLimitedConnection: true
      })
    },
    async stop() {
      if (!started) return
      started = false
      stopped.abort(new ContentUnavailableError('this node is stopping'))
      await libp2p.unhandle(BLOCKS_PROTOCOL)
    }
  }
}

// --- internal ---

/** What was sent on a stream, and how long that took; its first second's worth says nothing, since it may wait in buffers. */
interface Pace {
  bytes: number
  seconds: number
}

function isFast({ bytes, seconds }: Pace): boolean {
  return bytes >= BLOCKS_FAST_BYTES_PER_SECOND && bytes >= seconds * BLOCKS_FAST_BYTES_PER_SECOND
}

/** Does a third peer carry this connection? One without limits of its own is told by its address. */
function isRelayed({ limits, remoteAddr }: Connection): boolean {
  return limits !== undefined || String(remoteAddr).includes('/p2p-circuit')
}

/** Is there another request? Not when the client closed its end, or has been silent for `idleMs`. */
async function anotherRequest(framed: FramedStream, signal: AbortSignal, idleMs: number): Promise<boolean> {
  return await framed.more(within(signal, idleMs))
}
