/**
 * What is in the store: blocks, and files of which every block is there. Never asks the network.
 *
 * A file found to be whole is remembered as whole until `distrust`, so that asking again costs nothing.
 */
import type { Blockstore } from 'interface-blockstore'
import { NotFoundError } from 'interface-store'
import type { CID } from 'multiformats/cid'
import { readLeaves, type FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { joinParts } from './join-parts.ts'

export interface LocalContent {
  /** Is this block in the store? */
  has(cid: CID): Promise<boolean>
  /** The block, if it is in the store and whole. */
  peek(cid: CID): Promise<Uint8Array | undefined>
  /**
   * Leaves of a file whose tree nodes are here (its leaves need not be), else undefined. Throws `InvalidContentError` for a file that is
   * not laid out with the pinned settings.
   */
  tree(cid: CID, maxBytes: number): Promise<FileLeaves | undefined>
  /** Are all blocks of this file here? */
  holds(cid: CID): Promise<boolean>
  /** The same for many files, one answer for each in order. */
  holdsEach(cids: readonly CID[]): Promise<boolean[]>
}

export interface LocalContentOwner extends LocalContent {
  /** All blocks of this file have just come. */
  completed(cid: CID): void
  /** Blocks were damaged or deleted: files that were whole may not be any more. */
  distrust(): void
}

/** No larger file is ever asked about with `holds`. */
const MAX_HELD_BYTES = 2 ** 31

/** Files looked up at once: each reads tree nodes of up to 50 KiB from the disk, and a peer may ask about 256. */
const HOLDS_CONCURRENCY = 8

export function createLocalContent(store: Pick<Blockstore, 'get' | 'has'>): LocalContentOwner {
  const complete = new Set<string>()

  const peek = async (cid: CID): Promise<Uint8Array | undefined> => {
    try {
      return await joinParts(store.get(cid))
    } catch (error) {
      // by name: helia may have its own copy of the package
      if (error instanceof Error && error.name === NotFoundError.name) return undefined
      throw error
    }
  }

  const tree = async (cid: CID, maxBytes: number): Promise<FileLeaves | undefined> => {
    let isAbsent = false
    const get = async (child: CID): Promise<Uint8Array> => {
      const held = await peek(child)
      if (held !== undefined) return held
      isAbsent = true
      throw new InvalidContentError(`${child} is not here`)
    }
    try {
      return await readLeaves(cid, get, maxBytes)
    } catch (error) {
      if (isAbsent) return undefined
      throw error
    }
  }

  const holds = async (cid: CID): Promise<boolean> => {
    if (complete.has(cid.toString())) return true
    let file: FileLeaves | undefined
    try {
      file = await tree(cid, MAX_HELD_BYTES)
    } catch (error) {
      if (error instanceof InvalidContentError) return false
      throw error
    }
    if (file === undefined) return false
    for (const leaf of file.leaves) if (!(await store.has(leaf.cid))) return false
    complete.add(cid.toString())
    return true
  }

  return {
    has: async cid => await store.has(cid),
    peek,
    tree,
    holds,
    holdsEach: async cids => {
      const held: boolean[] = []
      for (let i = 0; i < cids.length; i += HOLDS_CONCURRENCY) {
        held.push(...(await Promise.all(cids.slice(i, i + HOLDS_CONCURRENCY).map(holds))))
      }
      return held
    },
    completed: cid => void complete.add(cid.toString()),
    distrust: () => complete.clear()
  }
}
