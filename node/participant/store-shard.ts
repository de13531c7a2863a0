/** Aligned targets and weights -> the partition's shard in the store. Only the new blocks are put: the images' blocks are those of the partition. */
import type { CID } from 'multiformats/cid'
import { shardFile, type NewColumns, type Shard } from '../../src/publish/shard.ts'
import type { Content } from '../content/content.ts'
import { fileRanges } from '../content/file-ranges.ts'

export async function storeShard(
  content: Content,
  partition: { cid: CID; bytes: number },
  columns: NewColumns,
  metadata: Readonly<Record<string, string>>,
  signal: AbortSignal
): Promise<Shard> {
  const file = await content.leaves(partition.cid, partition.bytes, { signal })
  const source = fileRanges(file, async cid => await content.block(cid, { signal }))
  return await shardFile({ source, leaves: file.leaves, columns, metadata, put: content.put })
}
