/** The entries of a directory as people and programs get to see them. */
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import type { GetBlock } from '../content/dag/blocks.ts'
import { directoryEntries } from '../content/dag/directory.ts'
import { entityOrNothing } from '../content/dag/entity.ts'

export interface ListedEntry {
  readonly name: string
  readonly cid: CID
  /** Left out where the entry's own block is not available locally */
  readonly type?: 'file' | 'directory' | 'symlink'
  /** Of a file its length; otherwise what the link says of all its blocks */
  readonly bytes: number
}

export interface Listing {
  readonly entries: readonly ListedEntry[]
  /** There are more than are listed */
  readonly cut: boolean
}

/** A longer page helps nobody, and it is kept in memory. */
const MAX_ENTRIES = 10_000
/** Looking at an entry is a read of its root block: enough for every dataset of this project. */
const MAX_LOOKS = 4096

/** `peek` gives a block if it is here. Throws like `directoryEntries`. */
export async function listDirectory(
  directory: CID,
  get: GetBlock,
  peek: (cid: CID) => Promise<Uint8Array | undefined>
): Promise<Listing> {
  const entries: ListedEntry[] = []
  for await (const { name, cid, dagBytes } of directoryEntries(directory, get)) {
    if (entries.length === MAX_ENTRIES) return { entries, cut: true }
    if (cid.code === raw.code) {
      entries.push({ name, cid, type: 'file', bytes: dagBytes })
      continue
    }
    const block = entries.length < MAX_LOOKS ? await peek(cid) : undefined
    const entity = block === undefined ? undefined : entityOrNothing(cid, block)
    if (entity?.kind === 'file') entries.push({ name, cid, type: 'file', bytes: entity.bytes })
    else if (entity?.kind === 'symlink') entries.push({ name, cid, type: 'symlink', bytes: entity.data.byteLength })
    else if (entity?.kind === 'directory' || entity?.kind === 'sharded')
      entries.push({ name, cid, type: 'directory', bytes: dagBytes })
    else entries.push({ name, cid, bytes: dagBytes })
  }
  return { entries, cut: false }
}

/** `{cid, entries: [{name, cid, type?, bytes}], cut}` */
export function listingJson(directory: CID, { entries, cut }: Listing): string {
  return JSON.stringify({
    cid: directory.toString(),
    entries: entries.map(({ cid, ...entry }) => ({ ...entry, cid: cid.toString() })),
    cut
  })
}
