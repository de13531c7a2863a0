/**
 * Length-prefixed frames, and raw bytes, on a libp2p 3 stream.
 *
 * Frame: unsigned varint length (minimal form, at most 4 bytes), then that many bytes. The length is compared with the caller's limit before anything
 * is allocated. libp2p 3 streams are event targets; this module adds what their iterators lack:
 *
 * - backpressure on reading: the stream is paused while more is buffered than asked for (iterating a stream buffers without bound);
 * - backpressure on writing: a write waits until little is left in the stream's own buffer. `stream.onDrain()` cannot be used: it resolves on any
 *   window update, and immediately after its first use, so even a writer that waits overruns the buffer and the stream is reset (seen with
 *   @libp2p/utils 7.4.1);
 * - no silent truncation: 'end' also fires when a stream is reset, so an end only counts if the stream was closed in order;
 * - every wait has a deadline, and a stream that misses it is reset, so that a slow peer cannot tie up resources.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { encode, encodingLength } from 'uint8-varint'
import { ProtocolError } from '../src/errors.ts'
import { CLOSE_TIMEOUT_MS, MAX_PREFIX_BYTES, READ_AHEAD_BYTES, WRITE_AHEAD_BYTES } from './constants.ts'

export interface FramedStream {
  /**
   * The next frame. Throws `ProtocolError` if it is longer than `maxBytes`, its prefix is not minimal, or the stream ends inside it;
   * the stream's own error if it was reset; the signal's reason if that fires.
   */
  read(maxBytes: number, signal: AbortSignal): Promise<Uint8Array>
  /** The length prefix of the next frame alone, whose bytes are for `readBytes`. Same errors. */
  readPrefix(maxBytes: number, signal: AbortSignal): Promise<number>
  /** Wait for more: `true` once a byte is there, `false` when the other side closed its end in order. Same errors otherwise. */
  more(signal: AbortSignal): Promise<boolean>
  /** Exactly `bytes` raw bytes. Same errors. */
  readBytes(bytes: number, signal: AbortSignal): Promise<Uint8Array>
  /** The same into `target` from `at` on: copied once. */
  readInto(target: Uint8Array, at: number, bytes: number, signal: AbortSignal): Promise<void>
  /** Send one frame and wait until the stream accepts more. */
  write(frame: Uint8Array, signal: AbortSignal): Promise<void>
  /** Send raw bytes and wait until the stream accepts more. */
  writeBytes(bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** Flush and close our writing end; stop listening. Bytes that are still unread are a `ProtocolError`. */
  close(signal: AbortSignal): Promise<void>
  /** Reset the stream. Safe to call at any time. */
  abort(error: Error): void
}

/** `value` as a minimal unsigned varint (LEB128). */
export function encodePrefix(value: number): Uint8Array {
  if (encodingLength(value) > MAX_PREFIX_BYTES) throw new ProtocolError('a frame is too long for its length prefix')
  return encode(value)
}

export function frameStream(stream: Stream): FramedStream {
  const buffered = new Uint8ArrayList()
  let wanted = 0 // bytes that the current read waits for
  let ended = stream.readableEnded
  let failure: Error | undefined
  let resuming = false
  let wake: (() => void) | undefined
  let wakeWriter: (() => void) | undefined

  const limit = (): number => Math.max(READ_AHEAD_BYTES, wanted)
  const pauseIfFull = (): void => {
    // pause() inside the dispatch of resume() is undone by resume() itself, hence the flag
    if (buffered.byteLength > limit() && !resuming && stream.readStatus === 'readable') stream.pause()
  }
  const onMessage = (event: StreamMessageEvent): void => {
    buffered.append(event.data)
    pauseIfFull()
    wake?.()
  }
  const onEnd = (): void => {
    if (stream.status !== 'aborted' && stream.status !== 'reset') ended = true
    wake?.()
  }
  const onClose = (event: StreamCloseEvent): void => {
    if (event.error !== undefined) failure = event.error
    else ended = true
    wake?.()
    wakeWriter?.()
  }
  const onDrain = (): void => wakeWriter?.()
  stream.addEventListener('message', onMessage)
  stream.addEventListener('end', onEnd)
  stream.addEventListener('close', onClose)
  stream.addEventListener('drain', onDrain)
  stream.addEventListener('idle', onDrain)
  const detach = (): void => {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('end', onEnd)
    stream.removeEventListener('close', onClose)
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('idle', onDrain)
  }

  const resume = (): void => {
    if (stream.readStatus !== 'paused') return
    resuming = true
    stream.resume()
    resuming = false
    pauseIfFull()
  }

  const abort = (error: Error): void => {
    failure ??= error
    detach()
    stream.abort(error)
    wake?.()
    wakeWriter?.()
  }

  /** Wait until `bytes` are buffered; returns whether they are: not when the stream ended in order before. */
  const fill = async (bytes: number, signal: AbortSignal): Promise<boolean> => {
    if (wake !== undefined) throw new ProtocolError('two reads at once on one stream')
    const onAbort = (): void => wake?.()
    signal.addEventListener('abort', onAbort)
    wanted = bytes
    try {
      while (buffered.byteLength < bytes) {
        signal.throwIfAborted()
        if (failure !== undefined) throw failure
        const before = buffered.byteLength
        resume()
        // resume() delivers held-back data synchronously: then check again instead of waiting
        if (buffered.byteLength > before) continue
        if (ended) return false
        await new Promise<void>(resolve => {
          wake = resolve
        })
        wake = undefined
      }
    } catch (cause) {
      abort(asError(cause))
      throw cause
    } finally {
      wake = undefined
      wanted = 0
      signal.removeEventListener('abort', onAbort)
    }
    return true
  }

  /** Wait until `bytes` are buffered and take them. */
  const takeInto = async (target: Uint8Array, start: number, bytes: number, signal: AbortSignal): Promise<void> => {
    if (!(await fill(bytes, signal))) throw broken(`the stream ended after ${buffered.byteLength} of ${bytes} bytes`)
    let at = start
    for (const part of buffered.sublist(0, bytes)) {
      target.set(part, at)
      at += part.byteLength
    }
    buffered.consume(bytes)
  }

  const take = async (bytes: number, signal: AbortSignal): Promise<Uint8Array> => {
    const out = new Uint8Array(bytes)
    await takeInto(out, 0, bytes, signal)
    return out
  }

  const readPrefix = async (maxBytes: number, signal: AbortSignal): Promise<number> => {
    let length = 0
    for (let i = 0; ; i++) {
      const byte = (await take(1, signal))[0] as number
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw broken('a frame prefix is not minimal')
        break
      }
      if (i + 1 === MAX_PREFIX_BYTES) throw broken(`a frame prefix has more than ${MAX_PREFIX_BYTES} bytes`)
    }
    if (length > maxBytes) throw broken(`a frame of ${length} bytes, at most ${maxBytes} are accepted here`)
    return length
  }

  const send = async (data: Uint8Array | Uint8ArrayList, signal: AbortSignal): Promise<void> => {
    const onAbort = (): void => wakeWriter?.()
    signal.addEventListener('abort', onAbort)
    try {
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      stream.send(data)
      while (stream.writeBufferLength > WRITE_AHEAD_BYTES) {
        await new Promise<void>(resolve => {
          wakeWriter = resolve
        })
        signal.throwIfAborted()
        if (failure !== undefined) throw failure
        if (stream.writeStatus === 'closed') throw new ProtocolError('the stream was closed while writing')
      }
    } catch (cause) {
      abort(asError(cause))
      throw cause
    } finally {
      wakeWriter = undefined
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    read: async (maxBytes, signal) => await take(await readPrefix(maxBytes, signal), signal),
    readPrefix,
    more: async signal => await fill(1, signal),
    readBytes: take,
    readInto: takeInto,
    write: (frame, signal) => send(new Uint8ArrayList(encodePrefix(frame.byteLength), frame), signal),
    writeBytes: send,
    async close(signal) {
      try {
        if (buffered.byteLength > 0) throw new ProtocolError(`${buffered.byteLength} bytes after the last frame`)
        await stream.close({ signal })
        detach()
        reap(stream)
      } catch (cause) {
        abort(asError(cause))
        throw cause
      }
    },
    abort
  }

  function broken(message: string): ProtocolError {
    const error = new ProtocolError(message)
    abort(error)
    return error
  }
}

/** A stream lives until both ends are closed, and libp2p waits for the other end without a limit. */
function reap(stream: Stream): void {
  if (stream.status !== 'open' && stream.status !== 'closing') return
  const timer = setTimeout(
    () => stream.abort(new ProtocolError('the peer left its end of the stream open')),
    CLOSE_TIMEOUT_MS
  )
  timer.unref()
  stream.addEventListener('close', () => clearTimeout(timer), { once: true })
  // there is no reader any more: data that still arrives must not pile up
  stream.addEventListener('message', () => stream.abort(new ProtocolError('bytes after the last frame')), {
    once: true
  })
}

/** What was thrown, as an `Error`. */
export function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new ProtocolError(String(cause), { cause })
}
