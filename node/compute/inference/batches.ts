/** Images per message to the worker: a few runs of a model on small images, some megabytes of large ones. */
const IMAGES = 64
const BYTES = 16 * 1024 * 1024

/** Consecutive parts of `items`, bounded in number and bytes; a single item may be larger. */
export function* batches<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<T[]> {
  let batch: T[] = []
  let bytes = 0
  for (const item of items) {
    const size = bytesOf(item)
    if (batch.length > 0 && (batch.length >= IMAGES || bytes + size > BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(item)
    bytes += size
  }
  if (batch.length > 0) yield batch
}
