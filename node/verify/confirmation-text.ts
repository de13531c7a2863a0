/** The rule by which the work in a dataset is confirmed, and what a verification found of it. */
import type { Swarm } from '../../src/distribute/manifest.ts'
import { InvalidContentError } from '../../src/errors.ts'
import type { Acceptance } from '../../src/merge/confirmation.ts'
import { LOCAL_VIEW_FILE, MAX_LOCAL_VIEW_BYTES, readLocalView } from '../../src/merge/local-view.ts'
import type { SwarmView } from '../../src/merge/views.ts'
import type { FetchOptions } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import { entryAt, type MergedDirectory } from '../merge/merged-directory.ts'
import type { CheckedVerdicts } from './verify-verdicts.ts'

/** Of a local view. Throws `InvalidContentError`, `ContentUnavailableError`. */
export async function localRule(
  directory: MergedDirectory,
  { manifest }: Swarm,
  { read }: Pick<ContentReader, 'read'>,
  options: FetchOptions
): Promise<{ detail: string; value: Acceptance }> {
  const value = readLocalView(await read(entryAt(directory, LOCAL_VIEW_FILE), MAX_LOCAL_VIEW_BYTES, options), manifest)
  const by = value.trusted === undefined ? 'others' : [...value.trusted].sort().join(', ')
  return { detail: `not the dataset of its swarm: only work that ${value.quorum} of ${by} confirmed`, value }
}

export function confirmationDetail({ chosen, unconfirmed, acceptance }: SwarmView): string {
  const byHistory = [...chosen.values()].filter(({ standing }) => standing?.byHistory === true).length
  return (
    `by ${acceptance?.quorum} other${acceptance?.quorum === 1 ? '' : 's'}: ${chosen.size - unconfirmed.length} of ${chosen.size} shards are confirmed` +
    (byHistory === 0 ? '' : `, ${byHistory} of them by the history of their author`) +
    (unconfirmed.length === 0 ? '' : `; ${unconfirmed.length} are not (provisional)`)
  )
}

/** A report names the first; the counts are of all. */
const MAX_NAMED = 4

/** Throws `InvalidContentError` when verdicts that count are not what their published rows say. */
export function verdictsDetail({ total, recomputed, unavailable, contradictions, ignored }: CheckedVerdicts): string {
  const list = (all: readonly string[]): string =>
    `${all.slice(0, MAX_NAMED).join('; ')}${all.length > MAX_NAMED ? `; and ${all.length - MAX_NAMED} more` : ''}`
  const counts =
    `${recomputed} of ${total} verdicts computed again` +
    (unavailable === 0
      ? ''
      : `, ${unavailable} not: the rows that they compare are not available (--fetch asks peers for them)`)
  if (contradictions.length > 0)
    throw new InvalidContentError(
      `${contradictions.length} of ${recomputed} contradict their rows: ${list(contradictions)}`
    )
  if (ignored.length === 0) return counts
  return `${counts}; ${ignored.length} contradict their rows, by members that were caught and count for nothing: ${list(ignored)}`
}
