/**
 * Decides how many images travel together: the only place that cuts batches.
 *
 * A batch is bounded in number and in bytes; a single image may be larger than the bound. It is a unit of progress (what a crash costs) and of
 * memory, not of the model: the process at its other end runs it in parts that suit the model's input (session.ts).
 */

/** A few runs of a model on small images. */
const MAX_IMAGES = 64
/** Of large images some: encoded, what one message to the inference process holds. */
const MAX_BYTES = 16 * 1024 * 1024

/** Consecutive parts of `items`, of `maxImages` at most. */
export function* batches<T>(
  items: Iterable<T>,
  bytesOf: (item: T) => number,
  maxImages: number = MAX_IMAGES
): Generator<T[]> {
  const cut = createCut(bytesOf, maxImages)
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
  const cut = createCut<T>(({ bytes }) => bytes.byteLength, maxImages)
  for await (const image of images) {
    const full = cut.add(image)
    if (full !== undefined) yield full
  }
  const rest = cut.rest()
  if (rest.length > 0) yield rest
}

// --- internal ---

function createCut<T>(bytesOf: (item: T) => number, maxImages: number) {
  let batch: T[] = []
  let bytes = 0
  const rest = (): T[] => {
    const cut = batch
    batch = []
    bytes = 0
    return cut
  }
  return {
    /** The batch that is full with or before this item */
    add: (item: T): T[] | undefined => {
      const size = bytesOf(item)
      const before = batch.length > 0 && bytes + size > MAX_BYTES ? rest() : undefined
      batch.push(item)
      bytes += size
      return before ?? (batch.length >= maxImages ? rest() : undefined)
    },
    rest
  }
}
