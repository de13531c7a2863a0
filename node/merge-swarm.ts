/** Step 5 on this machine: the view of a membership as a merged dataset in the store, and on disk where asked for. */
import { mkdir, open } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InvalidInputError } from '../src/errors.ts'
import { mergeDataset, type MergedDataset } from '../src/merge/dataset.ts'
import { shardName } from '../src/merge/shard-name.ts'
import { failpoint } from './failpoint.ts'
import type { Content } from './content.ts'
import type { Membership } from './membership.ts'

/** Merge what this node knows. The directory's blocks are durable when this resolves. */
export async function mergeSwarm(membership: Membership, content: Content): Promise<MergedDataset> {
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
 * Write the files of a merged dataset into a new or empty folder. Names are made here from numbers, never taken from anybody.
 *
 * Throws `InvalidInputError` when the folder has something in it, `ContentUnavailableError` when a shard cannot be had.
 */
export async function writeDataset(
  membership: Membership,
  content: Content,
  merged: MergedDataset,
  folder: string,
  signal: AbortSignal
): Promise<string> {
  const out = resolve(folder)
  await mkdir(join(out, 'data'), { recursive: true })
  const { swarm, state } = membership
  const total = swarm.manifest.partitions.length
  for (const { partition, alignment } of state.view().chosen.values()) {
    const { shard, bytes, author } = alignment.body
    const path = join(out, 'data', shardName(partition, total))
    const file = await open(path, 'wx').catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === 'EEXIST'
        ? new InvalidInputError(`${path} exists already: give a new folder`, { cause })
        : cause
    })
    try {
      const options = { signal, from: author }
      for (const leaf of (await content.leaves(shard, bytes, options)).leaves)
        await file.write(await content.block(leaf.cid, options))
      await file.sync()
    } finally {
      await file.close()
    }
  }
  for (const [name, bytes] of merged.files) {
    const file = await open(join(out, name), 'w')
    try {
      await file.write(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  }
  return out
}
