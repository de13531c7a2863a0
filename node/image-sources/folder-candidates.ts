/** The files of a folder, with everything below it, as images. */
import { open, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { type Candidate, judge } from './candidates.ts'
import { createComponents } from './components.ts'
import { kindByName, refusalOf } from './file-kinds.ts'
import { walkFolder } from './folder-walk.ts'
import { isTextLink, LINK_REMEDY } from './text-links.ts'

export interface FolderOptions {
  /** The component of a sample that is the image; of a file's name what follows its first dot */
  readonly component?: string
  /** Most bytes of an image */
  readonly maxBytes?: number
  /** Only image files were asked for: archives beside them are passed over */
  readonly only?: string
  readonly signal?: AbortSignal
}

/** In the order of the file system. */
export async function* folderCandidates(folder: string, options: FolderOptions = {}): AsyncGenerator<Candidate> {
  const components = createComponents(folder, options.component ?? 'all')
  for await (const { name, status } of walkFolder(folder, options.signal)) {
    if (status === 'hidden') yield { name, leftOut: 'hidden' }
    else if (status === 'special') yield { name, leftOut: 'other' }
    else if (status === 'link' && kindByName(name) !== 'images') yield { name, leftOut: 'link' }
    else {
      const kind = kindByName(name)
      if (kind === undefined || kind === 'images') {
        const candidate = await fileCandidate(folder, name, options.maxBytes ?? MAX_IMAGE_BYTES)
        const isOther = candidate.bytes !== undefined && !components.isWanted(basename(name))
        yield isOther ? { name, leftOut: 'component' } : candidate
      } else if (options.only !== undefined) yield { name, leftOut: 'kind' }
      else if (kind === 'parquet') yield { name, leftOut: 'metadata' }
      else
        yield {
          name,
          fault: (await refusedBytes(join(folder, name))) ?? 'archives of this kind are not read: unpack it'
        }
    }
  }
}

/** The beginning of a file. */
export async function headOf(path: string, length: number): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

// --- internal ---

/** Enough for every name in file-kinds.ts */
const HEAD_BYTES = 512

async function refusedBytes(path: string): Promise<string | undefined> {
  return refusalOf(await headOf(path, HEAD_BYTES))
}

/** A file that cannot be read could be an image: it is a fault, never passed over in silence. */
async function fileCandidate(folder: string, name: string, maxBytes: number): Promise<Candidate> {
  const path = join(folder, name)
  try {
    const { size } = await stat(path)
    if (size > maxBytes) return judge(name, await headOf(path, HEAD_BYTES), { size, maxBytes })
    const bytes = await readFile(path)
    const judged = judge(name, bytes, { maxBytes })
    if (judged.bytes === undefined && judged.leftOut !== 'hidden' && (await isTextLink(path, bytes)))
      return kindByName(name) === 'images'
        ? { name, fault: `it is a link that Git checked out as text: ${LINK_REMEDY}` }
        : { name, leftOut: 'text-link' }
    return { ...judged, folder }
  } catch (error) {
    return { name, fault: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}
