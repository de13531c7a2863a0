/** Judges the scores of a merged dataset again from its evidence: figures that records claim are never believed. */
import type { Assessment } from '../../src/align/gate.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { targetsName } from '../../src/merge/shard-name.ts'
import { assessmentKey } from '../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../src/publish/record.ts'
import { createExact, type Exact } from '../compute/exact/exact.ts'
import type { FetchOptions } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import type { MergedDirectory } from './merged-directory.ts'

export interface AssessedScores {
  /** Has assessed the scores below; the caller closes it */
  readonly exact: Exact
  /** By `assessmentKey` */
  readonly assessments: ReadonlyMap<string, Assessment>
  /** Of the given scores those whose targets the dataset has */
  readonly scores: ReadonlyArray<SignedRecord<Score>>
}

/** Throws `InvalidContentError` for matrices of another shape, `ContentUnavailableError`; no thread is left then. */
export async function assessScores(
  { entries }: MergedDirectory,
  swarm: Swarm,
  given: ReadonlyArray<SignedRecord<Score>>,
  content: Pick<ContentReader, 'matrix'>,
  options: FetchOptions
): Promise<AssessedScores> {
  const { shared, dimension, referenceFeatures } = swarm.manifest
  const features = await content.matrix(referenceFeatures.cid, shared.rows, referenceFeatures.dimension, options)
  const exact = await createExact(swarm, features)
  try {
    // a score without its targets is there as a proof of equivocation only
    const scores = given.filter(({ body }) => entries.has(`evidence/${targetsName(body.targets)}`))
    const assessments = new Map<string, Assessment>()
    for (const { body } of scores) {
      const targets = await content.matrix(body.targets, shared.rows, dimension, options)
      assessments.set(assessmentKey(body), await exact.assess(body.targets, body.prior.kind, targets))
    }
    return { exact, assessments, scores }
  } catch (error) {
    await exact.close()
    throw error
  }
}
