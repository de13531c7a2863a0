/**
 * Random access to a UnixFS file of the pinned layout.
 *
 * Its tree was checked (src/distribute/unixfs-leaves.ts: bounded depth, links and bytes), so a range is leaves by position. Guarantees that
 * every leaf is as long as its place in the tree says; that its bytes hash to its CID is the store's duty.
 */
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { IMPORT } from '../../src/distribute/unixfs-import.ts'
import type { FileLeaves, GetBlock } from '../../src/distribute/unixfs-leaves.ts'
import { InvalidContentError } from '../../src/errors.ts'

/** Sequential small ranges ask for the same leaves again: the columns of a row group share theirs. */
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
