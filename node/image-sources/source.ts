/**
 * A source of images: folders (with everything below), archives (tar, Parquet, Arrow) or directories on IPFS, read once from end to end,
 * then at random.
 *
 * Images are known by their magic bytes; anything else is left out and counted. A broken image or archive stops everything
 * before a single block is made, unless broken ones are to be left out: an archive then with all that it gave before it broke. Kept for
 * each sample: 32 bytes of digest and where it is (image-places.ts). What cannot be read at random goes to one spool file.
 */
import { IMAGE_FORMATS } from '../../src/distribute/image-kind.ts'
import { countDuplicates, firstOfEach, sortDigests } from '../../src/distribute/partition.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { inOrder } from '../process/in-order.ts'
import type { Candidate } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { createFaults, type Faults } from './faults.ts'
import { createImagePlaces, type ImagePlaces } from './image-places.ts'
import type { ReadImage } from './image-reader.ts'
import { createTally, type LeftOut, leftOutText, type Tally } from './left-out.ts'
import { DigestList } from './sample-list.ts'
import { type SourceAccess, sourceParts, type SourcePart } from './source-parts.ts'

export interface SourceOptions extends SourceAccess {
  /** Existing folder for temporary files */
  spool: string
  /** Tries to decode images: for each an error text, or undefined when it is good. Called with batches, several at a time. */
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
  /** The bytes of image i, as they are now: compare with its digest. Throws `InvalidInputError` when it cannot be read any more. */
  read(i: number): Promise<Uint8Array>
  /** Bytes that image i had when it was read first */
  bytesOf(i: number): number
  /** As `read`, of all of these together, with the digests that they have now */
  readAll(images: readonly number[]): Promise<ReadImage[]>
  /** For messages to the operator only */
  nameOf(i: number): string
  close(): Promise<void>
}

/** A batch for `inspect` ends before either is exceeded: as many as go to the inference process together, and some photos. */
const BATCH_IMAGES = 64
const BATCH_BYTES = 8_388_608
/** Batches that are inspected at once: each is divided among all threads, so this only has to bridge the way there and back. */
const INSPECTIONS = 4

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

/** All images of a part that can be used get their places, in its order, while later ones are read and inspected. Throws what its candidates throw. */
async function readPart(part: SourcePart, { options, places, digests, faults, tally }: Scan): Promise<void> {
  const { inspect, onBroken, onProgress, signal } = options
  const batches = candidateBatches(part.candidates, tally, signal)
  const inspected = inOrder(batches, INSPECTIONS, async batch => {
    const images = batch.found.filter(isImage)
    const errors = images.length === 0 ? undefined : await inspect?.(images.map(({ bytes }) => bytes))
    return { ...batch, images, errors: errors?.values() }
  })
  for await (const { found, images, errors, failure } of inspected) {
    signal?.throwIfAborted()
    const good: typeof images = []
    for (const one of found) {
      const fault = isImage(one) ? errors?.next().value : one.fault
      if (fault !== undefined) faults.add(one.name, fault)
      else if (isImage(one)) good.push(one)
    }
    // once an image is broken, nothing will be built: only the list of broken ones is still wanted
    if (good.length > 0 && (faults.count === 0 || onBroken !== undefined)) {
      const all = await places.add(good)
      for (let i = 0; i < good.length; i++) digests.push(all.subarray(32 * i, 32 * i + 32))
    }
    if (images.length > 0) onProgress?.(digests.count)
    if (failure !== undefined) throw failure.error
  }
}

interface CandidateBatch {
  /** Images and faults in their order */
  readonly found: readonly Candidate[]
  /** After the last batch: what the candidates ended with */
  readonly failure?: { readonly error: unknown }
}

/** What a part has, but that which is left out, which is counted. Where it breaks off, images since the last full batch are not looked at. */
async function* candidateBatches(
  candidates: AsyncIterable<Candidate>,
  tally: Tally,
  signal: AbortSignal | undefined
): AsyncGenerator<CandidateBatch> {
  let found: Candidate[] = []
  let images = 0
  let bytes = 0
  try {
    for await (const candidate of candidates) {
      signal?.throwIfAborted()
      if (isImage(candidate)) {
        if (images === BATCH_IMAGES || (images > 0 && bytes + candidate.bytes.byteLength > BATCH_BYTES)) {
          yield { found }
          found = []
          images = 0
          bytes = 0
        }
        images++
        bytes += candidate.bytes.byteLength
        found.push(candidate)
      } else if (candidate.fault === undefined) tally.add(candidate.leftOut ?? 'other', [candidate.name], 1)
      else found.push(candidate)
    }
  } catch (error) {
    yield { found: found.filter(one => !isImage(one)), failure: { error } }
    return
  }
  if (found.length > 0) yield { found }
}

function isImage(candidate: Candidate): candidate is Candidate & { bytes: Uint8Array } {
  return candidate.bytes !== undefined && candidate.fault === undefined
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
    read: async i => {
      const [image] = await places.read([placeOf(i)])
      if (image === undefined || image.fault !== undefined)
        throw new InvalidInputError(`${places.nameOf(placeOf(i))} cannot be read: ${image?.fault ?? 'it is gone'}`)
      return image.bytes
    },
    readAll: async images => await places.read(images.map(placeOf)),
    bytesOf: i => places.bytesOf(placeOf(i)),
    nameOf: i => places.nameOf(placeOf(i)),
    close: places.close
  }
}
