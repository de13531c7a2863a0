/**
 * Blocks and files from the store, else from peers (transfers.ts). Every block is checked against its CID before it is used.
 */
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { IMPORT } from '../../src/distribute/unixfs-import.ts'
import { readLeaves, type FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import type { LocalContentOwner } from './local-content.ts'
import type { Wanted } from '../../protocols/blocks/channel.ts'
import { readAhead } from './read-ahead.ts'
import { createTransfers, type FetchOptions, type TransferComponents, type TransferInit } from './transfers.ts'

export type { FetchOptions } from './transfers.ts'

export interface ContentFetcher {
  /** One block. Throws `ContentUnavailableError` when nobody sends it in time. */
  block(cid: CID, options: FetchOptions): Promise<Uint8Array>
  /** Leaves of a file of at most `maxBytes`, checked against the pinned layout. Throws `InvalidContentError` too. */
  leaves(cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves>
  /** Bring all blocks of a file here; those that are here are not fetched again. Throws as `leaves`. */
  fetch(cid: CID, maxBytes: number, options: FetchOptions): Promise<void>
  /** Bring these blocks here, many at once; those that are here are not fetched again. Throws as `block`. */
  bring(blocks: readonly Wanted[], options: FetchOptions): Promise<void>
}

/** For readers of files, in this folder. */
export interface LeafReading {
  /** A reader of a file's leaves that has up to `ahead` further ones fetched meanwhile, until `options.signal` */
  ahead(file: FileLeaves, ahead: number, options: FetchOptions): (cid: CID) => Promise<Uint8Array>
}

export interface FetchComponents extends Pick<TransferComponents, 'members' | 'movedAt'> {
  local: Pick<LocalContentOwner, 'has' | 'peek' | 'completed'>
  /** The store behind `local` */
  store: TransferComponents['store']
  /** Gets from peers by bitswap as well and stores what it got; undefined without a network */
  network?: Pick<Blockstore, 'get'> | undefined
}

export type FetchInit = TransferInit

/** Leaves looked up in the store at once: one `stat` each. */
const LOOKUPS = 16

export function createFetcher(
  { local, store, network, members, movedAt }: FetchComponents,
  init: FetchInit
): ContentFetcher & LeafReading {
  const transfers =
    network === undefined
      ? undefined
      : createTransfers({ store, network, members, ...(movedAt === undefined ? {} : { movedAt }) }, init)

  const block = async (cid: CID, options: FetchOptions): Promise<Uint8Array> => {
    options.signal.throwIfAborted()
    const held = await local.peek(cid)
    if (held !== undefined) return held
    if (transfers === undefined)
      throw new ContentUnavailableError(`${cid} is not in the store, and the network is not running`)
    transfers.coming(cid)?.hurry()
    await transfers.bring([{ cid, bytes: IMPORT.chunkBytes }], options)
    const come = await local.peek(cid)
    if (come !== undefined) return come
    throw new ContentUnavailableError(`${cid} was fetched, and the store lost it: see the log`)
  }

  const bring = async (wanted: readonly Wanted[], options: FetchOptions): Promise<void> => {
    const lacking = []
    for (let i = 0; i < wanted.length; i += LOOKUPS) {
      const some = wanted.slice(i, i + LOOKUPS)
      const held = await Promise.all(some.map(async one => await local.has(one.cid)))
      lacking.push(...some.filter((_, j) => held[j] !== true))
    }
    if (lacking.length === 0) return
    if (transfers === undefined) await block(lacking[0]?.cid as CID, options)
    else await transfers.bring(lacking, options)
  }

  const leaves = async (cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves> =>
    await readLeaves(cid, async child => await block(child, options), maxBytes)

  return {
    block,
    leaves,
    bring,
    fetch: async (cid, maxBytes, options) => {
      const file = await leaves(cid, maxBytes, options)
      await bring(file.leaves, options)
      local.completed(cid)
    },
    ahead: (file, ahead, options) =>
      transfers === undefined
        ? async cid => await block(cid, options)
        : readAhead(file, ahead, { local, transfers, block }, options)
  }
}
