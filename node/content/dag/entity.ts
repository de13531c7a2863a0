/**
 * What one block stands for: UnixFS file, directory, sharded directory, symbolic link, raw bytes, or plain data with links.
 *
 * Blocks may come from any IPFS implementation, so this takes every well-formed UnixFS node (https://specs.ipfs.tech/unixfs/), not
 * only those that our importer makes. Nothing is fetched here.
 */
import * as dagCbor from '@ipld/dag-cbor'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decodeCbor } from '../../../src/codec.ts'
import { CoOptError, InvalidContentError } from '../../../src/errors.ts'
import { MAX_BLOCK_BYTES } from '../../store/block-files.ts'

/** One child of a directory, or one piece of a file. */
export interface Link {
  readonly name: string
  readonly cid: CID
  /** Bytes of all blocks below, as the parent claims */
  readonly dagBytes: number
}

/** `data` comes before the pieces in a file; `sizes` are the bytes of the file below each link. */
export type Entity =
  | { readonly kind: 'file'; readonly bytes: number; readonly data: Uint8Array; readonly links: Piece[] }
  | { readonly kind: 'directory'; readonly links: Link[] }
  | { readonly kind: 'sharded'; readonly links: Link[]; readonly prefix: number }
  | { readonly kind: 'symlink'; readonly data: Uint8Array }
  | { readonly kind: 'data'; readonly value: unknown; readonly links: Link[] }

interface Piece extends Link {
  /** Bytes of the file that lie below this link */
  readonly bytes: number
}

/** A HAMT of UnixFS has 256 children a node or, in theory, up to this many. */
const MAX_FANOUT = 1024

/** Throws `InvalidContentError` for a codec that is not handled, and for a block that is not of its codec. */
export function entityOf(cid: CID, block: Uint8Array): Entity {
  if (cid.code === raw.code) return { kind: 'file', bytes: block.byteLength, data: block, links: [] }
  if (cid.code === dagCbor.code) {
    const value = decodeCbor(block, MAX_BLOCK_BYTES)
    return { kind: 'data', value, links: linksIn(value) }
  }
  if (cid.code !== dagPb.code) throw new InvalidContentError(`${cid} has the codec 0x${cid.code.toString(16)}`)
  const known = decoded.get(block)
  if (known !== undefined) return known
  const entity = unixfsEntity(cid, block)
  decoded.set(block, entity)
  return entity
}

/** By the very array: the gateway keeps blocks in memory, and decodes the root of a large file for every range of it. */
const decoded = new WeakMap<Uint8Array, Entity>()

function unixfsEntity(cid: CID, block: Uint8Array): Entity {
  const node = decodeNode(cid, block)
  let unixfs: UnixFS
  try {
    unixfs = UnixFS.unmarshal(node.Data ?? new Uint8Array(0))
  } catch (cause) {
    throw new InvalidContentError(`${cid} is not a UnixFS node`, { cause })
  }
  const links = node.Links.map(({ Name = '', Hash, Tsize = 0 }): Link => ({ name: Name, cid: Hash, dagBytes: Tsize }))
  switch (unixfs.type) {
    case 'directory':
      return { kind: 'directory', links }
    case 'hamt-sharded-directory':
      return { kind: 'sharded', links, prefix: prefixLength(cid, unixfs.fanout) }
    case 'symlink':
      return { kind: 'symlink', data: unixfs.data ?? new Uint8Array(0) }
    case 'file':
    case 'raw':
      return fileEntity(cid, unixfs, links)
    default:
      throw new InvalidContentError(`${cid} is a UnixFS node of the unsupported type ${unixfs.type}`)
  }
}

/** All CIDs that a block links, in its order; a dag-pb node need not be UnixFS for this. Throws like `entityOf`. */
export function linksOf(cid: CID, block: Uint8Array): CID[] {
  return blocksBelow(cid, block).map(link => link.cid)
}

/** The same with what the node claims of each: bytes of all blocks there, 0 where it says nothing. */
export function blocksBelow(cid: CID, block: Uint8Array): Pick<Link, 'cid' | 'dagBytes'>[] {
  if (cid.code === dagPb.code)
    return decodeNode(cid, block).Links.map(({ Hash, Tsize = 0 }) => ({ cid: Hash, dagBytes: Tsize }))
  const entity = entityOf(cid, block)
  return entity.kind === 'data' ? entity.links : []
}

/** Like `entityOf`; undefined for a block that cannot be interpreted. */
export function entityOrNothing(cid: CID, block: Uint8Array): Entity | undefined {
  try {
    return entityOf(cid, block)
  } catch (error) {
    if (error instanceof CoOptError) return undefined
    throw error
  }
}

// --- internal ---

function decodeNode(cid: CID, block: Uint8Array): dagPb.PBNode {
  try {
    return dagPb.decode(block)
  } catch (cause) {
    throw new InvalidContentError(`${cid} is not dag-pb`, { cause })
  }
}

function fileEntity(cid: CID, unixfs: UnixFS, links: readonly Link[]): Entity {
  const data = unixfs.data ?? new Uint8Array(0)
  const sizes = unixfs.blockSizes.map(Number)
  if (sizes.length !== links.length)
    throw new InvalidContentError(`${cid} has ${links.length} links but ${sizes.length} sizes`)
  const bytes = sizes.reduce((sum, size) => sum + size, data.byteLength)
  if (!Number.isSafeInteger(bytes)) throw new InvalidContentError(`${cid} states a size beyond 2^53`)
  return { kind: 'file', bytes, data, links: links.map((link, i) => ({ ...link, bytes: sizes[i] ?? 0 })) }
}

/** Links of a HAMT node are named by the slot in hexadecimal of this many digits, then the entry's name if it is one. */
function prefixLength(cid: CID, fanout: bigint | undefined): number {
  const size = Number(fanout ?? 0n)
  if (size < 2 || size > MAX_FANOUT || !Number.isInteger(Math.log2(size)))
    throw new InvalidContentError(`${cid} is a sharded directory of fanout ${size}`)
  return (size - 1).toString(16).length
}

/** Links in a decoded value, in the order of its encoding. Its depth was bounded when it was decoded. */
function linksIn(value: unknown): Link[] {
  const cid = CID.asCID(value)
  if (cid !== null) return [{ name: '', cid, dagBytes: 0 }]
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return []
  return Object.values(value).flatMap(linksIn)
}
