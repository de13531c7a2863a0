/**
 * Decides how many images travel together: the only place that cuts batches.
 *
 * A batch is bounded in number, in bytes and in pixels; a single image may be larger than the bound. It is a unit of progress (what a crash costs) and of
 * memory, not of the model: the process at its other end runs it in parts that suit the model's input (session.ts).
 */
import { imageSize } from '../../../src/distribute/image-size.ts'

/** A few runs of a model on small images. */
export const MAX_IMAGES = 64
/** Of large images some: encoded, what one message to the inference process holds. */
const MAX_BYTES = 16 * 1024 * 1024
/** What is decoded in a second or two. A larger image travels alone, so that no two of them are in memory at once. */
export const MAX_PIXELS = 64_000_000

/** By its header; 0 where only the decoder knows */
export function pixelsOf(image: Uint8Array): number {
  const { width, height } = imageSize(image) ?? { width: 0, height: 0 }
  return width * height
}

/** Consecutive parts of `items`, of `maxImages` at most. */
export function* batches<T>(
  items: Iterable<T>,
  imageOf: (item: T) => Uint8Array,
  maxImages: number = MAX_IMAGES
): Generator<T[]> {
  const cut = createCut(imageOf, maxImages)
  for (const item of items) {
    const full = cut.add(item)
    if (full !== undefined) yield full
  }
  const rest = cut.rest()
  if (rest.length > 0) yield rest
}

/** The same for images that arrive one after another: memory holds one batch. A full batch does not wait for the image after it. */
export async function* batchesOf<T extends { readonly bytes: Uint8Array }>(
  images: AsyncIterable<T> | Iterable<T>,
  maxImages: number = MAX_IMAGES
): AsyncGenerator<T[]> {
  const cut = createCut<T>(({ bytes }) => bytes, maxImages)
  for await (const image of images) {
    const full = cut.add(image)
    if (full !== undefined) yield full
  }
  const rest = cut.rest()
  if (rest.length > 0) yield rest
}

// --- internal ---

function createCut<T>(imageOf: (item: T) => Uint8Array, maxImages: number) {
  let batch: T[] = []
  let bytes = 0
  let pixels = 0
  const rest = (): T[] => {
    const cut = batch
    batch = []
    bytes = 0
    pixels = 0
    return cut
  }
  return {
    /** The batch that is full with or before this item */
    add: (item: T): T[] | undefined => {
      const image = imageOf(item)
      const own = pixelsOf(image)
      const isFull = bytes + image.byteLength > MAX_BYTES || pixels + own > MAX_PIXELS
      const before = batch.length > 0 && isFull ? rest() : undefined
      batch.push(item)
      bytes += image.byteLength
      pixels += own
      return before ?? (batch.length >= maxImages ? rest() : undefined)
    },
    rest
  }
}
