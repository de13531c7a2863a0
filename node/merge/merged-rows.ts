/**
 * The rows of one shard of a merged dataset: images and targets side by side. Only the bytes are believed: ids are the CIDs of the images,
 * targets have the manifest's dimensions, and every row has its place in both.
 */
import type { CID } from 'multiformats/cid'
import { isAbsentRow } from '../../src/bytes.ts'
import { MAX_PARTITION_BYTES, type Manifest } from '../../src/distribute/manifest.ts'
import { readSamples } from '../../src/distribute/partition-file.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { row } from '../../src/matrix.ts'
import { readTargets, type ShardRows } from '../../src/publish/shard-rows.ts'
import type { FetchOptions } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'

export interface MergedRow {
  /** CID of the image's bytes */
  readonly id: string
  readonly image: Uint8Array
  /** Undefined where the row has none */
  readonly target: Float32Array | undefined
  /** How much the row counts, in [0, 1]; 1 for every row of a shard without weights */
  readonly weight: number
}

export interface MergedShard {
  /** Name in `data/` */
  readonly name: string
  readonly cid: CID
  rows(): AsyncGenerator<MergedRow>
}

/** Memory: one row group of images and one of targets. Throws `InvalidContentError`, `ContentUnavailableError`. */
export async function* shardRows(
  cid: CID,
  { dimension, targetDtype }: Pick<Manifest, 'dimension' | 'targetDtype'>,
  content: Pick<ContentReader, 'ranges'>,
  options: FetchOptions
): AsyncGenerator<MergedRow> {
  // a shard is a partition and its targets: nothing honest is twice as large
  const file = await content.ranges(cid, 2 * MAX_PARTITION_BYTES, options)
  const groups = readTargets(file, dimension, targetDtype)
  let group: ShardRows | undefined
  for await (const { index, id, bytes } of readSamples(file)) {
    while (group === undefined || index >= group.start + group.targets.rows) {
      const next: IteratorResult<ShardRows> = await groups.next()
      if (next.done === true) throw new InvalidContentError(`${cid} has no target for row ${index}`)
      group = next.value
    }
    const target = row(group.targets, index - group.start)
    const weight = group.weights?.[index - group.start] ?? 1
    yield { id, image: bytes, target: isAbsentRow(target) ? undefined : target, weight }
  }
  await groups.return(undefined)
}
