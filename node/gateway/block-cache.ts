/**
 * Blocks that were read and found to hash to their CIDs, in memory: the least recently used go first.
 *
 * Parquet readers ask for dozens of small ranges of the same leaves; each would read and hash a whole leaf of 1 MiB again. A block never changes,
 * so what was right when it was read stays right. The bytes held are at most `maxBytes`, whatever is asked for.
 */
import type { CID } from 'multiformats/cid'

export interface BlockCache {
  get(cid: CID): Uint8Array | undefined
  add(cid: CID, block: Uint8Array): void
}

/** `maxBytes` 0 keeps nothing. */
export function createBlockCache(maxBytes: number): BlockCache {
  const blocks = new Map<string, Uint8Array>()
  let bytes = 0
  const drop = (key: string, block: Uint8Array): void => {
    blocks.delete(key)
    bytes -= block.byteLength
  }
  return {
    get: cid => {
      const key = keyOf(cid)
      const block = blocks.get(key)
      if (block === undefined) return undefined
      blocks.delete(key)
      blocks.set(key, block)
      return block
    },
    add: (cid, block) => {
      const key = keyOf(cid)
      if (blocks.has(key) || block.byteLength > maxBytes) return
      // a view would keep the whole buffer that it is a part of, a pool of Node's or a frame from the network
      const own = block.byteLength === block.buffer.byteLength ? block : block.slice()
      blocks.set(key, own)
      bytes += own.byteLength
      for (const [oldest, old] of blocks) {
        if (bytes <= maxBytes) break
        drop(oldest, old)
      }
    }
  }
}

// --- internal ---

/** One character per byte of the hash: the codec does not matter to the bytes. */
function keyOf(cid: CID): string {
  return Buffer.from(cid.multihash.bytes).toString('latin1')
}
