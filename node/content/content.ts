/**
 * READ FIRST: content by CID, in the parts that callers need. Take the narrowest: `LocalContent` (what is here), `ContentFetcher` (blocks and
 * files from here or from peers), `ContentReader` (what files say), `ContentWriter` (what this node adds).
 */
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { PutBlock } from '../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import type { Writing } from '../store/block-holds.ts'
import { createFetcher, type ContentFetcher, type FetchComponents, type FetchInit } from './fetch-content.ts'
import { createLocalContent, type LocalContent, type LocalContentOwner } from './local-content.ts'
import { createReader, type ContentReader } from './read-content.ts'

export interface ContentWriter {
  /** Store a block that is named already: garbage collection may delete it as soon as it is not needed. */
  readonly put: PutBlock
  /** Everything put so far survives a power cut once this resolves. */
  barrier(): Promise<void>
  /** To store blocks that a later manifest or record will name: kept until released. */
  writing(): Writing
}

export interface Content
  extends LocalContent, ContentFetcher, ContentReader, ContentWriter, Pick<LocalContentOwner, 'distrust'> {}

export interface ContentComponents extends Pick<FetchComponents, 'network' | 'members' | 'movedAt'> {
  local: Blockstore & Pick<ContentWriter, 'barrier' | 'writing'>
}

export function createContent({ local: store, ...others }: ContentComponents, init: FetchInit): Content {
  const { completed, ...local } = createLocalContent(store)
  const { ahead, ...fetcher } = createFetcher({ local: { ...local, completed }, store, ...others }, init)
  return {
    ...local,
    ...fetcher,
    ...createReader({ ...fetcher, ahead }),
    put: async (cid, bytes) => {
      await store.put(cid, bytes)
    },
    barrier: async () => await store.barrier(),
    writing: () => store.writing()
  }
}

/** The same files from the store alone: what is not there ends in `ContentUnavailableError`. */
export function localFiles({ peek }: Pick<LocalContent, 'peek'>): ContentFetcher & ContentReader {
  const local = { peek, has: async (cid: CID) => (await peek(cid)) !== undefined, completed: () => {} }
  const store = {
    has: local.has,
    put: async (cid: CID): Promise<CID> => {
      throw new ContentUnavailableError(`${cid} cannot be stored: this is a view of the store`)
    }
  }
  const { ahead, ...fetcher } = createFetcher({ local, store }, { blockTimeoutMs: 0, attempts: 0 })
  return { ...fetcher, ...createReader({ ...fetcher, ahead }) }
}
