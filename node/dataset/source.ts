/**
 * A source of images: a folder (with everything below it) or a tar, read once from end to end, then at random.
 *
 * JPEG, PNG and WebP are known by their magic bytes; anything else is passed over and counted. One broken image stops everything
 * before a single block is made. Kept for each sample: 32 bytes of digest and where it is. A tar cannot be read at random, so its
 * images go to one spool file, which has no name any more once it is open: a killed process leaves nothing behind.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { countDuplicates, sortDigests } from '../../src/distribute/partition.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { assertTar, type Candidate, folderCandidates, tarCandidates } from './candidates.ts'
import { DigestList, NumberList, TextList } from './sample-list.ts'

export interface SourceOptions {
  /** Existing folder for temporary files */
  spool: string
  /** Tries to decode images: for each an error text, or undefined when it is good. Called with batches, one at a time. */
  inspect?: (images: readonly Uint8Array[]) => Promise<ReadonlyArray<string | undefined>>
  /** Images read so far; how many there are is only known at the end */
  onProgress?: (done: number, total?: number) => void
  signal?: AbortSignal
}

export interface Source {
  /** Number of images, duplicates included */
  readonly count: number
  /** Bytes of all images together */
  readonly bytes: number
  /** sha2-256 of image i at 32 i */
  readonly digests: Uint8Array
  /** Images whose bytes occurred before; they are kept */
  readonly duplicates: number
  /** Files that are no images */
  readonly skipped: number
  /** The bytes of image i, as they are now: compare with its digest. */
  read(i: number): Promise<Uint8Array>
  /** For messages to the operator only */
  nameOf(i: number): string
  close(): Promise<void>
}

/** A batch for `inspect` ends before either is exceeded. */
const BATCH_IMAGES = 32
const BATCH_BYTES = 33_554_432

/** Broken images that an error names */
const NAMED_FAULTS = 10

/**
 * Read all of `path` once. Throws `InvalidInputError`: not there, neither folder nor tar, no images, or broken images (the first
 * ten by name and how many there are).
 */
export async function openSource(path: string, options: SourceOptions): Promise<Source> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new InvalidInputError(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause
    })
  })
  if (facts.isDirectory()) return await scan(path, folderCandidates(path), folderPlaces(path), options)
  await assertTar(path)
  const places = await spoolPlaces(options.spool)
  return await scan(path, tarCandidates(path, options.signal), places, options)
}

// --- internal ---

/** Where the bytes of sample i are. */
interface Places {
  add(name: string, bytes: Uint8Array): Promise<void>
  read(i: number): Promise<Uint8Array>
  nameOf(i: number): string
  close(): Promise<void>
}

function folderPlaces(folder: string): Places {
  const names = new TextList()
  return {
    add: async name => {
      names.push(name)
    },
    read: async i => await readFile(join(folder, names.at(i))),
    nameOf: i => names.at(i),
    close: async () => {}
  }
}

async function spoolPlaces(spool: string): Promise<Places> {
  const path = join(spool, `images-${process.pid}-${Date.now()}.spool`)
  const file: FileHandle = await open(path, 'wx+', 0o600)
  await unlink(path)
  const names = new TextList()
  const ends = new NumberList()
  let size = 0
  let count = 0
  return {
    add: async (name, bytes) => {
      await file.appendFile(bytes)
      size += bytes.byteLength
      count++
      names.push(name)
      ends.push(size)
    },
    read: async i => {
      if (i < 0 || i >= count) throw new RangeError(`no image ${i}`)
      const start = i === 0 ? 0 : ends.at(i - 1)
      const bytes = new Uint8Array(ends.at(i) - start)
      const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, start)
      return bytes.subarray(0, bytesRead)
    },
    nameOf: i => names.at(i),
    close: async () => await file.close()
  }
}

async function scan(
  path: string,
  candidates: AsyncIterable<Candidate>,
  places: Places,
  { inspect, onProgress, signal }: SourceOptions
): Promise<Source> {
  const digests = new DigestList()
  const faults: string[] = []
  let faulty = 0
  let skipped = 0
  let bytesTotal = 0
  const addFault = (name: string, fault: string): void => {
    faulty++
    if (faults.length < NAMED_FAULTS) faults.push(`${name}: ${fault}`)
  }
  let batch: { name: string; bytes: Uint8Array }[] = []
  let batchBytes = 0
  const flush = async (): Promise<void> => {
    const errors = await inspect?.(batch.map(image => image.bytes))
    for (const [i, { name, bytes }] of batch.entries()) {
      const error = errors?.[i]
      if (error !== undefined) addFault(name, error)
      // once an image is broken, nothing will be built: only the list of broken ones is still wanted
      else if (faulty === 0) {
        await places.add(name, bytes)
        digests.push(createHash('sha256').update(bytes).digest())
        bytesTotal += bytes.byteLength
      }
    }
    batch = []
    batchBytes = 0
    onProgress?.(digests.count)
  }
  try {
    for await (const { name, bytes, fault } of candidates) {
      signal?.throwIfAborted()
      if (fault !== undefined) addFault(name, fault)
      else if (bytes === undefined) skipped++
      else {
        if (batch.length === BATCH_IMAGES || batchBytes + bytes.byteLength > BATCH_BYTES) await flush()
        batch.push({ name, bytes })
        batchBytes += bytes.byteLength
      }
    }
    if (batch.length > 0) await flush()
    if (faulty > 0) {
      const more = faulty > faults.length ? `\n… and ${faulty - faults.length} more` : ''
      throw new InvalidInputError(
        `${path}: ${faulty} of the images cannot be used; repair or remove them, nothing was published:\n${faults.join('\n')}${more}`
      )
    }
    if (digests.count === 0) {
      throw new InvalidInputError(`${path} has no JPEG, PNG or WebP image (${skipped} other files)`)
    }
  } catch (error) {
    await places.close()
    throw error
  }
  return {
    count: digests.count,
    bytes: bytesTotal,
    digests: digests.bytes,
    duplicates: countDuplicates(digests.bytes, sortDigests(digests.bytes)),
    skipped,
    read: places.read,
    nameOf: places.nameOf,
    close: places.close
  }
}
