/**
 * What a swarm may still take of the disk of this node: an upper bound from the manifest and what is here already.
 *
 * A shard is the partition's blocks with targets appended (src/publish/shard.ts), so images count once, however often they are aligned.
 */
import type { CID } from 'multiformats/cid'
import type { Manifest } from '../../src/distribute/manifest.ts'

export interface DiskNeed {
  /** For the work of one more partition: its images, raw targets, journal and shard */
  readonly onePartition: number
  /** If this node did, or kept, everything that is missing here */
  readonly everything: number
}

/** Directory, records, tree nodes and footers, as a share of the rest: 1 MiB leaves need 50 bytes of links each, so this is generous. */
const OVERHEAD = 0.01

/** Features and raw targets are float32. */
const FLOAT_BYTES = 4
const WEIGHT_BYTES = 4

/** `holds`: which files are here completely, one answer each. `partitions`: at most so many more will be worked on. */
export async function diskNeed(
  { partitions, shared, referenceFeatures, dimension, targetDtype }: Manifest,
  holds: (cids: readonly CID[]) => Promise<boolean[]>,
  { partitions: most = Number.POSITIVE_INFINITY }: { partitions?: number } = {}
): Promise<DiskNeed> {
  const raw = (rows: number): number => rows * dimension * FLOAT_BYTES
  const shard = (rows: number): number =>
    rows * (dimension * (targetDtype === 'float16' ? 2 : FLOAT_BYTES) + WEIGHT_BYTES)
  const [hasShared = false, hasFeatures = false, ...has] = await holds(
    [shared, referenceFeatures, ...partitions].map(({ cid }) => cid)
  )
  const once =
    (hasShared ? 0 : shared.bytes) +
    (hasFeatures ? 0 : shared.rows * referenceFeatures.dimension * FLOAT_BYTES) +
    raw(shared.rows)
  const each = partitions
    .map(({ rows, bytes }, i) => (has[i] === true ? 0 : bytes) + raw(rows) + shard(rows))
    .sort((a, b) => b - a)
  const journal = raw(Math.max(...partitions.map(({ rows }) => rows)))
  const withOverhead = (bytes: number): number => Math.ceil(bytes * (1 + OVERHEAD))
  const sum = each.slice(0, most).reduce((total, bytes) => total + bytes, 0)
  return {
    onePartition: withOverhead(once + journal + (most === 0 ? 0 : (each[0] ?? 0))),
    everything: withOverhead(once + journal + sum)
  }
}
