/** `coopt export CID`: a merged dataset in the formats of other programs. Everything is streamed, and no file that exists is touched. */
import type { CID } from 'multiformats/cid'
import { InvalidInputError } from '../../src/errors.ts'
import type { ApiEvent } from '../api/events.ts'
import type { ExportOptions, ExportReport } from '../api/upkeep.ts'
import { openMerged, type MergedSource } from '../merge/open-merged.ts'
import { withInline } from '../content/dag/blocks.ts'
import { fetchAhead } from '../content/dag/fetch-ahead.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import { writeCar } from './write-car.ts'
import { type Written, writeFiles } from './write-files.ts'
import { npyFiles, writeNpy, type WrittenRows } from './write-npy.ts'
import { writeWebDataset } from './write-webdataset.ts'

/** An event for each of so many blocks or rows. */
const EVENT_STEP = 256

export interface ExportComponents {
  content: MergedSource & Pick<ContentFetcher, 'bring'>
  onEvent(event: ApiEvent): void
  signal: AbortSignal
}

/** Throws `InvalidInputError`, `InvalidContentError`, `ContentUnavailableError`. */
export async function exportDataset(
  root: CID,
  { out, car, webdataset, npy }: ExportOptions,
  { content, onEvent, signal }: ExportComponents
): Promise<ExportReport> {
  /** The blocks for one writer, fetched ahead of it */
  const ahead = (roots: readonly CID[]) => fetchAhead(roots, content, { signal })
  const tell =
    (step: 'files' | 'car' | 'webdataset' | 'npy', every: number, total?: number) =>
    (done: number): void => {
      if (done % every === 0) onEvent({ type: 'exporting', step, done, ...(total === undefined ? {} : { total }) })
    }
  const parts: Written[] = []
  const written: string[] = []
  let rows: WrittenRows | undefined
  if (out !== undefined) {
    const onFile = tell('files', 1)
    using below = ahead([root])
    parts.push(await writeFiles(root, out, withInline(below.get), ({ files }) => onFile(files)))
    written.push(out)
  }
  if (car !== undefined) {
    using below = ahead([root])
    parts.push(await writeCar(root, car, withInline(below.get), tell('car', EVENT_STEP)))
    written.push(car)
  }
  if (webdataset !== undefined || npy !== undefined) {
    const merged = await openMerged(root, content, { signal })
    const { samples } = merged.manifest
    using _ = ahead(merged.shards.map(({ cid }) => cid))
    if (webdataset !== undefined) {
      rows = await writeWebDataset(merged, webdataset, tell('webdataset', EVENT_STEP, samples))
      parts.push(rows)
      written.push(webdataset)
    }
    if (npy !== undefined) {
      rows = await writeNpy(merged, npy, tell('npy', EVENT_STEP, samples))
      parts.push(rows)
      written.push(...npyFiles(npy))
    }
  }
  if (parts.length === 0)
    throw new InvalidInputError('say what to write: --out DIR, --car FILE, --webdataset DIR or --npy FILE')
  return {
    cid: root.toString(),
    files: parts.reduce((sum, { files }) => sum + files, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(rows === undefined ? {} : { rows: rows.rows, withoutTarget: rows.withoutTarget }),
    written
  }
}
