/**
 * The round that a prior would join: its rules, the scores that are there and what they are worth, from a swarm of this home or from the
 * files of a merged dataset alone. Looking takes no part: nothing is signed and nothing published.
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
  /** Has assessed what `evidence` says */
  readonly exact: Exact
  /** Scores whose targets could not be fetched: the election may come out differently */
  readonly unjudged: number
  close(): Promise<void>
}

/** What a membership knows after it has met the other members, if there are any. */
export async function roundOfSwarm(membership: Membership, catchUpMs: number, signal: AbortSignal): Promise<Round> {
  const { swarm, state, exact } = membership
  await membership.catchUp(catchUpMs, signal)
  await state.untilJudged(signal)
  const { set, evidence } = state
  return { swarm, set, evidence, exact, unjudged: state.unjudged(), close: async () => {} }
}

/**
 * Every score that the dataset has targets of is assessed here: nothing is believed. `close` ends the thread that did.
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
