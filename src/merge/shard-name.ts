/** Name of a partition's shard in the merged dataset's `data/`: the pattern that Hugging Face datasets recognises. */
export function shardName(index: number, partitions: number): string {
  const pad = (n: number): string => n.toString().padStart(5, '0')
  return `train-${pad(index)}-of-${pad(partitions)}.parquet`
}
