/**
 * Where the bytes of each image are: in a file of its own, or in one spool file on disk.
 *
 * Kept for each image: its name as UTF-8 and two numbers. The spool has no name any more once it is open, so a killed process leaves
 * nothing behind. Images are never empty: a spool entry of no bytes stands for a file.
 */
import { type FileHandle, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { NumberList, TextList } from './sample-list.ts'

export interface ImagePlaces {
  /** `folder`: the image is the whole file `name` in it; else its bytes are copied into the spool. */
  add(name: string, bytes: Uint8Array, folder: string | undefined): Promise<void>
  /** Forget all images behind the first `count`. */
  truncate(count: number): Promise<void>
  /** As they are now: a file may have changed. Throws `RangeError` for an image that is not there. */
  read(i: number): Promise<Uint8Array>
  nameOf(i: number): string
  /** Bytes that image i had when it was added */
  bytesOf(i: number): number
  close(): Promise<void>
}

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

  return {
    add: async (name, bytes, folder) => {
      if (folder === undefined) {
        spool ??= await openSpool(directory)
        await writeFully(spool, bytes, size)
        size += bytes.byteLength
      } else if (folders.at(-1)?.folder !== folder) folders.push({ folder, first: count })
      names.push(name)
      ends.push(size)
      lengths.push(bytes.byteLength)
      count++
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
    read: async i => {
      if (i < 0 || i >= count) throw new RangeError(`no image ${i}`)
      const start = i === 0 ? 0 : ends.at(i - 1)
      const end = ends.at(i)
      if (end > start && spool !== undefined) {
        const bytes = new Uint8Array(end - start)
        const { bytesRead } = await spool.read(bytes, 0, bytes.byteLength, start)
        return bytes.subarray(0, bytesRead)
      }
      const from = folders.findLast(({ first }) => first <= i)
      if (from === undefined) throw new RangeError(`image ${i} has no place`)
      return await readFile(join(from.folder, names.at(i)))
    },
    nameOf: i => names.at(i),
    bytesOf: i => lengths.at(i),
    close: async () => await spool?.close()
  }
}

// --- internal ---

async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.byteLength - at, position + at)
    at += bytesWritten
  }
}

async function openSpool(directory: string): Promise<FileHandle> {
  const path = join(directory, `images-${process.pid}-${Date.now()}.spool`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
