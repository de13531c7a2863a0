/**
 * One tree node of a UnixFS file <-> its dag-pb block.
 *
 * Data message (https://specs.ipfs.tech/unixfs/): 1 Type = 2 (File), 3 filesize, 4 blocksizes, one for each link, not packed.
 * Written by hand because ipfs-unixfs 13.1.1 leaves uninitialised bytes in varints of 2^31 and more: the same file of 2 GiB got
 * another CID on every call. Reading accepts exactly what writing makes, so that a file has one tree and one CID.
 */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import { encode as varint } from 'uint8-varint'
import { equalBytes, isSafeCid } from '../codec.ts'
import { InvalidContentError } from '../errors.ts'

/** What a tree node says of a child: `bytes` of the file below it, `dagBytes` of all its blocks (Tsize). */
export interface Child {
  readonly cid: CID
  readonly bytes: number
  readonly dagBytes: number
}

/** Links of about 50 bytes, at most 1,024 of them: ours end below 64 KiB. */
export const MAX_NODE_BYTES = 131_072

export function encodeFileNode(children: readonly Child[]): Uint8Array {
  return dagPb.encode({
    Data: encodeData(children.map(child => child.bytes)),
    Links: children.map(child => ({ Name: '', Tsize: child.dagBytes, Hash: child.cid }))
  })
}

/** Throws `InvalidContentError` unless `block` is byte for byte what `encodeFileNode` makes of its children. */
export function decodeFileNode(block: Uint8Array): Child[] {
  if (block.byteLength > MAX_NODE_BYTES) {
    throw new InvalidContentError(`a UnixFS tree node of ${block.byteLength} bytes, at most ${MAX_NODE_BYTES}`)
  }
  let node: dagPb.PBNode
  try {
    node = dagPb.decode(block)
  } catch (cause) {
    throw new InvalidContentError('a UnixFS tree node is not dag-pb', { cause })
  }
  const sizes = decodeSizes(node.Data ?? new Uint8Array(0))
  if (sizes.length !== node.Links.length) {
    throw new InvalidContentError(`a UnixFS tree node has ${node.Links.length} links but ${sizes.length} sizes`)
  }
  const children = node.Links.map((link, i): Child => {
    if (!isSafeCid(link.Hash))
      throw new InvalidContentError('a UnixFS tree node links by another kind of CID than ours')
    return { cid: link.Hash, bytes: sizes[i] ?? 0, dagBytes: link.Tsize ?? 0 }
  })
  if (!equalBytes(encodeFileNode(children), block)) {
    throw new InvalidContentError('a UnixFS tree node is not of the one form that a plain file has')
  }
  return children
}

// --- internal ---

const TYPE_FILE = [0x08, 0x02]
const FILE_SIZE = 0x18
const BLOCK_SIZE = 0x20

function encodeData(sizes: readonly number[]): Uint8Array {
  const bytes: number[] = [...TYPE_FILE, FILE_SIZE]
  bytes.push(...varint(sizes.reduce((sum, size) => sum + size, 0)))
  for (const size of sizes) bytes.push(BLOCK_SIZE, ...varint(size))
  return Uint8Array.from(bytes)
}

/** The block sizes only; the comparison with our own encoding checks all the rest. */
function decodeSizes(data: Uint8Array): number[] {
  const sizes: number[] = []
  for (let at = TYPE_FILE.length; at < data.byteLength;) {
    const tag = data[at++]
    let value = 0
    let scale = 1
    for (let byte = 128; byte >= 128; scale *= 128) {
      byte = data[at++] ?? 0
      value += (byte % 128) * scale
    }
    if (!Number.isSafeInteger(value)) throw new InvalidContentError('a UnixFS tree node states a size beyond 2^53')
    if (tag === BLOCK_SIZE) sizes.push(value)
    else if (tag !== FILE_SIZE) throw new InvalidContentError(`a UnixFS tree node has the unexpected field ${tag}`)
  }
  return sizes
}
