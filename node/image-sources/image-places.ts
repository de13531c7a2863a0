/**
 * Where the bytes of each image are: in a file of its own, or in one spool file on disk.
 *
 * Kept for each image: its name as UTF-8 and two numbers. The spool has no name any more once it is open, so a killed process leaves
 * nothing behind. Images are never empty: a spool entry of no bytes stands for a file.
 */
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Candidate } from './candidates.ts'
import { createImageReader, type Range, type ReadImage } from './image-reader.ts'
import { NumberList, TextList } from './sample-list.ts'

export interface ImagePlaces {
  /**
   * Images that are the whole file `name` in their `folder` stay there; the bytes of others are copied into the spool. Returns their sha2-256, 32 bytes
   * each. Call it again when it has resolved.
   */
  add(images: readonly PlacedImage[]): Promise<Uint8Array>
  /** Forget all images behind the first `count`. */
  truncate(count: number): Promise<void>
  /** As they are now: a file may have changed, or be gone, which is a fault. Throws `RangeError` for an image that is not there. */
  read(images: readonly number[]): Promise<ReadImage[]>
  nameOf(i: number): string
  /** Bytes that image i had when it was added */
  bytesOf(i: number): number
  close(): Promise<void>
}

export type PlacedImage = Pick<Candidate, 'name' | 'folder' | 'digest'> & { readonly bytes: Uint8Array }

/** `directory`: existing folder for the spool, which is made when the first image needs it. */
export function createImagePlaces(directory: string): ImagePlaces {
  const names = new TextList()
  const ends = new NumberList()
  const lengths = new NumberList()
  /** Folders and the first image of each */
  const folders: { folder: string; first: number }[] = []
  let spool: FileHandle | undefined
  let size = 0
  let count = 0
  const reader = createImageReader()

  /** The digests of images, one after the other */
  const digests = async (
    images: readonly PlacedImage[],
    to?: { fd: number; position: number }
  ): Promise<() => Uint8Array> => {
    const list = images.map(({ bytes }) => bytes)
    const all = list.length === 0 ? new Uint8Array(0) : await reader.keep(list, to)
    let at = 0
    return () => all.subarray(at, (at += 32))
  }

  const rangeOf = (i: number): Range => {
    if (i < 0 || i >= count) throw new RangeError(`no image ${i}`)
    const start = i === 0 ? 0 : ends.at(i - 1)
    const length = ends.at(i) - start
    if (length > 0 && spool !== undefined) return { fd: spool.fd, start, length }
    const from = folders.findLast(({ first }) => first <= i)
    if (from === undefined) throw new RangeError(`image ${i} has no place`)
    // one byte more: a file that became longer is another
    return { path: join(from.folder, names.at(i)), start: 0, length: lengths.at(i) + 1 }
  }

  return {
    add: async images => {
      const copied = images.filter(({ folder }) => folder === undefined)
      const position = size
      let to: { fd: number; position: number } | undefined
      if (copied.length > 0) {
        spool ??= await openSpool(directory)
        to = { fd: spool.fd, position }
      }
      const hashed = images.filter(({ folder, digest }) => folder !== undefined && digest === undefined)
      const [own, others] = await Promise.all([digests(copied, to), digests(hashed)])
      const all = new Uint8Array(images.length * 32)
      for (const [i, { name, bytes, folder, digest }] of images.entries()) {
        if (folder === undefined) size += bytes.byteLength
        else if (folders.at(-1)?.folder !== folder) folders.push({ folder, first: count })
        all.set(folder === undefined ? own() : (digest ?? others()), 32 * i)
        names.push(name)
        ends.push(size)
        lengths.push(bytes.byteLength)
        count++
      }
      return all
    },
    truncate: async kept => {
      names.truncate(kept)
      ends.truncate(kept)
      lengths.truncate(kept)
      count = kept
      size = kept === 0 ? 0 : ends.at(kept - 1)
      while ((folders.at(-1)?.first ?? 0) >= kept && folders.length > 0) folders.pop()
      await spool?.truncate(size)
    },
    read: async images => await reader.read(images.map(rangeOf)),
    nameOf: i => names.at(i),
    bytesOf: i => lengths.at(i),
    close: async () => {
      await reader.close()
      await spool?.close()
    }
  }
}

// --- internal ---

async function openSpool(directory: string): Promise<FileHandle> {
  const path = join(directory, `images-${process.pid}-${Date.now()}.spool`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
