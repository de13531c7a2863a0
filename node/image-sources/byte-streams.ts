/** Streams of bytes: looking at the beginning, and going on where a decoder ended. */

export type ByteStream = AsyncIterable<Uint8Array>

/** The first `length` bytes (fewer where the stream ends) and the whole stream again, from its beginning. */
export async function peek(source: ByteStream, length: number): Promise<{ head: Uint8Array; whole: ByteStream }> {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let bytes = 0
  let next: IteratorResult<Uint8Array> | undefined
  while (bytes < length) {
    next = await iterator.next()
    if (next.done === true) break
    chunks.push(next.value)
    bytes += next.value.byteLength
  }
  const head = new Uint8Array(Buffer.concat(chunks).subarray(0, length))
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks.splice(0)
      if (next?.done === true) return
      for (let more = await iterator.next(); more.done !== true; more = await iterator.next()) yield more.value
    } finally {
      await iterator.return?.()
    }
  }
  return { head, whole: whole() }
}

/** What follows the first `bytes` bytes. */
export async function* skip(source: ByteStream, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of source) {
    if (chunk.byteLength > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.byteLength)
  }
}

export interface FrameInput {
  readonly chunks: ByteStream
  /** What follows the bytes that were consumed */
  after(): ByteStream
}

/** Chunks for a decoder that ends somewhere within them: each is kept until `consumed` says that it was needed to its end. */
export function frameInput(source: ByteStream, consumed: () => number): FrameInput {
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
