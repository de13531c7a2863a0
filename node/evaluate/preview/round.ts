/**
 * The round that a prior would join: its rules, the existing scores and their values, from a swarm of this home or from the files of a merged dataset
 * alone. This is read-only: nothing is signed or published.
 */
import type { Swarm } from '../../../src/distribute/manifest.ts'
import type { RecordSet } from '../../../src/merge/record-set.ts'
import { countedScores } from '../../../src/merge/counted-scores.ts'
import type { Evidence } from '../../../src/merge/views.ts'
import type { ContentReader } from '../../content/read-content.ts'
import type { Exact } from '../../compute/exact/exact.ts'
import type { Membership } from '../../swarms/membership.ts'
import { assessScores } from '../../merge/assess-scores.ts'
import { readRecords, type OpenMerged } from '../../merge/open-merged.ts'

export interface Round {
  readonly swarm: Swarm
  readonly set: RecordSet
  readonly evidence: Evidence
  /** Computed the assessments in `evidence` */
  readonly exact: Exact
  /** Scores whose targets could not be fetched: with them the election may end differently */
  readonly unjudged: number
  close(): Promise<void>
}

/** The state of a membership after it has synced with other members, if there are any. */
export async function roundOfSwarm(membership: Membership, catchUpMs: number, signal: AbortSignal): Promise<Round> {
  const { swarm, state, exact } = membership
  await membership.catchUp(catchUpMs, signal)
  await state.untilJudged(signal)
  const { set, evidence } = state
  return { swarm, set, evidence, exact, unjudged: state.unjudged(), close: async () => {} }
}

/**
 * Every score whose targets are in the dataset is assessed here; no claim is trusted. `close` ends the thread that does it.
 *
 * Throws `InvalidContentError`, `InvalidRecordError`, `ContentUnavailableError`.
 */
export async function roundOfDataset(
  { directory, swarm }: Pick<OpenMerged, 'directory' | 'swarm'>,
  content: Pick<ContentReader, 'read' | 'matrix'>,
  signal: AbortSignal
): Promise<Round> {
  const set = await readRecords(directory, swarm, content, { signal })
  const { exact, assessments } = await assessScores(directory, swarm, countedScores(set), content, { signal })
  const evidence = { assessments, qualities: new Map() }
  return { swarm, set, evidence, exact, unjudged: 0, close: async () => await exact.close() }
}
