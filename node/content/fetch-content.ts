/**
 * Blocks and files from the store, else from peers over bitswap. Every block is checked against its CID before it is used.
 *
 * A fetch has a deadline per block and tries again a few times: bitswap itself waits forever for a block that nobody sends, and a want
 * list that got lost is only sent again after the want was given up.
 */
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { readLeaves, type FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import { count } from '../process/counters.ts'
import { joinParts } from './join-parts.ts'
import type { LocalContentOwner } from './local-content.ts'

export interface FetchOptions {
  signal: AbortSignal
  /** A peer that is likely to have it: the author of the record that names it */
  from?: PeerKey
}

export interface ContentFetcher {
  /** One block. Throws `ContentUnavailableError` when nobody sends it in time. */
  block(cid: CID, options: FetchOptions): Promise<Uint8Array>
  /** Leaves of a file of at most `maxBytes`, checked against the pinned layout. Throws `InvalidContentError` too. */
  leaves(cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves>
  /** Bring all blocks of a file here. Throws as `leaves`. */
  fetch(cid: CID, maxBytes: number, options: FetchOptions): Promise<void>
}

export interface FetchComponents {
  local: Pick<LocalContentOwner, 'peek' | 'completed'>
  /** Gets from peers as well and stores what it got; undefined without a network */
  network?: Pick<Blockstore, 'get'> | undefined
  /** Connect to a peer that is likely to have what is wanted next; must not throw */
  reach?(peer: PeerKey, signal: AbortSignal): Promise<void>
}

export interface FetchInit {
  /** Deadline of one attempt at one block, ms */
  blockTimeoutMs: number
  attempts: number
}

/** Blocks asked for at once when a whole file is fetched: 16 MiB in flight. */
const FETCH_CONCURRENCY = 16

export function createFetcher({ local, network, reach }: FetchComponents, init: FetchInit): ContentFetcher {
  const block = async (cid: CID, { signal, from }: FetchOptions): Promise<Uint8Array> => {
    signal.throwIfAborted()
    const held = await local.peek(cid)
    if (held !== undefined) return held
    if (network === undefined)
      throw new ContentUnavailableError(`${cid} is not in the store, and the network is not running`)
    let last: unknown
    for (let attempt = 0; attempt < init.attempts; attempt++) {
      signal.throwIfAborted()
      if (from !== undefined) await reach?.(from, signal)
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(init.blockTimeoutMs)])
        const bytes = await joinParts(network.get(cid, { signal: deadline }))
        count('blocks_fetched')
        count('block_bytes_fetched', bytes.byteLength)
        return bytes
      } catch (error) {
        signal.throwIfAborted()
        last = error
      }
    }
    count('block_fetch_failures')
    throw new ContentUnavailableError(
      `no peer sent ${cid} within ${init.attempts} attempts of ${init.blockTimeoutMs} ms`,
      { cause: last }
    )
  }

  const leaves = async (cid: CID, maxBytes: number, options: FetchOptions): Promise<FileLeaves> =>
    await readLeaves(cid, async child => await block(child, options), maxBytes)

  return {
    block,
    leaves,
    fetch: async (cid, maxBytes, options) => {
      const file = await leaves(cid, maxBytes, options)
      for (let i = 0; i < file.leaves.length; i += FETCH_CONCURRENCY) {
        await Promise.all(file.leaves.slice(i, i + FETCH_CONCURRENCY).map(async leaf => await block(leaf.cid, options)))
      }
      local.completed(cid)
    }
  }
}
