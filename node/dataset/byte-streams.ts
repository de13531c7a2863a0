/** Streams of bytes: looking at the beginning, and decompressing gzip and Zstandard as long as there are members and frames. */
import { pipeline } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { isZstd } from './file-kinds.ts'

export type ByteStream = AsyncIterable<Uint8Array>

/** Windows of 2 GiB, as `zstd --long=31` makes them; what zstd itself reads without being asked ends at 128 MiB. */
const ZSTD_WINDOW_LOG = 31

/** The first `length` bytes (fewer where the stream ends) and the whole stream again, from its beginning. */
export async function peek(source: ByteStream, length: number): Promise<{ head: Uint8Array; whole: ByteStream }> {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let bytes = 0
  let isDone = false
  while (bytes < length && !isDone) {
    const next = await iterator.next()
    isDone = next.done === true
    if (next.done === true) break
    chunks.push(next.value)
    bytes += next.value.byteLength
  }
  const head = new Uint8Array(Buffer.concat(chunks).subarray(0, length))
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks.splice(0)
      while (!isDone) {
        const next = await iterator.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { head, whole: whole() }
}

/** All members of a gzip stream, one after the other. Throws what zlib throws for damaged data. */
export async function* gunzip(source: ByteStream): AsyncGenerator<Uint8Array> {
  const decoder = createGunzip()
  // an error of the source or the decoder ends the iteration below with that error
  pipeline(source, decoder, () => undefined)
  yield* decoder as AsyncIterable<Uint8Array>
}

/** All frames of a Zstandard stream: a decoder of node:zlib ends, without a word, with the first one. Other bytes behind them are left. */
export async function* unzstd(source: ByteStream): AsyncGenerator<Uint8Array> {
  let rest: ByteStream | undefined = source
  while (rest !== undefined) {
    const { head, whole } = await peek(rest, 4)
    if (head.byteLength < 4 || !isZstd(head)) return
    const decoder = createZstdDecompress({ params: { [ZSTD_D_WINDOW_LOG_MAX]: ZSTD_WINDOW_LOG } })
    const input = frameInput(whole, () => decoder.bytesWritten)
    pipeline(input.chunks, decoder, () => undefined)
    yield* decoder as AsyncIterable<Uint8Array>
    rest = input.after()
  }
}

// --- internal ---

/** `ZSTD_d_windowLogMax` of zstd.h */
const ZSTD_D_WINDOW_LOG_MAX = 100

interface FrameInput {
  readonly chunks: ByteStream
  /** What follows the bytes that were consumed */
  after(): ByteStream
}

/** Chunks for a decoder that ends somewhere within them: each is kept until `consumed` says that it was needed to its end. */
function frameInput(source: ByteStream, consumed: () => number): FrameInput {
  const iterator = source[Symbol.asyncIterator]()
  const kept: Uint8Array[] = []
  /** Where the first kept chunk begins */
  let start = 0
  let asked: Promise<IteratorResult<Uint8Array>> | undefined
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      asked = iterator.next()
      const next = await asked
      if (next.done === true) return
      kept.push(next.value)
      for (let [first] = kept; first !== undefined && start + first.byteLength <= consumed(); [first] = kept) {
        start += first.byteLength
        kept.shift()
      }
      yield next.value
    }
  }
  return {
    chunks: chunks(),
    after: async function* (): AsyncGenerator<Uint8Array> {
      try {
        // the decoder may have ended while it waited for more, which is kept too
        await asked
        const end = consumed()
        let at = start
        for (const chunk of kept) {
          if (at + chunk.byteLength > end) yield chunk.subarray(Math.max(0, end - at))
          at += chunk.byteLength
        }
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
      } finally {
        await iterator.return?.()
      }
    }
  }
}
