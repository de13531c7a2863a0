/**
 * A merged dataset by its root: the manifest, the shards, and their rows one after the other. Nobody but the bytes is believed: the
 * manifest is signed, ids are the CIDs of the images, targets have the manifest's dimensions.
 */
import type { CID } from 'multiformats/cid'
import { isAbsentRow } from '../../src/bytes.ts'
import { MAX_MANIFEST_BYTES, MAX_PARTITION_BYTES, openManifest, type Manifest } from '../../src/distribute/manifest.ts'
import { readSamples } from '../../src/distribute/partition-file.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { row } from '../../src/matrix.ts'
import { readTargets, type ShardRows } from '../../src/publish/shard-rows.ts'
import type { Content } from '../content/content.ts'
import { directoryEntries } from '../content/dag/directory.ts'
import { fileRanges } from '../content/file-ranges.ts'
import { verify } from '../process/verify-signature.ts'

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
  rows(): AsyncGenerator<MergedRow>
}

export interface MergedRows {
  readonly manifest: Manifest
  /** In the order of their names, which is that of the partitions */
  readonly shards: readonly MergedShard[]
}

/** Throws `InvalidContentError` when `root` is no merged dataset, `ContentUnavailableError`. */
export async function openMergedRows(root: CID, content: Content, signal: AbortSignal): Promise<MergedRows> {
  const get = async (cid: CID): Promise<Uint8Array> => await content.block(cid, { signal })
  const list = async (directory: CID): Promise<Map<string, CID>> => {
    const entries = new Map<string, CID>()
    for await (const { name, cid } of directoryEntries(directory, get)) entries.set(name, cid)
    return entries
  }
  const top = await list(root)
  const [data, signed] = [top.get('data'), top.get('manifest.cbor')]
  if (data === undefined || signed === undefined)
    throw new InvalidContentError(`${root} is not a merged dataset: it has no data/ or no manifest.cbor`)
  const { manifest } = openManifest(await content.read(signed, MAX_MANIFEST_BYTES, { signal }), verify)
  const shards = [...(await list(data))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, cid]): MergedShard => ({ name, rows: () => rowsOf(cid, manifest, content, signal) }))
  return { manifest, shards }
}

// --- internal ---

/** Images and targets of a shard side by side. Memory: one row group of each. */
async function* rowsOf(
  cid: CID,
  { dimension, targetDtype }: Manifest,
  content: Content,
  signal: AbortSignal
): AsyncGenerator<MergedRow> {
  // a shard is a partition and its targets: nothing honest is twice as large
  const leaves = await content.leaves(cid, 2 * MAX_PARTITION_BYTES, { signal })
  const file = fileRanges(leaves, async leaf => await content.block(leaf, { signal }))
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
