/**
 * Backpressure for bitswap's answers. `onDrain()` of a stream (@libp2p/utils 7.4.1) reuses its first promise, so it resolves at once from the second
 * wait on: bitswap then writes a whole answer faster than the peer can read it, the write buffer exceeds its limit, and the stream is reset. Bitswap
 * counts the blocks as sent. (Seen with Kubo: `ipfs pin add` of a file of 20 blocks hung after the first one.)
 *
 * Here a wait ends when the buffer is empty, so at most one message of an answer is buffered.
 */
import type { AbortOptions, Libp2p } from '@libp2p/interface'

/** The part of a stream that this module uses. */
export interface Buffered {
  readonly writeBufferLength: number
  readonly status: string
  onDrain(options?: AbortOptions): Promise<void>
  addEventListener(type: 'idle' | 'close', listener: (event: Event) => void): void
  removeEventListener(type: 'idle' | 'close', listener: (event: Event) => void): void
}

/** Make `dialProtocol` of this node return streams whose `onDrain` works, for these protocols. */
export function waitForDrain(libp2p: Pick<Libp2p, 'dialProtocol'>, isMeant: (protocol: string) => boolean): void {
  const dial = libp2p.dialProtocol.bind(libp2p)
  libp2p.dialProtocol = async (peer, protocols, options) => {
    const stream = await dial(peer, protocols, options)
    return isMeant(stream.protocol) ? withWorkingDrain(stream) : stream
  }
}

/** The same stream; its `onDrain` resolves when nothing is buffered and rejects if the stream ends first or the signal aborts. */
export function withWorkingDrain<T extends Buffered>(stream: T): T {
  stream.onDrain = async (options = {}) => {
    const { signal } = options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = (): void => {
      if (stream.writeBufferLength === 0) resolve()
    }
    const onClose = (event: Event): void =>
      reject(
        ('error' in event ? event.error : undefined) ?? new Error('the stream was closed before everything was written')
      )
    const onAbort = (): void => reject(signal?.reason as Error)
    stream.addEventListener('idle', look)
    stream.addEventListener('close', onClose)
    signal?.addEventListener('abort', onAbort)
    try {
      signal?.throwIfAborted()
      look()
      if (stream.writeBufferLength > 0 && stream.status !== 'open') onClose(new Event('close'))
      await promise
    } finally {
      stream.removeEventListener('idle', look)
      stream.removeEventListener('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
  }
  return stream
}
