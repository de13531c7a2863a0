/**
 * A UnixFS file in a block store, read by ranges and as samples.
 *
 * The tree is checked first (src/distribute/unixfs-leaves.ts: our own layout, bounded depth, links and bytes), so a range is
 * leaves by position. Every leaf must be as long as its place in the tree says; that its bytes hash to its CID is the store's duty.
 */
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { readSamples, type Sample } from '../../src/distribute/partition-file.ts'
import { IMPORT } from '../../src/distribute/unixfs-import.ts'
import { type FileLeaves, type GetBlock, readLeaves } from '../../src/distribute/unixfs-leaves.ts'
import { InvalidContentError } from '../../src/errors.ts'

/** Reading on by small ranges asks for the same leaves again: the columns of a row group share theirs. */
const KEPT_LEAVES = 2

/** Random access to a file whose leaves are known. Keeps the last two leaves, 2 MiB. */
export function fileRanges(file: FileLeaves, get: GetBlock): ByteRanges {
  const kept = new Map<number, Uint8Array>()
  const leafAt = async (index: number): Promise<Uint8Array> => {
    const known = kept.get(index)
    if (known !== undefined) return known
    const leaf = file.leaves[index]
    if (leaf === undefined) throw new RangeError(`${file.cid} has no leaf ${index}`)
    const block = await get(leaf.cid)
    if (block.byteLength !== leaf.bytes) {
      throw new InvalidContentError(
        `the leaf ${leaf.cid} of ${file.cid} has ${block.byteLength} bytes, not ${leaf.bytes}`
      )
    }
    kept.set(index, block)
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_LEAVES) break
      kept.delete(oldest)
    }
    return block
  }
  return {
    byteLength: file.bytes,
    slice: async (start, end) => {
      if (start < 0 || end < start || end > file.bytes) {
        throw new RangeError(`bytes ${start} to ${end} of ${file.cid}, which has ${file.bytes}`)
      }
      const out = new Uint8Array(end - start)
      for (let at = start; at < end;) {
        const index = Math.floor(at / IMPORT.chunkBytes)
        const from = at - index * IMPORT.chunkBytes
        const part = (await leafAt(index)).subarray(from, from + end - at)
        out.set(part, at - start)
        at += part.byteLength
      }
      return out
    }
  }
}

/** `get` on a block store, network or not, with a signal for every block. */
export function blockGetter(blockstore: Pick<Blockstore, 'get'>, signal?: AbortSignal): GetBlock {
  return async cid => {
    signal?.throwIfAborted()
    const parts: Uint8Array[] = []
    for await (const part of blockstore.get(cid, signal === undefined ? {} : { signal })) parts.push(part)
    const [only] = parts
    return parts.length === 1 && only !== undefined ? only : new Uint8Array(Buffer.concat(parts))
  }
}

/**
 * Samples of the partition file `cid` from row `start` on, at most `maxBytes` of it. Memory: one row group.
 *
 * Throws `InvalidContentError` for content that is not what it says, or what the store throws.
 */
export async function* partitionSamples(
  blockstore: Pick<Blockstore, 'get'>,
  cid: CID,
  options: { maxBytes: number; start?: number; signal?: AbortSignal }
): AsyncGenerator<Sample> {
  const get = blockGetter(blockstore, options.signal)
  const file = await readLeaves(cid, get, options.maxBytes)
  yield* readSamples(fileRanges(file, get), { start: options.start ?? 0 })
}

/** A whole file of at most `maxBytes`. Throws like `partitionSamples`. */
export async function readFile(
  blockstore: Pick<Blockstore, 'get'>,
  cid: CID,
  maxBytes: number,
  signal?: AbortSignal
): Promise<Uint8Array> {
  const get = blockGetter(blockstore, signal)
  const file = await readLeaves(cid, get, maxBytes)
  return await fileRanges(file, get).slice(0, file.bytes)
}
