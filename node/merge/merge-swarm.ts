/**
 * Step 5 on this machine: the view of a swarm as a merged dataset in the store.
 *
 * Guarantees that the directory is that of one view: records and verdicts that come while it is made do not change it.
 */
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../../src/envelope.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { mergeDataset, type MergedDataset } from '../../src/merge/dataset.ts'
import type { SwarmView } from '../../src/merge/views.ts'
import { MAX_BUNDLE_BYTES } from '../../src/publish/bundle.ts'
import type { ContentWriter } from '../content/content.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import type { LocalContent } from '../content/local-content.ts'
import { keepBundle } from '../priors/bundle/fetch-bundle.ts'
import { createPool } from '../process/pool.ts'
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

/** Files fetched at once: thousands of small ones would otherwise wait for a round trip each. Large ones share the line. */
const FETCHES = 32

/**
 * Bring every file of a merged dataset here, each from any member that has it, the author of the record that names it first. Throws
 * `ContentUnavailableError` for one that nobody sends.
 */
export async function fetchMerged(
  { swarm: { manifest } }: Pick<Mergeable, 'swarm'>,
  { view }: Pick<MergedSwarm, 'view'>,
  content: ContentFetcher,
  signal: AbortSignal,
  onFile: (done: number, total: number) => void = () => {}
): Promise<void> {
  const { shared, referenceFeatures, publisher, dimension } = manifest
  const failed = new AbortController()
  const options = { signal: AbortSignal.any([signal, failed.signal]) }
  const tasks = new Map<string, () => Promise<void>>() // by CID: a score is that of many partitions
  const file = (cid: CID, bytes: number, from: PeerKey): void => {
    tasks.set(`${cid}`, async () => await content.fetch(cid, bytes, { ...options, from }))
  }
  for (const { cid, bytes } of [shared, referenceFeatures]) file(cid, bytes, publisher)
  for (const { score, alignment } of view.chosen.values()) {
    const { targets, prior, author } = score.body
    file(alignment.body.shard, alignment.body.bytes, alignment.body.author)
    file(targets, shared.rows * dimension * 4, author)
    const { bundle } = prior
    if (bundle !== undefined)
      tasks.set(`${bundle.cid}`, async () => {
        await keepBundle({ ...bundle, dagBytes: MAX_BUNDLE_BYTES }, content, { ...options, from: author })
      })
  }
  let done = 0
  const pool = createPool(FETCHES)
  try {
    for (const task of tasks.values())
      await pool.add(async () => {
        try {
          await task()
        } catch (error) {
          failed.abort(error) // the others would wait for their own deadlines
          throw error
        }
        onFile(++done, tasks.size)
      })
  } finally {
    await pool.done()
  }
}
