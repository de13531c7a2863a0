/**
 * UnixFS file -> the list of its leaves, checked against the pinned import settings.
 *
 * Only the tree nodes are fetched (one for 1,024 MiB). A tree that our importer would not have made (other chunk size, depth,
 * unbalanced, sizes that do not add up, more bytes than declared) is refused, so what follows can index leaves by position.
 */
import type { CID } from 'multiformats/cid'
import * as dagPb from '@ipld/dag-pb'
import * as raw from 'multiformats/codecs/raw'
import { isSafeCid } from '../codec.ts'
import { InvalidContentError } from '../errors.ts'
import { buildTree, IMPORT, type Leaf } from './unixfs-import.ts'
import { decodeFileNode } from './unixfs-node.ts'

/** Depth 8 would be more bytes than a disk has; it bounds the recursion on a hostile tree. */
export const MAX_TREE_DEPTH = 8

/** Fetches one block whose bytes are known to hash to `cid`. */
export type GetBlock = (cid: CID) => Promise<Uint8Array>

export interface FileLeaves {
  readonly cid: CID
  /** Length of the file */
  readonly bytes: number
  readonly leaves: readonly Leaf[]
}

/**
 * All leaves of the file `root`, at most `maxBytes` long. The size of a file of one leaf is learnt by fetching that leaf.
 *
 * Throws `InvalidContentError`, and whatever `get` throws.
 */
export async function readLeaves(root: CID, get: GetBlock, maxBytes: number): Promise<FileLeaves> {
  if (!isSafeCid(root) || (root.code !== raw.code && root.code !== dagPb.code)) {
    throw new InvalidContentError(`${root} is not the CID of a UnixFS file`)
  }
  if (root.code === raw.code) {
    const { byteLength } = await get(root)
    if (byteLength > Math.min(maxBytes, IMPORT.chunkBytes)) throw tooLarge(root, byteLength, maxBytes)
    return { cid: root, bytes: byteLength, leaves: [{ cid: root, bytes: byteLength }] }
  }
  // A balanced tree has a node for 1,024 leaves and some above: a hostile one could have any number without a leaf.
  let nodesLeft = Math.ceil((2 * maxBytes) / (IMPORT.chunkBytes * IMPORT.maxLinks)) + MAX_TREE_DEPTH
  const leaves: Leaf[] = []
  let bytes = 0
  const walk = async (cid: CID, depth: number): Promise<void> => {
    if (depth > MAX_TREE_DEPTH || nodesLeft-- === 0) throw wrongTree(root)
    for (const child of decodeFileNode(await get(cid))) {
      if (child.cid.code !== raw.code) {
        await walk(child.cid, depth + 1)
        continue
      }
      if (child.bytes === 0 || child.bytes > IMPORT.chunkBytes) throw wrongTree(root)
      leaves.push({ cid: child.cid, bytes: child.bytes })
      bytes += child.bytes
      if (bytes > maxBytes || leaves.length * IMPORT.chunkBytes > maxBytes + IMPORT.chunkBytes) {
        throw tooLarge(root, bytes, maxBytes)
      }
    }
  }
  await walk(root, 1)
  // These leaves have exactly one tree, so comparing the root's CID checks everything not checked above.
  const short = leaves.findIndex(leaf => leaf.bytes !== IMPORT.chunkBytes)
  if (leaves.length < 2 || (short !== -1 && short !== leaves.length - 1)) throw wrongTree(root)
  const tree = await buildTree(leaves, async () => {})
  if (!tree.cid.equals(root)) throw wrongTree(root)
  return { cid: root, bytes, leaves }
}

// --- internal ---

function tooLarge(root: CID, bytes: number, maxBytes: number): InvalidContentError {
  return new InvalidContentError(`${root} has ${bytes} bytes or more, at most ${maxBytes} are expected`)
}

function wrongTree(root: CID): InvalidContentError {
  return new InvalidContentError(
    `${root} is not laid out as this project imports files (1 MiB raw leaves, balanced, 1,024 links): add it again so`
  )
}
