/** Entries of a UnixFS directory, sharded or not, in the order of the DAG. Depth is bounded; names are as the directory has them. */
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../../src/errors.ts'
import type { GetBlock } from './blocks.ts'
import { entityOf, type Link } from './entity.ts'

/** A HAMT consumes eight bits of a 64-bit hash per level. */
const MAX_SHARD_DEPTH = 16

/** The nodes of a sharded directory in depth-first order, each with the entries in it. A plain directory is one node. */
export async function* directoryNodes(
  root: CID,
  get: GetBlock,
  depth = 0
): AsyncGenerator<{ cid: CID; block: Uint8Array; entries: Link[] }> {
  if (depth > MAX_SHARD_DEPTH)
    throw new InvalidContentError(`the sharded directory nests deeper than ${MAX_SHARD_DEPTH}`)
  const block = await get(root)
  const entity = entityOf(root, block)
  if (entity.kind === 'directory') {
    yield { cid: root, block, entries: entity.links }
    return
  }
  if (entity.kind !== 'sharded') throw new InvalidContentError(`${root} is not a UnixFS directory`)
  const { links, prefix } = entity
  if (links.some(({ name }) => name.length < prefix))
    throw new InvalidContentError(`${root} has an entry without a slot`)
  const entries = links.filter(({ name }) => name.length > prefix)
  yield { cid: root, block, entries: entries.map(link => ({ ...link, name: link.name.slice(prefix) })) }
  for (const { name, cid } of links) if (name.length === prefix) yield* directoryNodes(cid, get, depth + 1)
}

export async function* directoryEntries(root: CID, get: GetBlock): AsyncGenerator<Link> {
  for await (const { entries } of directoryNodes(root, get)) yield* entries
}
