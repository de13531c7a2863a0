/**
 * Stores a shard: the partition's file with aligned targets and weights appended. Only the new blocks are put; the blocks of the images are those
 * of the partition, and are not read.
 */
import type { CID } from 'multiformats/cid'
import { shardFile, type NewColumns, type Shard } from '../../src/publish/shard.ts'
import type { Content } from '../content/content.ts'
import { fileRanges } from '../content/file-ranges.ts'

export async function storeShard(
  content: Pick<Content, 'leaves' | 'block' | 'put'>,
  partition: { cid: CID; bytes: number },
  columns: NewColumns,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal
): Promise<Shard> {
  const file = await content.leaves(partition.cid, partition.bytes, { signal })
  const source = fileRanges(file, async cid => await content.block(cid, { signal }))
  return await shardFile({ source, leaves: file.leaves, columns, metadata, put: content.put })
}
