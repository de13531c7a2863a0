/** Step 5 on this machine: the view of a membership as a merged dataset in the store, and on disk where asked for. */
import { mkdir, open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../../src/envelope.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { mergeDataset, type MergedDataset } from '../../src/merge/dataset.ts'
import { shardName } from '../../src/merge/shard-name.ts'
import { MAX_BUNDLE_BYTES } from '../../src/publish/bundle.ts'
import { fetchBundle } from '../priors/bundle/fetch-bundle.ts'
import { failpoint } from '../process/failpoint.ts'
import type { Content } from '../content/content.ts'
import { entityOf, type Link } from '../content/dag/entity.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { SwarmState } from '../state/swarm-state.ts'

/** What a merge needs of a membership. */
export interface Mergeable {
  readonly swarm: Swarm
  readonly state: SwarmState
}

/** Merge what this node knows. The directory's blocks are durable when this resolves. */
export async function mergeSwarm(membership: Mergeable, content: Content): Promise<MergedDataset> {
  const { swarm, state } = membership
  const merged = await mergeDataset(swarm, state.set, state.evidence, state.view())
  for (const { cid, bytes } of merged.blocks) {
    await failpoint('merge')
    await content.put(cid, bytes)
  }
  await content.barrier()
  return merged
}

/**
 * A root that is not in the store may be what this node's swarms come to: one that has all records but did not merge yet makes it. What is
 * still missing afterwards has to come from others.
 */
export async function mergeUnlessKnown(root: CID, swarms: Iterable<Mergeable>, content: Content): Promise<void> {
  if (await content.has(root)) return
  for (const membership of swarms) await mergeSwarm(membership, content)
}

/**
 * Write the whole directory of a merged dataset into a new or empty folder: added to IPFS with the pinned settings, it has the merged CID.
 * Names are made here from numbers, never taken from anybody.
 *
 * Throws `InvalidInputError` when the folder has something in it, `ContentUnavailableError` when a shard cannot be had.
 */
export async function writeDataset(
  membership: Mergeable,
  content: Content,
  merged: MergedDataset,
  folder: string,
  signal: AbortSignal
): Promise<string> {
  const out = resolve(folder)
  for (const name of ['data', 'evidence']) await mkdir(join(out, name), { recursive: true })
  const { swarm, state } = membership
  const { publisher, partitions } = swarm.manifest
  const write = async (path: string, cid: CID, maxBytes: number, from: PeerKey): Promise<void> => {
    const options = { signal, from }
    const { leaves } = await content.leaves(cid, maxBytes, options)
    await writeNew(
      path,
      leaves.map(leaf => async () => await content.block(leaf.cid, options))
    )
  }
  for (const { partition, alignment } of state.view().chosen.values()) {
    const { shard, bytes, author } = alignment.body
    await write(join(out, 'data', shardName(partition, partitions.length)), shard, bytes, author)
  }
  // a node that judged the scores has their targets; the shared set may be with the publisher only
  for (const { name, cid, dagBytes } of linksAt(merged, linkAt(merged, merged.root, 'evidence')))
    await write(join(out, 'evidence', name), cid, dagBytes, publisher)
  const priors = linksAt(merged, merged.root).find(({ name }) => name === 'priors')
  if (priors !== undefined) {
    // named by CIDs; inside are the names of the format
    for (const { name, cid } of linksAt(merged, priors.cid))
      await fetchBundle(cid, join(out, 'priors', name), { content, maxModelBytes: MAX_BUNDLE_BYTES, signal })
  }
  for (const [name, bytes] of merged.files) await writeNew(join(out, name), [async () => bytes])
  return out
}

// --- internal ---

/** Write parts one after the other, to the disk. Throws `InvalidInputError` when the file exists. */
async function writeNew(path: string, parts: Iterable<() => Promise<Uint8Array>>): Promise<void> {
  const file = await open(path, 'wx').catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'EEXIST'
      ? new InvalidInputError(`${path} exists already: give a new folder`, { cause })
      : cause
  })
  try {
    for (const part of parts) await file.writeFile(await part())
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Entries of a directory that was just merged. */
function linksAt(merged: MergedDataset, directory: CID): readonly Link[] {
  const node = merged.blocks.find(({ cid }) => cid.equals(directory))
  const entity = node === undefined ? undefined : entityOf(node.cid, node.bytes)
  if (entity?.kind !== 'directory') throw new InvalidContentError(`${directory} is no directory of ${merged.root}`)
  return entity.links
}

function linkAt(merged: MergedDataset, directory: CID, name: string): CID {
  const link = linksAt(merged, directory).find(entry => entry.name === name)
  if (link === undefined) throw new InvalidContentError(`${directory} has no "${name}"`)
  return link.cid
}
