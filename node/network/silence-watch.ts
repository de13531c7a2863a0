/**
 * Ends connections over which nothing comes any more: the peer is dead, asleep, or has another address by now. TCP alone notices after a quarter of
 * an hour.
 *
 * Costs no traffic: both sides of a connection send yamux pings at every keep-alive interval and answer those of the other, so several frames are
 * due in each, of which a healthy connection of a busy or slow peer gets one through. What this process itself did not read is no silence: after a
 * pause of its own (a suspended machine, a blocked event loop) every peer has the whole time again, and so has one whose data is held back here.
 */
import { TimeoutError, type MessageStream, type StreamMuxer, type StreamMuxerFactory } from '@libp2p/interface'

/** Looks in the time after which a connection ends: it is exceeded by a twelfth at most. */
const LOOKS = 12

export interface SilenceWatchInit {
  /** Milliseconds without a byte after which a connection ends */
  silentMs: number
  /** Monotonic milliseconds. @default performance.now */
  now?: () => number
}

/** Watches every connection of the multiplexer that `create` makes. */
export function watchSilence<C>(
  create: (components: C) => StreamMuxerFactory,
  { silentMs, now = () => performance.now() }: SilenceWatchInit
): (components: C) => StreamMuxerFactory {
  return components => {
    const factory = create(components)
    const watched = new Map<StreamMuxer, { connection: MessageStream; heardAt: number }>()
    const everyMs = silentMs / LOOKS
    let timer: NodeJS.Timeout | undefined
    let lookedAt = now()

    const look = (): void => {
      const wasAway = now() - lookedAt > 2 * everyMs
      lookedAt = now()
      for (const [muxer, entry] of watched) {
        if (muxer.status !== 'open') watched.delete(muxer)
        else if (wasAway || isHeldBack(entry.connection)) entry.heardAt = now()
        else if (now() - entry.heardAt >= silentMs) {
          watched.delete(muxer)
          entry.connection.abort(new TimeoutError(`nothing came from the peer for ${Math.round(silentMs / 1000)} s`))
        }
      }
      if (watched.size > 0) return
      clearInterval(timer)
      timer = undefined
    }

    const make = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => {
      const muxer = make(connection)
      const entry = { connection, heardAt: now() }
      watched.set(muxer, entry)
      connection.addEventListener('message', () => {
        entry.heardAt = now()
      })
      if (timer === undefined) {
        lookedAt = now()
        timer = setInterval(look, everyMs).unref()
      }
      return muxer
    }
    return factory
  }
}

// --- internal ---

/** The interface does not tell; every implementation in libp2p has it. */
function isHeldBack(connection: MessageStream): boolean {
  return 'readStatus' in connection && connection.readStatus === 'paused'
}
