/**
 * Bytes -> UnixFS file: the settings that decide every CID of this project, and the one builder that applies them.
 *
 * CIDv1, raw leaves, fixed 1 MiB chunks, balanced layout of 1,024 links, sha2-256; a file of one chunk is its raw leaf.
 * The same as `ipfs add --cid-version 1 --raw-leaves --chunker size-1048576 --max-file-links 1024` and as IPIP-499
 * `unixfs-v1-2025`; the tests compare it with js-ipfs-unixfs-importer. It is our own code because a shard is built from leaves that are in the store
 * already and must not be read again (publish/shard.ts).
 *
 * Memory: one chunk, and at most 1,024 links for each level of the tree.
 */
import type { CID } from 'multiformats/cid'
import { pbCid } from '../codec.ts'
import { contentId } from './content-id.ts'
import { encodeFileNode } from './unixfs-node.ts'

/** Pinned: changing any value changes the CID of the same bytes. */
export const IMPORT = {
  cidVersion: 1,
  rawLeaves: true,
  /** Bytes of every leaf but the last; bitswap and Kubo take blocks up to 2 MiB */
  chunkBytes: 1_048_576 as number,
  /** Links of a tree node: at about 50 bytes each a full node stays far below 256 KiB */
  maxLinks: 1024 as number
} as const

/** A UnixFS file. `bytes` is its length; `dagBytes` counts all its blocks, the Tsize of a link to it. */
export interface ContentFile {
  readonly cid: CID
  readonly bytes: number
  readonly dagBytes: number
}

/** One raw leaf of a file. `stored` leaves are in the store already: neither they nor tree nodes above only stored leaves are put. */
export interface Leaf {
  readonly cid: CID
  readonly bytes: number
  readonly stored?: boolean
}

/** Stores a block. Called for children before their parents, so that a stored root means a whole file. */
export type PutBlock = (cid: CID, block: Uint8Array) => Promise<void>

/** Import a stream of bytes in slices of any size. Arrays of `source` are copied, not retained. */
export async function importBytes(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  put: PutBlock
): Promise<ContentFile> {
  return await buildTree(importLeaves(source, put), put)
}

/** Cut `source` into chunks, put each as a raw block, yield it as a leaf. An empty source is one empty leaf. */
export async function* importLeaves(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  put: PutBlock
): AsyncGenerator<Leaf> {
  let leaves = 0
  for await (const chunk of chunks(source)) {
    leaves++
    yield await putLeaf(chunk, put)
  }
  if (leaves === 0) yield await putLeaf(new Uint8Array(0), put)
}

/** Put the tree above `leaves`, which lie in file order and are all full but the last. */
export async function buildTree(leaves: AsyncIterable<Leaf> | Iterable<Leaf>, put: PutBlock): Promise<ContentFile> {
  const levels: Level[] = []
  const add = async (depth: number, node: TreeNode): Promise<void> => {
    const level = (levels[depth] ??= { pending: [], count: 0 })
    level.pending.push(node)
    level.count++
    if (level.pending.length === IMPORT.maxLinks) await close(depth, level)
  }
  const close = async (depth: number, level: Level): Promise<void> => {
    const parent = await putParent(level.pending, put)
    level.pending = []
    await add(depth + 1, parent)
  }
  for await (const leaf of leaves) {
    await add(0, { cid: leaf.cid, bytes: leaf.bytes, dagBytes: leaf.bytes, stored: leaf.stored ?? false })
  }
  for (let depth = 0; ; depth++) {
    const level = levels[depth]
    if (level === undefined) throw new Error('a file has at least one leaf')
    const [only] = level.pending
    if (level.count === 1 && only !== undefined) return { cid: only.cid, bytes: only.bytes, dagBytes: only.dagBytes }
    if (level.pending.length > 0) await close(depth, level)
  }
}

// --- internal ---

interface TreeNode extends ContentFile {
  readonly stored: boolean
}

interface Level {
  pending: TreeNode[]
  /** Nodes ever added at this level: the only node of a level is the root */
  count: number
}

async function putLeaf(chunk: Uint8Array, put: PutBlock): Promise<Leaf> {
  const cid = await contentId(chunk)
  await put(cid, chunk)
  return { cid, bytes: chunk.byteLength }
}

async function putParent(children: TreeNode[], put: PutBlock): Promise<TreeNode> {
  const block = encodeFileNode(children)
  const cid = pbCid(block)
  // A full node over stored leaves is, by the same layout, also a node of the file those leaves come from.
  const stored = children.length === IMPORT.maxLinks && children.every(child => child.stored)
  if (!stored) await put(cid, block)
  return {
    cid,
    bytes: children.reduce((sum, child) => sum + child.bytes, 0),
    dagBytes: children.reduce((sum, child) => sum + child.dagBytes, block.byteLength),
    stored
  }
}

/** Slices of any size -> chunks of exactly `chunkBytes`, the last one shorter. Every chunk is a fresh array. */
async function* chunks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(IMPORT.chunkBytes)
  let filled = 0
  for await (const slice of source) {
    for (let at = 0; at < slice.byteLength;) {
      const take = Math.min(slice.byteLength - at, chunk.byteLength - filled)
      chunk.set(slice.subarray(at, at + take), filled)
      at += take
      filled += take
      if (filled === chunk.byteLength) {
        yield chunk
        chunk = new Uint8Array(IMPORT.chunkBytes)
        filled = 0
      }
    }
  }
  if (filled > 0) yield chunk.slice(0, filled)
}
