/**
 * Threads of the inference process that decode images and write tensors, so that its main thread does nothing but run the model: while a batch goes
 * through the model the next ones are decoded.
 *
 * A piece of work is one tensor, made by one thread. It is queued at the thread at once, because the main thread is deaf while a model runs; memory
 * is bounded by what the node asks for at a time.
 */
import { startThread, type Thread } from '../thread/thread.ts'
import type { DecodeQuestion, PackedImages } from './decode-thread.ts'
import type { DecodeLimits, EmbedRequest, ImageFacts, PrepareRequest } from './messages.ts'
import type { TensorNumbers } from './tensor-bytes.ts'

export interface Decoders {
  /** Resolves when the threads are ready. They start with the first image otherwise. */
  start(): Promise<void>
  /** Input of a model for `count` images; those missing at its end are zeros. Throws `InvalidImageError` naming the sample. */
  numbers(images: EmbedRequest['images'], job: TensorJob): Promise<TensorNumbers>
  /** The same as bytes for a server */
  bytes(request: PrepareRequest): Promise<Uint8Array>
  /** In the order of the images. Never throws for an image: a broken one is a fact. */
  inspect(images: readonly Uint8Array[]): Promise<ImageFacts[]>
}

export type TensorJob = Pick<PrepareRequest, 'input' | 'preprocessing' | 'count'>

export function createDecoders(limits: DecodeLimits, count: number): Decoders {
  const threads: { readonly thread: Thread; queued: number }[] = []

  const startAll = (): void => {
    if (threads.length === 0) for (let i = 0; i < count; i++) threads.push({ thread: start(limits), queued: 0 })
  }

  /** The thread with the least to do gets it. */
  const ask = async (question: DecodeQuestion): Promise<unknown> => {
    startAll()
    const one = threads.reduce((least, next) => (next.queued < least.queued ? next : least))
    const { bytes } = question.images
    one.queued += bytes.byteLength
    const { byteLength } = bytes
    try {
      return await one.thread.ask(question, { moves: [bytes.buffer as ArrayBuffer] })
    } finally {
      one.queued -= byteLength
    }
  }

  return {
    start: async () => {
      startAll()
      await Promise.all(threads.map(({ thread }) => thread.ask({ type: 'inspect', images: packed([]) })))
    },
    numbers: async (images, job) => (await ask({ type: 'numbers', images: packed(images), ...job })) as TensorNumbers,
    bytes: async ({ images, ...job }) => (await ask({ ...job, type: 'bytes', images: packed(images) })) as Uint8Array,
    inspect: async images => {
      const each = Math.ceil(images.length / count)
      const parts = Array.from({ length: Math.ceil(images.length / Math.max(each, 1)) }, (_, i) =>
        images.slice(i * each, (i + 1) * each).map(bytes => ({ id: '', bytes }))
      )
      return (
        await Promise.all(
          parts.map(async part => (await ask({ type: 'inspect', images: packed(part) })) as ImageFacts[])
        )
      ).flat()
    }
  }
}

// --- internal ---

function start(limits: DecodeLimits): Thread {
  const path = import.meta.url.endsWith('.ts') ? './decode-thread.ts' : './decode-worker.js'
  return startThread(new URL(path, import.meta.url), 'a decoding thread', limits)
}

/** Into memory of their own, which can move: what came over IPC shares one buffer. */
function packed(images: EmbedRequest['images']): PackedImages {
  const bytes = new Uint8Array(images.reduce((sum, image) => sum + image.bytes.byteLength, 0))
  const ends: number[] = []
  let at = 0
  for (const image of images) {
    bytes.set(image.bytes, at)
    at += image.bytes.byteLength
    ends.push(at)
  }
  return { ids: images.map(({ id }) => id), bytes, ends }
}
