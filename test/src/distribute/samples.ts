/** Samples for tests: small byte strings that begin like images, and files made of them. */
import { contentId } from '../../../src/distribute/content-id.ts'
import type { ByteRanges } from '../../../src/distribute/parquet-footer.ts'
import { partitionBytes, type Sample } from '../../../src/distribute/partition-file.ts'

/** Bytes that differ for every `seed` and begin with the magic bytes of a JPEG. */
export function fakeImage(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, 8))
  let x = (seed + 1) * 0x9e3779b1
  for (let i = 0; i < bytes.byteLength; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    bytes[i] = x >>> 24
  }
  bytes.set([0xff, 0xd8, 0xff, 0xe0, seed, seed >> 8, seed >> 16, seed >> 24])
  return bytes
}

export async function fakeSamples(lengths: readonly number[]): Promise<Sample[]> {
  return await Promise.all(
    lengths.map(async (length, index) => {
      const bytes = fakeImage(index, length)
      return { index, id: (await contentId(bytes)).toString(), bytes }
    })
  )
}

export async function concat(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

export async function partitionOf(lengths: readonly number[]): Promise<Uint8Array> {
  return await concat(partitionBytes(await fakeSamples(lengths)))
}

/** An array as a file; counts what is asked of it. */
export function fileOf(bytes: Uint8Array): ByteRanges & { readonly read: () => number } {
  let read = 0
  return {
    byteLength: bytes.byteLength,
    slice: async (start, end) => {
      if (start < 0 || end > bytes.byteLength || start > end) throw new RangeError(`slice(${start}, ${end})`)
      read += end - start
      return bytes.slice(start, end)
    },
    read: () => read
  }
}

export async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
