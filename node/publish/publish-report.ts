/** What `publish` answers about a new swarm, besides its invite. */
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { PublishReport } from '../api/reports.ts'
import { confirmedBy } from './publish-options.ts'
import type { LeftOut } from '../image-sources/left-out.ts'

/** `duplicates` counts images. */
export function publishReport(
  { id, manifest }: Swarm,
  { duplicates, leftOut, sharedReason }: { duplicates: number; leftOut: readonly LeftOut[]; sharedReason?: string }
): Omit<PublishReport, 'invite'> {
  return {
    manifest: id.toString(),
    samples: manifest.samples,
    duplicates,
    leftOut: [...leftOut],
    partitions: manifest.partitions.length,
    shared: manifest.shared.rows,
    ...(sharedReason === undefined ? {} : { sharedReason }),
    dimension: manifest.dimension,
    confirmedBy: confirmedBy(manifest),
    bytes: manifest.partitions.reduce((sum, p) => sum + p.bytes, manifest.shared.bytes)
  }
}
