/** Files as what is in them: bytes, ranges, the samples of a partition, matrices. Sizes are checked before anything is decoded. */
import type { CID } from 'multiformats/cid'
import { decodeMatrix } from '../../src/bytes.ts'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { readSamples, type Sample } from '../../src/distribute/partition-file.ts'
import { ContentUnavailableError, InvalidContentError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import type { ContentFetcher, FetchOptions, LeafReading } from './fetch-content.ts'
import { fileRanges } from './file-ranges.ts'

/** Everything throws `ContentUnavailableError`, and `InvalidContentError` for a file that is too large or not what it should be. */
export interface ContentReader {
  /** A whole file of at most `maxBytes`. */
  read(cid: CID, maxBytes: number, options: FetchOptions): Promise<Uint8Array>
  /** Random access to a file of at most `maxBytes`; only its tree is fetched at once. */
  ranges(cid: CID, maxBytes: number, options: FetchOptions): Promise<ByteRanges>
  /** Samples of a partition file from row `start` on; their ids are checked. Memory: one row group; the rest of the file comes to the store meanwhile. */
  samples(file: { cid: CID; bytes: number }, start: number, signal: AbortSignal): AsyncIterable<Sample>
  /** A float32 matrix [rows, columns]. */
  matrix(cid: CID, rows: number, columns: number, options: FetchOptions): Promise<Matrix32>
}

/** Leaves fetched beyond a reader's place: 16 MiB, more than a line of 1 Gbit/s and 100 ms holds. */
const RANGES_AHEAD = 16

export function createReader({ leaves, ahead }: Pick<ContentFetcher, 'leaves'> & LeafReading): ContentReader {
  const ranges = async (
    cid: CID,
    maxBytes: number,
    options: FetchOptions,
    leavesAhead = RANGES_AHEAD
  ): Promise<ByteRanges> => {
    const file = await leaves(cid, maxBytes, options)
    return fileRanges(file, ahead(file, leavesAhead, options))
  }

  const read = async (cid: CID, maxBytes: number, options: FetchOptions): Promise<Uint8Array> => {
    const file = await ranges(cid, maxBytes, options)
    return await file.slice(0, file.byteLength)
  }

  return {
    read,
    ranges: async (cid, maxBytes, options) => await ranges(cid, maxBytes, options),
    samples: async function* ({ cid, bytes }, start, signal) {
      // the rest of the file keeps coming while the samples that are here are worked with, until the reader leaves
      const reading = new AbortController()
      try {
        const options = { signal: AbortSignal.any([signal, reading.signal]) }
        const file = await ranges(cid, bytes, options, Number.POSITIVE_INFINITY)
        if (file.byteLength !== bytes)
          throw new InvalidContentError(`${cid} has ${file.byteLength} bytes, the manifest says ${bytes}`)
        yield* readSamples(file, { start })
      } finally {
        reading.abort(new ContentUnavailableError(`${cid} is not read any more`))
      }
    },
    matrix: async (cid, rows, columns, options) =>
      decodeMatrix(await read(cid, rows * columns * 4, options), rows, columns)
  }
}
