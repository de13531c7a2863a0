import { imageSize } from '../../../src/distribute/image-size.ts'

/** Images per message to the worker: a few runs of a model on small images, some megabytes of large ones. */
const IMAGES = 64
const BYTES = 16 * 1024 * 1024
/** As long as it takes to decode these, a message may take. An image of more goes alone, so that no two of them are decoded at once. */
const PIXELS = 64_000_000

/** Consecutive parts of `items`, bounded in number, bytes and pixels; a single item may be larger. */
export function* batches<T>(items: readonly T[], bytesOf: (item: T) => Uint8Array): Generator<T[]> {
  let batch: T[] = []
  let bytes = 0
  let pixels = 0
  for (const item of items) {
    const image = bytesOf(item)
    const { width, height } = imageSize(image) ?? { width: 0, height: 0 }
    const isFull = batch.length >= IMAGES || bytes + image.byteLength > BYTES || pixels + width * height > PIXELS
    if (batch.length > 0 && isFull) {
      yield batch
      batch = []
      bytes = 0
      pixels = 0
    }
    batch.push(item)
    bytes += image.byteLength
    pixels += width * height
  }
  if (batch.length > 0) yield batch
}
