/**
 * Threads that read, write and hash images, off the event loop. Each question goes to the thread with the least to do; what is in one question is in
 * memory at once, so whoever asks bounds its bytes.
 */
import { availableParallelism } from 'node:os'
import { startThread, type Thread } from '../compute/thread/thread.ts'
import type { Range, ReadAnswer, ReadingQuestion, SizeAnswer } from './reading-thread.ts'

export type { Range } from './reading-thread.ts'

export interface ReadImage {
  /** Fewer than were asked for where the file is shorter. A view on what was read together */
  readonly bytes: Uint8Array
  /** sha2-256 of `bytes`, 32 of them */
  readonly digest: Uint8Array
  /** Why there are no bytes */
  readonly fault?: string | undefined
}

export interface ImageReader {
  /** Bytes of each file, or why it cannot be looked at */
  sizes(paths: readonly string[]): Promise<SizeAnswer>
  /** In the order of the ranges */
  read(ranges: readonly Range[]): Promise<ReadImage[]>
  /** sha2-256 of each image, 32 bytes each; written one behind the other to the open file `to`, if given. Throws what the file system says. */
  keep(images: readonly Uint8Array[], to?: { fd: number; position: number }): Promise<Uint8Array>
  /** Ends the threads. Questions under way fail. */
  close(): Promise<void>
}

/** As many files at once as libuv reads: disks and file servers answer several in the time of one. */
export const MAX_READERS = 4

/** One question costs as much as reading a few small files. */
const READ_IMAGES = 64
/** Some photos; what a thread does in some milliseconds */
const READ_BYTES = 4_194_304

/** Consecutive parts for one question each: a single image may be larger than the bound. */
export function* cutByBytes<T>(items: Iterable<T>, bytesOf: (item: T) => number): Generator<T[]> {
  let part: T[] = []
  let bytes = 0
  for (const item of items) {
    const more = bytesOf(item)
    if (part.length === READ_IMAGES || (part.length > 0 && bytes + more > READ_BYTES)) {
      yield part
      part = []
      bytes = 0
    }
    part.push(item)
    bytes += more
  }
  if (part.length > 0) yield part
}

export function createImageReader(count = Math.min(MAX_READERS, availableParallelism())): ImageReader {
  const threads: { readonly thread: Thread; asked: number }[] = []

  const ask = async (question: ReadingQuestion, moves: ArrayBuffer[] = []): Promise<unknown> => {
    const idle = threads.find(({ asked }) => asked === 0)
    if (idle === undefined && threads.length < count) threads.push({ thread: start(), asked: 0 })
    const one = idle ?? threads.reduce((least, next) => (next.asked < least.asked ? next : least))
    one.asked++
    try {
      return await one.thread.ask(question, { moves })
    } finally {
      one.asked--
    }
  }

  return {
    sizes: async paths => (await ask({ type: 'sizes', paths })) as SizeAnswer,
    read: async ranges => {
      const { bytes, ends, digests, faults } = (await ask({ type: 'read', ranges })) as ReadAnswer
      return ends.map((end, i) => ({
        bytes: bytes.subarray(i === 0 ? 0 : ends[i - 1], end),
        digest: digests.subarray(32 * i, 32 * i + 32),
        fault: faults.get(i)
      }))
    },
    keep: async (images, to) => {
      const bytes = new Uint8Array(images.reduce((sum, image) => sum + image.byteLength, 0))
      const ends: number[] = []
      let at = 0
      for (const image of images) {
        bytes.set(image, at)
        at += image.byteLength
        ends.push(at)
      }
      return (await ask({ type: 'keep', bytes, ends, ...(to === undefined ? {} : { to }) }, [
        bytes.buffer
      ])) as Uint8Array
    },
    close: async () => {
      await Promise.all(threads.map(async ({ thread }) => await thread.close()))
    }
  }
}

// --- internal ---

function start(): Thread {
  const path = import.meta.url.endsWith('.ts') ? './reading-thread.ts' : './reading-worker.js'
  return startThread(new URL(path, import.meta.url), 'a reading thread')
}
