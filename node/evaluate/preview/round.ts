/**
 * The round that a prior would join: its rules, the scores that are there and what they are worth, from a swarm of this home or from the
 * files of a merged dataset alone. Looking takes no part: nothing is signed and nothing published.
 */
import type { CID } from 'multiformats/cid'
import type { Assessment } from '../../../src/align/gate.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import type { RecordSet } from '../../../src/merge/record-set.ts'
import { targetsName } from '../../../src/merge/shard-name.ts'
import { assessmentKey, countedScores, type Evidence } from '../../../src/merge/views.ts'
import type { Content } from '../../content/content.ts'
import { createExact, type Exact } from '../../compute/exact/exact.ts'
import type { Membership } from '../../swarms/membership.ts'
import { listDirectory, readManifest, readRecords } from '../../merge/merged-files.ts'

export interface Round {
  readonly swarm: Swarm
  readonly set: RecordSet
  readonly evidence: Evidence
  /** Has assessed what `evidence` says */
  readonly exact: Exact
  /** Scores whose targets could not be had: the election may come out otherwise */
  readonly unjudged: number
  close(): Promise<void>
}

/** What a membership knows after it has met the other members, if there are any. */
export async function roundOfSwarm(membership: Membership, catchUpMs: number, signal: AbortSignal): Promise<Round> {
  const { swarm, state, exact } = membership
  await membership.catchUp(catchUpMs, signal)
  await state.settled(signal)
  const { set, evidence } = state
  return { swarm, set, evidence, exact, unjudged: state.unjudged(), close: async () => {} }
}

/**
 * Every score that the dataset has targets of is assessed here: nothing is believed. `close` ends the thread that did.
 *
 * Throws `InvalidContentError`, `InvalidManifestError` or `InvalidRecordError` for a directory that is no merged dataset,
 * `ContentUnavailableError`.
 */
export async function roundOfDataset(root: CID, content: Content, signal: AbortSignal): Promise<Round> {
  const entries = await listDirectory(root, content, signal)
  const swarm = await readManifest(entries, content, signal)
  const { shared, dimension, referenceFeatures } = swarm.manifest
  const set = await readRecords(entries, swarm, content, signal)
  const options = { signal }
  const features = await content.matrix(referenceFeatures.cid, shared.rows, referenceFeatures.dimension, options)
  const exact = await createExact(swarm, features)
  try {
    const assessments = new Map<string, Assessment>()
    for (const { body } of countedScores(set)) {
      // a score without its targets is there as a proof of equivocation only
      if (!entries.has(`evidence/${targetsName(body.targets)}`)) continue
      const targets = await content.matrix(body.targets, shared.rows, dimension, options)
      assessments.set(assessmentKey(body), await exact.assess(body.targets, body.prior.kind, targets))
    }
    const evidence = { assessments, qualities: new Map() }
    return { swarm, set, evidence, exact, unjudged: 0, close: async () => await exact.close() }
  } catch (error) {
    await exact.close()
    throw error
  }
}
