/**
 * Everything below some roots comes here, many blocks at once, while a reader goes through it in an order of its own: an export waits for a line, not
 * for one round trip after another.
 *
 * Depth first, so that what a reader needs first comes first. Memory: a CID for each node whose links have not been followed, and one for each node
 * that was. What was fetched stays in the store.
 */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { IMPORT } from '../../../src/distribute/unixfs-import.ts'
import type { Wanted } from '../../../protocols/blocks/channel.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import type { ContentFetcher, FetchOptions } from '../fetch-content.ts'
import { isInline, type GetBlock } from './blocks.ts'
import { blocksBelow } from './entity.ts'
import { keyOf } from './walk.ts'

export interface FetchAhead extends Disposable {
  /** For the reader: the block from the store, or when it has come. Throws what ended the fetching: the reader would wait for the same. */
  readonly get: GetBlock
}

/** Nodes whose children are under way at once: small files have one leaf each, and thousands of them would wait for a round trip each. */
const NODES = 16

/** Blocks of one node asked for at once; a directory may have tens of thousands. */
const MAX_BLOCKS = 256

type Child = ReturnType<typeof blocksBelow>[number]

export function fetchAhead(
  roots: readonly CID[],
  { block, bring }: Pick<ContentFetcher, 'block' | 'bring'>,
  { signal: outer, ...others }: FetchOptions
): FetchAhead {
  const ending = new AbortController()
  const options = { signal: AbortSignal.any([outer, ending.signal]), ...others }
  const seen = new Set<string>()
  const nodes: CID[] = [] // the next at the end; their blocks are here
  let failure: { readonly error: unknown } | undefined
  let busy = 0

  const mayBegin = (): boolean => busy < NODES && failure === undefined && !options.signal.aborted

  const isNew = ({ cid }: Child): boolean => {
    if (isInline(cid) || seen.has(keyOf(cid))) return false
    // a leaf leads nowhere: to ask for one twice costs a look into the store, to remember each costs memory
    if (cid.code !== raw.code) seen.add(keyOf(cid))
    return true
  }

  const fetch = async (children: readonly Child[]): Promise<void> => {
    const fresh = children.filter(isNew)
    for (let i = 0; i < fresh.length; i += MAX_BLOCKS)
      await bring(fresh.slice(i, i + MAX_BLOCKS).map(probably), options)
    for (const { cid } of fresh.toReversed()) if (cid.code !== raw.code) nodes.push(cid)
  }

  const run = async (work: () => Promise<void>): Promise<void> => {
    busy++
    try {
      await work()
    } catch (error) {
      failure ??= { error }
      ending.abort(error) // the others would wait for their own deadlines
    }
    busy--
    while (mayBegin()) {
      const next = nodes.pop()
      if (next === undefined) return
      void run(async () => await fetch(blocksBelow(next, await block(next, options))))
    }
  }
  void run(async () => await fetch(roots.map(cid => ({ cid, dagBytes: 0 }))))

  return {
    get: async cid => {
      outer.throwIfAborted()
      if (failure !== undefined) throw failure.error
      return await block(cid, { signal: outer, ...others })
    },
    [Symbol.dispose]: () => ending.abort(new ContentUnavailableError('nobody reads this any more'))
  }
}

// --- internal ---

/** A link in a node: CID, length and what dag-pb puts around them */
const LINK_BYTES = 56

/** How long a block probably is: a leaf is what its parent says, a node has a link for each leaf of a file. */
function probably({ cid, dagBytes }: Child): Wanted {
  const { chunkBytes } = IMPORT
  const bytes = cid.code === raw.code ? dagBytes : LINK_BYTES * (1 + dagBytes / chunkBytes)
  return { cid, bytes: Math.min(chunkBytes, Math.max(LINK_BYTES, Math.ceil(bytes))) }
}
