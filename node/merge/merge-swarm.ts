/**
 * Step 5 on this machine: the view of a swarm as a merged dataset in the store.
 *
 * Guarantees that the directory is that of one view: records and verdicts that come while it is made do not change it.
 */
import type { CID } from 'multiformats/cid'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { mergeDataset, type MergedDataset } from '../../src/merge/dataset.ts'
import type { SwarmView } from '../../src/merge/views.ts'
import { MAX_BUNDLE_BYTES } from '../../src/publish/bundle.ts'
import type { ContentWriter } from '../content/content.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import type { LocalContent } from '../content/local-content.ts'
import { keepBundle } from '../priors/bundle/fetch-bundle.ts'
import { failpoint } from '../process/failpoint.ts'
import type { ReadableState } from '../state/swarm-state.ts'

/** What a merge needs of a membership. */
export interface Mergeable {
  readonly swarm: Swarm
  readonly state: Pick<ReadableState, 'set' | 'evidence' | 'view'>
}

export interface MergedSwarm extends MergedDataset {
  /** What was merged */
  readonly view: SwarmView
}

/** In place of the content: to learn what a merged directory is, without storing it. A full disk does not matter then. */
export const UNSTORED: Pick<ContentWriter, 'put' | 'barrier'> = { put: async () => {}, barrier: async () => {} }

/** Merge what this node knows. The directory's blocks are durable when this resolves. */
export async function mergeSwarm(
  { swarm, state }: Mergeable,
  content: Pick<ContentWriter, 'put' | 'barrier'>
): Promise<MergedSwarm> {
  const view = state.view()
  const evidence = { ...state.evidence, assessments: new Map(state.evidence.assessments) } // the judge goes on
  const merged = await mergeDataset(swarm, state.set, evidence, view)
  for (const { cid, bytes } of merged.blocks) {
    await failpoint('merge')
    await content.put(cid, bytes)
  }
  await content.barrier()
  return { ...merged, view }
}

/**
 * A root that is not in the store may be what this node's swarms merge to: one that has all records but did not merge yet makes it. What is
 * still missing afterwards has to come from others.
 */
export async function mergeUnlessKnown(
  root: CID,
  swarms: Iterable<Mergeable>,
  content: Pick<LocalContent, 'has'> & Pick<ContentWriter, 'put' | 'barrier'>
): Promise<void> {
  if (await content.has(root)) return
  for (const membership of swarms) await mergeSwarm(membership, content)
}

/**
 * Bring every file of a merged dataset here, each from the author of the record that names it, or its publisher. Throws
 * `ContentUnavailableError` for one that nobody sends.
 */
export async function fetchMerged(
  { swarm: { manifest } }: Pick<Mergeable, 'swarm'>,
  { view }: Pick<MergedSwarm, 'view'>,
  content: ContentFetcher,
  signal: AbortSignal
): Promise<void> {
  const { shared, referenceFeatures, publisher, dimension } = manifest
  for (const { cid, bytes } of [shared, referenceFeatures]) await content.fetch(cid, bytes, { signal, from: publisher })
  const matrixBytes = shared.rows * dimension * 4
  for (const { score, alignment } of view.chosen.values()) {
    const { shard, bytes, author } = alignment.body
    await content.fetch(shard, bytes, { signal, from: author })
    const { targets, prior, author: owner } = score.body
    await content.fetch(targets, matrixBytes, { signal, from: owner })
    if (prior.bundle !== undefined)
      await keepBundle({ ...prior.bundle, dagBytes: MAX_BUNDLE_BYTES }, content, { signal, from: owner })
  }
}
