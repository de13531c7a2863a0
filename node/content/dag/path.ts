/**
 * A path through a DAG: names in UnixFS directories (sharded ones too), keys and indices in dag-cbor.
 */
import { walkPath } from 'ipfs-unixfs-exporter'
import { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../../src/errors.ts'
import type { GetBlock } from './blocks.ts'
import { entityOf } from './entity.ts'

export interface ResolvedPath {
  /** What the path names */
  readonly cid: CID
  /** Its block */
  readonly block: Uint8Array
  /** CIDs that the segments resolve to, the root first, `cid` last */
  readonly roots: CID[]
  /** Blocks on the way, in order, without the last one: they prove the path */
  readonly way: Array<{ cid: CID; block: Uint8Array }>
}

/** The path does not exist; `message` names the segment. */
export class PathNotFoundError extends Error {
  override readonly name = 'PathNotFoundError'
}

/** Throws `PathNotFoundError`, `InvalidContentError`, or what `get` throws. */
export async function resolvePath(root: CID, segments: readonly string[], get: GetBlock): Promise<ResolvedPath> {
  const way: ResolvedPath['way'] = []
  const roots = [root]
  let cid = root
  let block = await get(root)
  for (let i = 0; i < segments.length;) {
    const name = segments[i] as string
    const entity = entityOf(cid, block)
    way.push({ cid, block })
    let next: CID | undefined
    if (entity.kind === 'directory') {
      next = entity.links.find(link => link.name === name)?.cid
      i++
    } else if (entity.kind === 'sharded') {
      next = await throughShards(cid, name, get, way)
      i++
    } else if (entity.kind === 'data') {
      const found = throughData(entity.value, segments.slice(i))
      next = found?.cid
      i += found?.used ?? 0
    }
    if (next === undefined) throw new PathNotFoundError(`there is no "${name}" under ${cid}`)
    cid = next
    block = await get(cid)
    roots.push(cid)
  }
  return { cid, block, roots, way }
}

// --- internal ---

/** The exporter knows how names hash to slots; the store it gets records the nodes it looked at. */
async function throughShards(
  directory: CID,
  name: string,
  get: GetBlock,
  way: ResolvedPath['way']
): Promise<CID | undefined> {
  const visited: ResolvedPath['way'] = []
  let failure: unknown
  const store = {
    get: async function* (cid: CID): AsyncGenerator<Uint8Array> {
      try {
        const block = await get(cid)
        visited.push({ cid, block })
        yield block
      } catch (error) {
        failure = error
        throw error
      }
    }
  }
  let found: CID | undefined
  try {
    // names never contain a slash: an encoded one was refused when the path was split
    for await (const entry of walkPath(`${directory}/${name}`, store)) found = entry.cid
  } catch (error) {
    if (failure !== undefined) throw failure
    if (error instanceof Error && error.name === 'NotFoundError') return undefined
    throw new InvalidContentError(`the sharded directory ${directory} cannot be read`, { cause: error })
  }
  if (found === undefined || found.equals(directory)) return undefined
  way.push(...visited.filter(({ cid }) => !cid.equals(directory) && !cid.equals(found)))
  return found
}

/** Follow keys to the first link. */
function throughData(value: unknown, segments: readonly string[]): { cid: CID; used: number } | undefined {
  let at = value
  for (const [i, name] of segments.entries()) {
    if (typeof at !== 'object' || at === null || at instanceof Uint8Array || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
    const cid = CID.asCID(at)
    if (cid !== null) return { cid, used: i + 1 }
  }
  return undefined
}
