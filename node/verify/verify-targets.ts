/** Checks the shards of a dataset themselves (merge/check-shard.ts), as far as their blocks are available locally; nothing is fetched. */
import { InvalidContentError } from '../../src/errors.ts'
import { shardName } from '../../src/merge/shard-name.ts'
import type { Choice } from '../../src/merge/views.ts'
import { checkShard, type ShardCheck } from '../merge/check-shard.ts'

export interface TargetCheck extends ShardCheck {
  choices: Iterable<Choice>
}

export interface CheckedTargets {
  /** Shards whose blocks are all here, and which passed */
  readonly shards: number
  /** Of these, those that have weights */
  readonly weighted: number
  /** Of these, those whose images were compared with the partition's blocks */
  readonly images: number
  /** Of these, those whose targets were computed again */
  readonly recomputed: number
  readonly rows: number
}

/** Throws `InvalidContentError` naming the first shard that is wrong. */
export async function checkTargets(check: TargetCheck): Promise<CheckedTargets> {
  const { manifest, content, signal } = check
  let [shards, weighted, images, recomputed, rows] = [0, 0, 0, 0, 0]
  const reference = await content.matrix(check.reference, manifest.shared.rows, manifest.dimension, { signal })
  for (const choice of check.choices) {
    signal.throwIfAborted()
    const name = `data/${shardName(choice.partition, manifest.partitions.length)}`
    try {
      const checked = await checkShard(choice, reference, check)
      if (checked === undefined) continue
      shards++
      if (checked.isWeighted) weighted++
      if (checked.hasImages) images++
      if (checked.isRecomputed) recomputed++
      rows += checked.rows
    } catch (error) {
      if (!(error instanceof InvalidContentError)) throw error
      throw new InvalidContentError(`${name} (${choice.alignment.body.shard}): ${error.message}`, { cause: error })
    }
  }
  return { shards, weighted, images, recomputed, rows }
}
