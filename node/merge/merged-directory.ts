/**
 * The directory of a merged dataset (src/merge/dataset.ts) by its root, listed and checked: a root may come from anybody.
 *
 * Guarantees that it has the layout that this project writes, two levels of plain directories without ambiguous names, and that no name in
 * it leads out of a folder. Whether it is the right dataset of its swarm is for `coopt verify` to say.
 */
import * as dagPb from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../src/errors.ts'
import { entityOf, type Link } from '../content/dag/entity.ts'
import { isSafeName } from '../store/new-file.ts'

export interface MergedDirectory {
  readonly root: CID
  /** What it links, by path: files, and bundles as `priors/CID` */
  readonly entries: ReadonlyMap<string, CID>
  /** The root, `data`, `evidence` and `priors`, as far as they are there */
  readonly folders: readonly CID[]
  /** Those of `folders` that `get` did not have: their entries are unknown */
  readonly missing: readonly CID[]
}

/** A block; undefined where only the store is asked and does not have it. */
export type FindBlock = (cid: CID) => Promise<Uint8Array | undefined>

/** Directory nodes of this project stay below the size at which UnixFS implementations shard directories. */
const MAX_DIRECTORY_BYTES = 256 * 1024

const FOLDERS: ReadonlySet<string> = new Set(['data', 'evidence', 'priors'])
/** Without these it is not a merged dataset. */
const REQUIRED = ['data', 'manifest.cbor', 'records.car'] as const

/** Undefined when there is no merged dataset at `root`, or `get` does not have its block. Throws like `openDirectory` below the root. */
export async function findDirectory(root: CID, get: FindBlock): Promise<MergedDirectory | undefined> {
  if (root.code !== dagPb.code) return undefined
  const block = await get(root)
  if (block === undefined || block.byteLength > MAX_DIRECTORY_BYTES) return undefined
  let top: ReadonlyMap<string, CID>
  try {
    top = linksOf(root, block)
  } catch (error) {
    if (error instanceof InvalidContentError) return undefined
    throw error
  }
  if (REQUIRED.some(name => !top.has(name))) return undefined
  const entries = new Map<string, CID>()
  const folders = [root]
  const missing: CID[] = []
  for (const [name, cid] of top) {
    if (!FOLDERS.has(name)) {
      entries.set(name, cid)
      continue
    }
    folders.push(cid)
    const inner = await get(cid)
    if (inner === undefined) missing.push(cid)
    else
      for (const [file, child] of linksOf(cid, inner)) {
        if (name === 'priors' && file !== child.toString())
          throw new InvalidContentError(`${cid} calls the bundle ${child} "${file}"`)
        entries.set(`${name}/${file}`, child)
      }
  }
  return { root, entries, folders, missing }
}

/** Throws `InvalidContentError` when `root` is not a merged dataset or has another layout, and what `get` throws. */
export async function openDirectory(root: CID, get: FindBlock): Promise<MergedDirectory> {
  const directory = await findDirectory(root, get)
  if (directory !== undefined) return directory
  throw new InvalidContentError(
    `${root} is not a merged dataset: it is not a plain UnixFS directory with ${REQUIRED.join(', ')}`
  )
}

/** Throws `InvalidContentError` when the directory does not link it. */
export function entryAt({ root, entries }: MergedDirectory, path: string): CID {
  const cid = entries.get(path)
  if (cid === undefined) throw new InvalidContentError(`${root} has no ${path}`)
  return cid
}

// --- internal ---

function linksOf(cid: CID, block: Uint8Array): ReadonlyMap<string, CID> {
  if (block.byteLength > MAX_DIRECTORY_BYTES)
    throw new InvalidContentError(`${cid} has ${block.byteLength} bytes, too many for a directory of a merged dataset`)
  const entity = entityOf(cid, block)
  if (entity.kind !== 'directory') throw new InvalidContentError(`${cid} is not a plain UnixFS directory`)
  const links = new Map<string, CID>()
  for (const { name, cid: child } of entity.links satisfies readonly Link[]) {
    if (!isSafeName(name))
      throw new InvalidContentError(`${cid} has an entry ${JSON.stringify(name)}, which is not a safe file name`)
    if (links.has(name)) throw new InvalidContentError(`${cid} has two entries called ${name}`)
    links.set(name, child)
  }
  return links
}
