/** Images of a source that have a label, by name or by the CID of their bytes. */
import { createHash } from 'node:crypto'
import { InvalidInputError } from '../../src/errors.ts'
import { sourceCandidates } from '../image-sources/source-candidates.ts'
import type { SourceAccess } from '../image-sources/source-parts.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'
import type { LabelFile } from './label-file.ts'

export interface LabelledImage {
  /** CID of the bytes */
  readonly id: string
  readonly bytes: Uint8Array
  /** Index into the names of the label file */
  readonly label: number
}

/**
 * A name in the label file may be the name in the source, that name without its archive, or its last part. Files that are not images are skipped.
 * Throws `InvalidInputError` if the source cannot be read, no image has a label, or one name refers to different images.
 */
export async function* labelledImages(
  paths: readonly string[],
  labels: LabelFile,
  access: SourceAccess
): AsyncGenerator<LabelledImage> {
  const ids = new Map<string, string>() // name in the label file -> image
  let first: string | undefined
  let found = 0
  for await (const { name, bytes } of sourceCandidates(paths, access)) {
    access.signal?.throwIfAborted()
    if (bytes === undefined) continue
    first ??= name
    const id = sha256Cid(createHash('sha256').update(bytes).digest()).toString()
    if (labels.by === 'id') {
      const label = labels.of(id)
      if (label === undefined) continue
      found++
      yield { id, bytes, label }
      continue
    }
    for (const key of namesOf(name)) {
      const label = labels.of(key)
      if (label === undefined) continue
      const known = ids.get(key)
      if (known !== undefined && known !== id)
        throw new InvalidInputError(`${labels.path}: "${key}" matches several images, including ${name}`)
      ids.set(key, id)
      found++
      yield { id, bytes, label }
      break
    }
  }
  if (found > 0) return
  const images = first === undefined ? 'which has no image' : `whose first image is "${first}"`
  throw new InvalidInputError(`no ${labels.by} in ${labels.path} matches an image of ${paths.join(', ')}, ${images}`)
}

// --- internal ---

/** "a.tar: folder/x.jpg" -> itself, "folder/x.jpg", "x.jpg". */
function namesOf(name: string): Set<string> {
  const inner = name.replace(/^.*?\.(tar|parquet): /i, '')
  return new Set([name, inner, inner.slice(inner.lastIndexOf('/') + 1)])
}
