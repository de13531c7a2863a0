/**
 * `/coopt/sync/1.0.0`: anti-entropy between two members of a swarm (sync.md). Guarantees that connected members converge to the same set of records,
 * no matter what gossip lost. It also answers which content a peer holds completely and serves the manifest.
 *
 * The caller decides when to sync with which peer (on connect, and every few seconds with a random peer).
 */
import type { AbortOptions, Libp2p, PeerId, Startable } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import type { Verify } from '../../src/envelope.ts'
import { ContentUnavailableError, ProtocolError } from '../../src/errors.ts'
import { setDigest } from '../../src/merge/record-digest.ts'
import {
  MAX_CIDS_PER_HOLDS,
  MAX_MANIFEST_FRAME_BYTES,
  MAX_STREAMS_PER_PEER,
  MAX_SYNC_REQUEST_BYTES,
  MAX_SYNC_SESSIONS,
  REQUEST_TIMEOUT_MS,
  SYNC_BURST,
  SYNC_FRAME_TIMEOUT_MS,
  SYNC_PROTOCOL,
  SYNC_SESSION_TIMEOUT_MS,
  SYNC_SESSIONS_PER_MINUTE
} from '../constants.ts'
import { asError, type FramedStream } from '../framing.ts'
import { decodeMessage, encodeMessage } from '../message.ts'
import { createRateLimiter, type MonotonicClock, type RateLimit } from '../rate-limit.ts'
import { openSession, sessionHandler, within, type OnFault, type SessionInit } from '../session.ts'
import { exchangeRecords, type ExchangeReport, type SyncedSwarm } from './exchange.ts'
import {
  decodeBitmap,
  digestReplySchema,
  digestSchema,
  encodeBitmap,
  heldReplySchema,
  manifestReplySchema,
  refusalSchema,
  requestSchema,
  type Digest,
  type Refusal,
  type SyncRequest
} from './messages.ts'

export interface SyncMember extends SyncedSwarm {
  /** A peer acts as a member of the swarm: it opened an exchange of records, or asked what this node holds. */
  onMember(peer: PeerId): void
  /** Which of these content-addressed trees does this node hold completely? One answer per CID, in order. */
  holds(cids: CID[], options: AbortOptions): Promise<boolean[]>
}

/** A peer answered with a refusal. */
export class SyncRefusedError extends ContentUnavailableError {
  readonly reason: Refusal['reason']
  constructor(peer: PeerId, reason: Refusal['reason']) {
    super(`${peer} refused: ${reason}`)
    this.reason = reason
  }
}

export interface SyncComponents {
  libp2p: Pick<Libp2p, 'handle' | 'unhandle' | 'dialProtocol' | 'logger'>
  verify: Verify
  /** The swarm with this id, if the node is a member of it */
  member(swarm: CID): SyncMember | undefined
}

export interface SyncInit {
  /** Sessions that one peer may open. @default 60 a minute, 20 at once */
  sessionLimit?: RateLimit
  /** Called when a peer broke the protocol or sent an invalid record. @default nothing */
  onFault?: OnFault
  /** @default performance.now */
  now?: MonotonicClock
}

export interface Sync extends Startable {
  /**
   * Exchange missing records with one peer, in both directions. Call again while `equal` is false and something was sent or added.
   *
   * Throws `SyncRefusedError` if the peer refuses, `ContentUnavailableError` if it cannot be reached, `ProtocolError` or
   * `InvalidRecordError` if it breaks the rules, or the signal's reason.
   */
  run(peer: PeerId, swarm: CID, options?: AbortOptions): Promise<ExchangeReport>
  /** Which of `cids` (any number) does the peer hold completely? Same errors. */
  holds(peer: PeerId, swarm: CID, cids: readonly CID[], options?: AbortOptions): Promise<boolean[]>
  /** The signed manifest with this CID, from the first peer that has it. Throws `ContentUnavailableError` if none has. */
  fetchManifest(peers: Iterable<PeerId>, swarm: CID, options?: AbortOptions): Promise<Swarm>
}

export function createSync(components: SyncComponents, init: SyncInit = {}): Sync {
  const { libp2p, verify } = components
  const limiter = createRateLimiter(
    init.sessionLimit ?? { perSecond: SYNC_SESSIONS_PER_MINUTE / 60, burst: SYNC_BURST },
    init.now
  )
  const exchanging = new Set<string>() // peers whose exchange we are serving
  let sessions = 0
  let stopped = new AbortController()
  let started = false
  const session: SessionInit = {
    libp2p,
    protocol: SYNC_PROTOCOL,
    log: libp2p.logger.forComponent('coopt:sync'),
    timeoutMs: SYNC_SESSION_TIMEOUT_MS,
    stopped: () => stopped.signal,
    onFault: init.onFault
  }

  const serve = async (framed: FramedStream, peer: PeerId, signal: AbortSignal): Promise<void> => {
    sessions++
    try {
      const bytes = await framed.read(MAX_SYNC_REQUEST_BYTES, within(signal, REQUEST_TIMEOUT_MS))
      await answer(framed, peer, decodeMessage(requestSchema, bytes, MAX_SYNC_REQUEST_BYTES), signal)
    } finally {
      sessions--
    }
  }

  const answer = async (
    framed: FramedStream,
    peer: PeerId,
    request: SyncRequest,
    signal: AbortSignal
  ): Promise<void> => {
    const reply = async (frame: Uint8Array): Promise<void> =>
      await framed.write(frame, within(signal, SYNC_FRAME_TIMEOUT_MS))
    const refuse = async (reason: Refusal['reason']): Promise<void> =>
      await reply(encodeMessage(refusalSchema, { t: 'refused', reason }))

    const key = peer.toString()
    if (!limiter.take(key)) return await refuse('rate-limited')
    const member = components.member(request.swarm)
    if (member === undefined) return await refuse('unknown-swarm')
    if (request.t === 'manifest') {
      const { id: swarm, bytes } = member.swarm
      return await reply(encodeMessage(manifestReplySchema, { t: 'manifest', swarm, bytes }))
    }
    member.onMember(peer)
    // one exchange with a peer at a time: a second one would only repeat the first
    if (sessions > MAX_SYNC_SESSIONS || exchanging.has(key)) return await refuse('busy')
    if (request.t === 'holds') {
      const held = await member.holds(request.cids, { signal })
      return await reply(encodeMessage(heldReplySchema, { t: 'held', held: encodeBitmap(held) }))
    }
    exchanging.add(key)
    try {
      const ours = digestOf(member)
      await reply(encodeMessage(digestSchema, ours))
      await exchangeRecords({ framed, local: member, ours, theirs: request, initiator: false, signal })
    } finally {
      exchanging.delete(key)
    }
  }

  return {
    async start() {
      if (started) return
      started = true
      stopped = new AbortController()
      await libp2p.handle(SYNC_PROTOCOL, sessionHandler(session, serve), {
        maxInboundStreams: MAX_STREAMS_PER_PEER,
        maxOutboundStreams: MAX_STREAMS_PER_PEER,
        runOnLimitedConnection: true
      })
    },

    async stop() {
      if (!started) return
      started = false
      stopped.abort(new ContentUnavailableError('this node is stopping'))
      await libp2p.unhandle(SYNC_PROTOCOL)
    },

    async run(peer, swarm, options) {
      const member = components.member(swarm)
      if (member === undefined) throw new ContentUnavailableError(`not a member of swarm ${swarm}`)
      return await openSession(session, peer, options, async (framed, signal) => {
        const ours = digestOf(member)
        await framed.write(encodeMessage(digestSchema, ours), within(signal, REQUEST_TIMEOUT_MS))
        const frame = await framed.read(MAX_SYNC_REQUEST_BYTES, within(signal, SYNC_FRAME_TIMEOUT_MS))
        const theirs = decodeMessage(digestReplySchema, frame, MAX_SYNC_REQUEST_BYTES)
        if (theirs.t === 'refused') throw new SyncRefusedError(peer, theirs.reason)
        if (!theirs.swarm.equals(swarm)) throw new ProtocolError('the digest is that of another swarm')
        return await exchangeRecords({ framed, local: member, ours, theirs, initiator: true, signal })
      })
    },

    async holds(peer, swarm, cids, options) {
      const out: boolean[] = []
      for (let at = 0; at < cids.length; at += MAX_CIDS_PER_HOLDS) {
        const part = cids.slice(at, at + MAX_CIDS_PER_HOLDS)
        const bits = await openSession(session, peer, options, async (framed, signal) => {
          const request = encodeMessage(requestSchema, { t: 'holds', swarm, cids: part })
          await framed.write(request, within(signal, REQUEST_TIMEOUT_MS))
          const frame = await framed.read(MAX_SYNC_REQUEST_BYTES, within(signal, SYNC_FRAME_TIMEOUT_MS))
          const reply = decodeMessage(heldReplySchema, frame, MAX_SYNC_REQUEST_BYTES)
          if (reply.t === 'refused') throw new SyncRefusedError(peer, reply.reason)
          const held = decodeBitmap(reply.held, part.length)
          if (held === undefined) throw new ProtocolError(`${reply.held.byteLength} bytes for ${part.length} answers`)
          return held
        })
        for (const bit of bits) out.push(bit)
      }
      return out
    },

    async fetchManifest(peers, swarm, options) {
      const failures: Error[] = []
      for (const peer of peers) {
        try {
          return await openSession(session, peer, options, async (framed, signal) => {
            const request = encodeMessage(requestSchema, { t: 'manifest', swarm })
            await framed.write(request, within(signal, REQUEST_TIMEOUT_MS))
            const frame = await framed.read(MAX_MANIFEST_FRAME_BYTES, signal)
            const reply = decodeMessage(manifestReplySchema, frame, MAX_MANIFEST_FRAME_BYTES)
            if (reply.t === 'refused') throw new SyncRefusedError(peer, reply.reason)
            const found = openManifest(reply.bytes, verify)
            if (!found.id.equals(swarm)) throw new ProtocolError(`asked for manifest ${swarm}, got ${found.id}`)
            return found
          })
        } catch (cause) {
          options?.signal?.throwIfAborted()
          failures.push(asError(cause))
        }
      }
      const why = failures.length === 0 ? 'no peer to ask' : failures.map(f => f.message).join('; ')
      const cause = new AggregateError(failures, why)
      throw new ContentUnavailableError(`the manifest ${swarm} could not be fetched: ${why}`, { cause })
    }
  }
}

// --- internal ---

function digestOf({ swarm, records }: SyncMember): Digest {
  return { t: 'digest', swarm: swarm.id, digest: setDigest(records) }
}
