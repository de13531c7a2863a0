/**
 * One session on one stream, as client or server: framing, deadlines, and who is at fault when it fails.
 *
 * Guarantees: the stream is always closed or reset, and every error thrown is one of ours: the peer broke the protocol
 * (`ProtocolError`, `InvalidRecordError`, …), or it could not be reached or went away (`ContentUnavailableError`).
 */
import type { AbortOptions, Connection, Libp2p, Logger, PeerId, Stream, StreamHandler } from '@libp2p/interface'
import { ContentUnavailableError, CoOptError, InvalidRecordError, ProtocolError } from '../src/errors.ts'
import { DIAL_TIMEOUT_MS } from './constants.ts'
import { asError, frameStream, type FramedStream } from './framing.ts'

/** Called when a peer broke the rules; `reason` is a stable code. */
export type OnFault = (peer: PeerId, reason: string) => void

export interface SessionInit {
  libp2p: Pick<Libp2p, 'dialProtocol'>
  protocol: string
  log: Logger
  /** Longest duration of a session */
  timeoutMs: number
  /** Fires when the node stops */
  stopped: () => AbortSignal
  onFault?: OnFault | undefined
}

/** A signal that also fires after `ms`. */
export function within(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(ms))])
}

/** Dial, run `use`, close. Throws a `CoOptError`, or the caller's signal's reason. */
export async function openSession<T>(
  init: SessionInit,
  peer: PeerId,
  options: AbortOptions | undefined,
  use: (framed: FramedStream, signal: AbortSignal) => Promise<T>
): Promise<T> {
  const limits = [init.stopped(), AbortSignal.timeout(init.timeoutMs)]
  if (options?.signal !== undefined) limits.push(options.signal)
  const signal = AbortSignal.any(limits)
  let framed: FramedStream | undefined
  try {
    const stream = await init.libp2p.dialProtocol(peer, init.protocol, {
      signal: within(signal, DIAL_TIMEOUT_MS),
      // a relay that is not ours carries 128 KiB by default: a session of records fits, and what does not is taken up by the next
      runOnLimitedConnection: true
    })
    framed = frameStream(stream)
    const result = await use(framed, signal)
    await framed.close(signal)
    return result
  } catch (cause) {
    framed?.abort(asError(cause))
    options?.signal?.throwIfAborted()
    blame(init, peer, cause)
    if (cause instanceof CoOptError) throw cause
    throw new ContentUnavailableError(`${init.protocol}: no answer from ${peer}: ${asError(cause).message}`, { cause })
  }
}

/** A libp2p handler that runs `serve` on every inbound stream. It never throws. */
export function sessionHandler(
  init: SessionInit,
  serve: (framed: FramedStream, peer: PeerId, signal: AbortSignal) => Promise<void>
): StreamHandler {
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const framed = frameStream(stream)
    const signal = within(init.stopped(), init.timeoutMs)
    try {
      await serve(framed, connection.remotePeer, signal)
      await framed.close(signal)
    } catch (cause) {
      framed.abort(asError(cause))
      blame(init, connection.remotePeer, cause)
    }
  }
}

// --- internal ---

function blame(init: SessionInit, peer: PeerId, cause: unknown): void {
  init.log('%s session with %p failed - %e', init.protocol, peer, asError(cause))
  if (cause instanceof InvalidRecordError) init.onFault?.(peer, cause.reason)
  else if (cause instanceof ProtocolError) init.onFault?.(peer, 'protocol')
}
