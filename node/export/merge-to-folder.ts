/**
 * `coopt merge --out DIR`: a swarm merged and written by the writer of every export, so that the folder is exactly the dataset whose CID is
 * printed, whatever comes while it is written.
 */
import type { ApiEvent } from '../api/events.ts'
import type { ContentWriter } from '../content/content.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import { fetchMerged, mergeSwarm, type Mergeable, type MergedSwarm } from '../merge/merge-swarm.ts'
import { writeFiles } from './write-files.ts'

/** Throws `InvalidInputError` for a folder that is not new or empty, `ContentUnavailableError`; nothing is left in the folder then. */
export async function mergeToFolder(
  membership: Mergeable,
  folder: string,
  content: ContentFetcher & ContentWriter,
  signal: AbortSignal,
  onEvent: (event: ApiEvent) => void = () => {}
): Promise<MergedSwarm> {
  using writing = content.writing() // a later view has another directory, and garbage collection would take this one
  const merged = await mergeSwarm(membership, { ...content, put: writing.put })
  await fetchMerged(membership, merged, content, signal, (done, total) => {
    onEvent({ type: 'exporting', step: 'fetch', done, total })
  })
  await writeFiles(
    merged.root,
    folder,
    async cid => await content.block(cid, { signal }),
    ({ files }) => onEvent({ type: 'exporting', step: 'files', done: files })
  )
  return merged
}
