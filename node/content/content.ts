/**
 * READ FIRST: content by CID, in the parts that callers need. Take the narrowest: `LocalContent` (what is here), `ContentFetcher` (blocks and
 * files from here or from peers), `ContentReader` (what files say), `ContentWriter` (what this node adds).
 */
import type { Blockstore } from 'interface-blockstore'
import type { PutBlock } from '../../src/distribute/unixfs-import.ts'
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

export interface ContentComponents extends Pick<FetchComponents, 'network' | 'reach'> {
  local: Blockstore & Pick<ContentWriter, 'barrier' | 'writing'>
}

export function createContent({ local: store, network, reach }: ContentComponents, init: FetchInit): Content {
  const { completed, ...local } = createLocalContent(store)
  const fetcher = createFetcher(
    { local: { peek: local.peek, completed }, network, ...(reach === undefined ? {} : { reach }) },
    init
  )
  return {
    ...local,
    ...fetcher,
    ...createReader(fetcher),
    put: async (cid, bytes) => {
      await store.put(cid, bytes)
    },
    barrier: async () => await store.barrier(),
    writing: () => store.writing()
  }
}

/** The same files from the store alone: what is not there ends in `ContentUnavailableError`. */
export function localFiles({ peek }: Pick<LocalContent, 'peek'>): ContentFetcher & ContentReader {
  const fetcher = createFetcher({ local: { peek, completed: () => {} } }, { blockTimeoutMs: 0, attempts: 0 })
  return { ...fetcher, ...createReader(fetcher) }
}
