/** The files of a folder, with everything below it, as images. */
import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { createBudget } from '../process/budget.ts'
import { inOrder } from '../process/in-order.ts'
import { type Candidate, judge } from './candidates.ts'
import { createComponents } from './components.ts'
import { kindByName, refusalOf } from './file-kinds.ts'
import { walkFolder, type WalkedFile } from './folder-walk.ts'
import { createImageReader, cutByBytes, MAX_READERS, type ReadImage } from './image-reader.ts'
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

/** In the order of the file system. Files are looked at and read ahead, several at once: `AHEAD_BYTES`, or one that is larger. */
export async function* folderCandidates(folder: string, options: FolderOptions = {}): AsyncGenerator<Candidate> {
  const components = createComponents(folder, options.component ?? 'all')
  const maxBytes = options.maxBytes ?? MAX_IMAGE_BYTES
  const reader = createImageReader()
  const budget = createBudget(AHEAD_BYTES)
  const looked = inOrder(grouped(walkFolder(folder, options.signal)), 2, async group => await looks(group))
  const read = inOrder(parts(looked), MAX_READERS + 1, async part => {
    const { release } = await budget.take(part.reduce((sum, { length }) => sum + length, 0))
    const ranges = part.flatMap(({ name, length, fault }) =>
      length === 0 || fault !== undefined ? [] : [{ path: join(folder, name), start: 0, length }]
    )
    const images = ranges.length === 0 ? [] : await reader.read(ranges)
    const candidates: Candidate[] = []
    for (const file of part) candidates.push(await candidateOf(file, file.length > 0 ? images.shift() : undefined))
    return { candidates, release }
  })
  try {
    for await (const { candidates, release } of read) {
      yield* candidates
      release()
    }
  } finally {
    await reader.close()
  }

  /** Sizes of those files that are to be read; whole, or their beginning */
  async function looks(group: readonly WalkedFile[]): Promise<FoundFile[]> {
    const isRead = ({ name, status }: WalkedFile): boolean => {
      const kind = kindByName(name)
      return (
        (status === 'file' || (status === 'link' && kind === 'images')) && (kind === undefined || kind === 'images')
      )
    }
    const paths = group.filter(isRead).map(({ name }) => join(folder, name))
    const sizes = (paths.length === 0 ? [] : await reader.sizes(paths)).values()
    return group.map(file => {
      const size = isRead(file) ? (sizes.next().value ?? 0) : undefined
      if (typeof size !== 'number') return { ...file, length: 0, fault: size }
      return { ...file, size, length: size > maxBytes ? HEAD_BYTES : size }
    })
  }

  async function candidateOf(
    { name, status, size, fault }: FoundFile,
    image: ReadImage | undefined
  ): Promise<Candidate> {
    const reason = fault ?? image?.fault
    if (reason !== undefined) return { name, fault: `it cannot be read: ${reason}` }
    if (status === 'hidden') return { name, leftOut: 'hidden' }
    if (status === 'special') return { name, leftOut: 'other' }
    if (size === undefined) {
      if (status === 'link') return { name, leftOut: 'link' }
      if (options.only !== undefined) return { name, leftOut: 'kind' }
      if (kindByName(name) === 'parquet') return { name, leftOut: 'metadata' }
      const path = join(folder, name)
      return { name, fault: (await refusedBytes(path)) ?? 'archives of this kind are not read: unpack it' }
    }
    const bytes = image?.bytes ?? new Uint8Array(0)
    const judged = judge(name, bytes, size > maxBytes ? { size, maxBytes } : { maxBytes })
    if (judged.bytes !== undefined)
      return components.isWanted(basename(name))
        ? { ...judged, folder, ...(image === undefined ? {} : { digest: image.digest }) }
        : { name, leftOut: 'component' }
    if (size <= maxBytes && judged.leftOut !== 'hidden' && (await isTextLink(join(folder, name), bytes)))
      return kindByName(name) === 'images'
        ? { name, fault: `it is a link that Git checked out as text: ${LINK_REMEDY}` }
        : { name, leftOut: 'text-link' }
    return judged
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
/** Files whose sizes are asked for together: a question to a thread takes as long as a few of them. */
const LOOKED_AT = 256
/** Read ahead of the inspection; the largest image is as large. */
const AHEAD_BYTES = MAX_IMAGE_BYTES

async function refusedBytes(path: string): Promise<string | undefined> {
  return refusalOf(await headOf(path, HEAD_BYTES))
}

/** A file that cannot be read could be an image: it is a fault, never passed over in silence. */
interface FoundFile extends WalkedFile {
  /** Of a file that is read */
  readonly size?: number
  /** Bytes to read */
  readonly length: number
  readonly fault?: string | undefined
}

async function* grouped(files: AsyncIterable<WalkedFile>): AsyncGenerator<WalkedFile[]> {
  let group: WalkedFile[] = []
  for await (const file of files) {
    group.push(file)
    if (group.length < LOOKED_AT) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

/** What is read at once. */
async function* parts(groups: AsyncIterable<readonly FoundFile[]>): AsyncGenerator<FoundFile[]> {
  for await (const group of groups) yield* cutByBytes(group, ({ length }) => length)
}
