/**
 * A source of images: folders (with everything below), tars, Parquet files or directories on IPFS, read once from end to end, then
 * at random.
 *
 * JPEG, PNG and WebP are known by their magic bytes; anything else is passed over and counted. A broken image stops everything
 * before a single block is made, unless broken ones are to be left out. Kept for each sample: 32 bytes of digest and where it is
 * (image-places.ts). What cannot be read at random goes to one spool file.
 */
import { createHash } from 'node:crypto'
import { countDuplicates, firstOfEach, sortDigests } from '../../src/distribute/partition.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Candidate } from './candidates.ts'
import { createImagePlaces, type ImagePlaces } from './image-places.ts'
import { DigestList } from './sample-list.ts'
import { sourceCandidates } from './source-candidates.ts'
import type { RemoteDirectories } from './unixfs-candidates.ts'

export interface SourceOptions {
  /** Existing folder for temporary files */
  spool: string
  /** Tries to decode images: for each an error text, or undefined when it is good. Called with batches, one at a time. */
  inspect?: (images: readonly Uint8Array[]) => Promise<ReadonlyArray<string | undefined>>
  /** Images whose bytes occurred before are left out; they are kept by default. */
  dedupe?: boolean
  /** Called for every broken image, which is then left out; without it, one broken image is an error. */
  onBroken?: (name: string, fault: string) => void
  /** For sources that are named by CID */
  remote?: RemoteDirectories
  /** Images read so far; how many there are is only known at the end */
  onProgress?: (done: number, total?: number) => void
  signal?: AbortSignal
}

export interface Source {
  /** Number of images, duplicates included unless they are left out */
  readonly count: number
  /** Bytes of these images together */
  readonly bytes: number
  /** sha2-256 of image i at 32 i */
  readonly digests: Uint8Array
  /** Images whose bytes occurred before */
  readonly duplicates: number
  /** Files that are no images */
  readonly skipped: number
  /** Broken images that were left out */
  readonly broken: number
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
 * Read all of `paths` once, in their order. Throws `InvalidInputError`: not there, of no kind that is read here, no images, or broken
 * images (the first ten by name and how many there are).
 */
export async function openSource(paths: string | readonly string[], options: SourceOptions): Promise<Source> {
  const list = typeof paths === 'string' ? [paths] : paths
  const places = createImagePlaces(options.spool)
  try {
    return await scan(list, places, options)
  } catch (error) {
    await places.close()
    throw error
  }
}

// --- internal ---

interface Faults {
  add(name: string, fault: string): void
  readonly count: number
  readonly named: readonly string[]
}

function createFaults(onBroken: SourceOptions['onBroken']): Faults {
  const named: string[] = []
  let count = 0
  return {
    add: (name, fault) => {
      count++
      onBroken?.(name, fault)
      if (named.length < NAMED_FAULTS) named.push(`${name}: ${fault}`)
    },
    get count() {
      return count
    },
    named
  }
}

async function scan(paths: readonly string[], places: ImagePlaces, options: SourceOptions): Promise<Source> {
  const { inspect, onBroken, onProgress, remote, signal } = options
  const label = paths.length === 1 ? (paths[0] as string) : `${paths.length} sources`
  const digests = new DigestList()
  const faults = createFaults(onBroken)
  let skipped = 0
  let batch: (Candidate & { bytes: Uint8Array })[] = []
  let batchBytes = 0
  const flush = async (): Promise<void> => {
    const errors = await inspect?.(batch.map(image => image.bytes))
    for (const [i, { name, bytes, folder }] of batch.entries()) {
      const error = errors?.[i]
      if (error !== undefined) faults.add(name, error)
      // once an image is broken, nothing will be built: only the list of broken ones is still wanted
      else if (faults.count === 0 || onBroken !== undefined) {
        await places.add(name, bytes, folder)
        digests.push(createHash('sha256').update(bytes).digest())
      }
    }
    batch = []
    batchBytes = 0
    onProgress?.(digests.count)
  }
  const access = { ...(remote === undefined ? {} : { remote }), ...(signal === undefined ? {} : { signal }) }
  for await (const { name, bytes, fault, folder } of sourceCandidates(paths, access)) {
    signal?.throwIfAborted()
    if (fault !== undefined) faults.add(name, fault)
    else if (bytes === undefined) skipped++
    else {
      if (batch.length === BATCH_IMAGES || batchBytes + bytes.byteLength > BATCH_BYTES) await flush()
      batch.push({ name, bytes, ...(folder === undefined ? {} : { folder }) })
      batchBytes += bytes.byteLength
    }
  }
  if (batch.length > 0) await flush()
  if (faults.count > 0 && onBroken === undefined) {
    const more = faults.count > faults.named.length ? `\n… and ${faults.count - faults.named.length} more` : ''
    throw new InvalidInputError(
      `${label}: ${faults.count} of the images cannot be used; repair or remove them, or leave them out with --skip-bad. Nothing was published:\n${faults.named.join('\n')}${more}`
    )
  }
  if (digests.count === 0) {
    const broken = faults.count === 0 ? '' : `, ${faults.count} broken images`
    throw new InvalidInputError(`${label} has no JPEG, PNG or WebP image (${skipped} other files${broken})`)
  }
  return { ...samplesOf(digests.bytes, places, options.dedupe ?? false), skipped, broken: faults.count }
}

/** All images, or the first of each digest. */
function samplesOf(digests: Uint8Array, places: ImagePlaces, dedupe: boolean): Omit<Source, 'skipped' | 'broken'> {
  const sorted = sortDigests(digests)
  const duplicates = countDuplicates(digests, sorted)
  const kept = dedupe && duplicates > 0 ? firstOfEach(digests, sorted) : undefined
  const count = kept?.length ?? sorted.length
  const placeOf = (i: number): number => (kept === undefined ? i : (kept[i] ?? -1))
  let bytes = 0
  for (let i = 0; i < count; i++) bytes += places.bytesOf(placeOf(i))
  kept?.forEach((from, to) => digests.copyWithin(to * 32, from * 32, from * 32 + 32)) // ascending: never onto one still needed
  return {
    count,
    bytes,
    digests: digests.subarray(0, count * 32),
    duplicates,
    read: async i => await places.read(placeOf(i)),
    nameOf: i => places.nameOf(placeOf(i)),
    close: places.close
  }
}
