/** Names of files in a merged dataset. */
import type { CID } from 'multiformats/cid'

/** Name of a partition's shard in the merged dataset's `data/`: the pattern that Hugging Face datasets recognises. */
export function shardName(index: number, partitions: number): string {
  const pad = (n: number): string => n.toString().padStart(5, '0')
  return `train-${pad(index)}-of-${pad(partitions)}.parquet`
}

/** Name of a prior's targets on the shared set in `evidence/`: one file, no matter how many records cite it. */
export function targetsName(targets: CID): string {
  return `targets-${targets}.f32`
}
