/**
 * Serves target matrices over `/coopt/reference/1.0.0`: any peer that holds one may do so. Content is read and sent in pieces, never faster than the
 * other side reads it, and a peer that reads too slowly is dropped.
 */
import type { AbortOptions, Libp2p, PeerId, Startable } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { ContentUnavailableError } from '../../src/errors.ts'
import {
  MAX_REFERENCE_REQUEST_BYTES,
  MAX_REFERENCE_STREAMS,
  MAX_STREAMS_PER_PEER,
  MIN_BYTES_PER_SECOND,
  REFERENCE_BURST,
  REFERENCE_CHUNK_BYTES,
  REFERENCE_PROTOCOL,
  REFERENCE_REQUESTS_PER_SECOND,
  REFERENCE_SESSION_TIMEOUT_MS,
  REFERENCE_TOTAL_BURST,
  REFERENCE_TOTAL_REQUESTS_PER_SECOND,
  REQUEST_TIMEOUT_MS
} from '../constants.ts'
import type { FramedStream } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { createRateLimiter, type MonotonicClock, type RateLimit } from '../rate-limit.ts'
import { sessionHandler, within, type OnFault } from '../session.ts'
import { referenceHeaderSchema, referenceRequestSchema, type ReferenceHeader } from './messages.ts'

/** Content that this node can serve. */
export interface ServedContent {
  /** Its length */
  readonly bytes: number
  /** Bytes `start` (inclusive) to `end` (exclusive), all of them */
  slice(start: number, end: number, options: AbortOptions): Promise<Uint8Array>
}

export interface ReferenceServerComponents {
  libp2p: Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'logger'>
  /** Target matrices that this node holds completely. Nothing else is served, and requests never cause a fetch. */
  read(cid: CID, options: AbortOptions): Promise<ServedContent | undefined>
}

export interface ReferenceServerInit {
  /** Requests of one peer. @default 5 a second, 32 at once */
  peerLimit?: RateLimit
  /** Requests of all peers together. @default 20 a second, 256 at once */
  totalLimit?: RateLimit
  /** Transfers at the same time. @default 32 */
  maxStreams?: number
  /** @default nothing */
  onFault?: OnFault
  /** @default performance.now */
  now?: MonotonicClock
}

export function createReferenceServer(
  components: ReferenceServerComponents,
  init: ReferenceServerInit = {}
): Startable {
  const { libp2p } = components
  const perPeer = createRateLimiter(
    init.peerLimit ?? { perSecond: REFERENCE_REQUESTS_PER_SECOND, burst: REFERENCE_BURST },
    init.now
  )
  const inTotal = createRateLimiter(
    init.totalLimit ?? { perSecond: REFERENCE_TOTAL_REQUESTS_PER_SECOND, burst: REFERENCE_TOTAL_BURST },
    init.now
  )
  const maxStreams = init.maxStreams ?? MAX_REFERENCE_STREAMS
  let streams = 0
  let stopped = new AbortController()
  let started = false

  const serve = async (framed: FramedStream, peer: PeerId, signal: AbortSignal): Promise<void> => {
    streams++
    try {
      await answer(framed, peer.toString(), signal)
    } finally {
      streams--
    }
  }

  const answer = async (framed: FramedStream, peer: string, signal: AbortSignal): Promise<void> => {
    const frame = await framed.read(MAX_REFERENCE_REQUEST_BYTES, within(signal, REQUEST_TIMEOUT_MS))
    const request = decodeMessage(referenceRequestSchema, frame, MAX_REFERENCE_REQUEST_BYTES)
    const reply = async (header: ReferenceHeader): Promise<void> =>
      await framed.write(encodeMessage(referenceHeaderSchema, header), within(signal, REQUEST_TIMEOUT_MS))

    if (streams > maxStreams) return await reply({ t: 'refused', reason: 'busy' })
    if (!perPeer.take(peer) || !inTotal.take('all')) return await reply({ t: 'refused', reason: 'rate-limited' })
    const content = await components.read(request.cid, { signal })
    if (content === undefined) return await reply({ t: 'refused', reason: 'not-found' })
    if (request.offset >= content.bytes) return await reply({ t: 'refused', reason: 'out-of-range' })

    await reply({ t: 'found', total: content.bytes })
    const end = request.offset + Math.min(request.length, content.bytes - request.offset)
    for (let at = request.offset; at < end; at += REFERENCE_CHUNK_BYTES) {
      const stop = Math.min(end, at + REFERENCE_CHUNK_BYTES)
      const piece = await content.slice(at, stop, { signal })
      await framed.writeBytes(piece, within(signal, REQUEST_TIMEOUT_MS + ((stop - at) / MIN_BYTES_PER_SECOND) * 1000))
    }
  }

  return {
    async start() {
      if (started) return
      started = true
      stopped = new AbortController()
      const handler = sessionHandler(
        {
          libp2p,
          protocol: REFERENCE_PROTOCOL,
          log: libp2p.logger.forComponent('coopt:reference'),
          timeoutMs: REFERENCE_SESSION_TIMEOUT_MS,
          stopped: () => stopped.signal,
          onFault: init.onFault
        },
        serve
      )
      await libp2p.handle(REFERENCE_PROTOCOL, handler, {
        maxInboundStreams: MAX_STREAMS_PER_PEER,
        maxOutboundStreams: MAX_STREAMS_PER_PEER,
        runOnLimitedConnection: true
      })
    },
    async stop() {
      if (!started) return
      started = false
      stopped.abort(new ContentUnavailableError('this node is stopping'))
      await libp2p.unhandle(REFERENCE_PROTOCOL)
    }
  }
}
