/**
 * A source of images: folders (with everything below), archives (tar, Parquet, Arrow) or directories on IPFS, read once from end to end,
 * then at random.
 *
 * Images are known by their magic bytes; anything else is left out and counted. A broken image or archive stops everything
 * before a single block is made, unless broken ones are to be left out: an archive then with all that it gave before it broke. Kept for
 * each sample: 32 bytes of digest and where it is (image-places.ts). What cannot be read at random goes to one spool file.
 */
import { createHash } from 'node:crypto'
import { IMAGE_FORMATS } from '../../src/distribute/image-kind.ts'
import { countDuplicates, firstOfEach, sortDigests } from '../../src/distribute/partition.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import type { Candidate } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { createFaults, type Faults } from './faults.ts'
import { createImagePlaces, type ImagePlaces } from './image-places.ts'
import { createTally, type LeftOut, leftOutText, type Tally } from './left-out.ts'
import { DigestList } from './sample-list.ts'
import { type SourceAccess, sourceParts, type SourcePart } from './source-parts.ts'

export interface SourceOptions extends SourceAccess {
  /** Existing folder for temporary files */
  spool: string
  /** Tries to decode images: for each an error text, or undefined when it is good. Called with batches, one at a time. */
  inspect?: (images: readonly Uint8Array[]) => Promise<ReadonlyArray<string | undefined>>
  /** Images whose bytes occurred before are left out; they are kept by default. */
  dedupe?: boolean
  /** Called for every broken image or archive, which is then left out; without it, one that is broken is an error. */
  onBroken?: (name: string, fault: string) => void
  /** Images read so far; how many there are is only known at the end */
  onProgress?: (done: number, total?: number) => void
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
  /** Everything that is not a sample, by its reason */
  readonly leftOut: readonly LeftOut[]
  /** The bytes of image i, as they are now: compare with its digest. */
  read(i: number): Promise<Uint8Array>
  /** For messages to the operator only */
  nameOf(i: number): string
  close(): Promise<void>
}

/** A batch for `inspect` ends before either is exceeded. */
const BATCH_IMAGES = 32
const BATCH_BYTES = 33_554_432

/**
 * Read all of `paths` once, in their order. Throws `InvalidInputError`: not there, of no kind that is read here, of several kinds, no
 * images, or broken ones (the first ten by name and how many there are).
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

interface Scan {
  readonly options: SourceOptions
  readonly places: ImagePlaces
  readonly digests: DigestList
  readonly faults: Faults
  readonly tally: Tally
}

async function scan(paths: readonly string[], places: ImagePlaces, options: SourceOptions): Promise<Source> {
  const { onBroken, signal } = options
  const label = paths.length === 1 ? (paths[0] as string) : `${paths.length} sources`
  const tally = createTally()
  const state: Scan = { options, places, digests: new DigestList(), faults: createFaults(onBroken), tally }
  const { digests, faults } = state
  let parts = 0
  for await (const part of sourceParts(paths, options)) {
    parts++
    const before = digests.count
    try {
      const own = createTally()
      await readPart(part, { ...state, tally: own })
      tally.merge(own)
    } catch (error) {
      signal?.throwIfAborted()
      const isBroken = error instanceof InvalidInputError || error instanceof InvalidContentError
      if (!part.isArchive || !isBroken || error instanceof SourceChoiceError) throw error
      // one archive alone: there is nothing else to go on with
      if (onBroken === undefined && paths.length === 1 && parts === 1) throw error
      digests.truncate(before)
      await places.truncate(before)
      // the name that is added says which one it is
      const reason = error.message.startsWith(`${part.path} `)
        ? error.message.slice(part.path.length + 1)
        : error.message
      faults.add(part.name, reason, 'archive')
    }
  }
  if (faults.count > 0 && onBroken === undefined) throw faults.error(label)
  if (faults.count > 0) tally.add('broken', faults.names, faults.count)
  if (digests.count === 0) {
    const others = tally.entries.map(leftOutText).join('; ')
    const found = others === '' ? 'it is empty' : others
    throw new InvalidInputError(
      `${label} has no image (${IMAGE_FORMATS}): ${found}. Give the folder, archive or table that has the images`
    )
  }
  const samples = samplesOf(digests.bytes, places, options.dedupe ?? false)
  if (options.dedupe === true && samples.duplicates > 0) tally.add('duplicate', [], samples.duplicates)
  return { ...samples, leftOut: tally.entries }
}

/** All images of a part that can be used get their places. Throws what its candidates throw. */
async function readPart(part: SourcePart, { options, places, digests, faults, tally }: Scan): Promise<void> {
  const { inspect, onBroken, onProgress, signal } = options
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
  for await (const { name, bytes, fault, leftOut, folder } of part.candidates) {
    signal?.throwIfAborted()
    if (fault !== undefined) faults.add(name, fault)
    else if (bytes === undefined) tally.add(leftOut ?? 'other', [name], 1)
    else {
      if (batch.length === BATCH_IMAGES || batchBytes + bytes.byteLength > BATCH_BYTES) await flush()
      batch.push({ name, bytes, ...(folder === undefined ? {} : { folder }) })
      batchBytes += bytes.byteLength
    }
  }
  if (batch.length > 0) await flush()
}

/** All images, or the first of each digest. */
function samplesOf(digests: Uint8Array, places: ImagePlaces, dedupe: boolean): Omit<Source, 'leftOut'> {
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
