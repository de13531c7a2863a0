/** What `publish` answers about a new swarm, besides its invite. */
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { PublishReport } from '../api/reports.ts'

/** `duplicates` and `broken` count images. */
export function publishReport(
  { id, manifest }: Swarm,
  { duplicates, broken }: { duplicates: number; broken: number }
): Omit<PublishReport, 'invite'> {
  return {
    manifest: id.toString(),
    samples: manifest.samples,
    duplicates,
    ...(broken === 0 ? {} : { broken }),
    partitions: manifest.partitions.length,
    shared: manifest.shared.rows,
    dimension: manifest.dimension,
    bytes: manifest.partitions.reduce((sum, p) => sum + p.bytes, manifest.shared.bytes)
  }
}
