/**
 * The entries of a tar (v7, ustar, GNU, PAX) from a stream. The archive ends with two blocks of zeros: what follows is padding or
 * something else and is left, as by every tar program. tar-stream reads on there, so the blocks are looked for here.
 */
import { Readable } from 'node:stream'
import tar, { type Header } from 'tar-stream'
import type { ByteStream } from './byte-streams.ts'

export interface TarEntry {
  readonly header: Header
  /** To be read to its end before the next entry is asked for */
  readonly body: ByteStream
}

const BLOCK = 512

/**
 * Throws what tar-stream or `source` throws for an archive that is damaged or cut off before its end. `onUnmarked` is called for one
 * that stops after a whole entry, without the blocks of zeros: nothing says whether more should follow.
 */
export async function* tarEntries(source: ByteStream, onUnmarked: () => void): AsyncGenerator<TarEntry> {
  const extract = tar.extract({ allowUnknownFormat: true } as Parameters<typeof tar.extract>[0])
  const marks = createEndMarks()
  const input = Readable.from(marks.watch(source))
  input.on('error', error => extract.destroy(error))
  input.pipe(extract)
  try {
    for await (const entry of extract) {
      const { header } = entry
      const size = header.size ?? 0
      marks.passed((header as Header & { byteOffset: number }).byteOffset + Math.ceil(size / BLOCK) * BLOCK)
      yield { header, body: entry as AsyncIterable<Buffer> }
    }
    if (!marks.isEnd()) onUnmarked()
  } catch (error) {
    if (!marks.isEnd()) throw error
  } finally {
    input.destroy()
  }
}

// --- internal ---

interface EndMarks {
  watch(source: ByteStream): AsyncGenerator<Uint8Array>
  /** An entry ends at this offset, or will. */
  passed(end: number): void
  /** Do two blocks of zeros follow the last entry? */
  isEnd(): boolean
}

/** Runs of two or more blocks of zeros that may be the end: those that reach behind the last entry by as much. */
function createEndMarks(): EndMarks {
  let offset = 0
  let isZero = true
  let entryEnd = 0
  /** The last one grows */
  let runs: { start: number; end: number }[] = []
  const block = (): void => {
    const last = runs.at(-1)
    if (isZero && last?.end === offset - BLOCK) last.end = offset
    else if (isZero) {
      runs = runs.filter(({ end }) => end >= entryEnd + 2 * BLOCK)
      runs.push({ start: offset - BLOCK, end: offset })
    }
    isZero = true
  }
  return {
    watch: async function* (source) {
      for await (const chunk of source) {
        for (let at = 0; at < chunk.byteLength;) {
          const take = Math.min(BLOCK - (offset % BLOCK), chunk.byteLength - at)
          isZero &&= chunk.subarray(at, at + take).every(byte => byte === 0)
          offset += take
          at += take
          if (offset % BLOCK === 0) block()
        }
        yield chunk
      }
    },
    passed: end => {
      entryEnd = end
    },
    isEnd: () => runs.some(({ start, end }) => start <= entryEnd && end >= entryEnd + 2 * BLOCK)
  }
}
