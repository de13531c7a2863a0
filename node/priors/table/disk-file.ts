/** A file on disk that is read by ranges, and one for vectors that have to be written down to be read that way. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteRanges } from '../../../src/distribute/parquet-footer.ts'
import { InvalidPriorError } from '../../../src/errors.ts'

export interface DiskFile extends ByteRanges {
  readonly path: string
  close(): Promise<void>
}

export async function openDiskFile(path: string): Promise<DiskFile> {
  const handle = await open(path)
  const { size } = await handle.stat()
  return {
    path,
    byteLength: size,
    slice: async (start, end) => await readRange(handle, path, start, end),
    close: async () => await handle.close()
  }
}

/** float32 vectors in the order in which they were added. */
export interface SpillFile {
  append(vectors: Float32Array): Promise<void>
  slice(start: number, end: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** In `folder`, under a name that is gone as soon as the file is open: nothing of it is left after a crash. */
export async function createSpillFile(folder: string = tmpdir()): Promise<SpillFile> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `coopt-table-${randomUUID()}`)
  const handle = await open(path, 'wx+', 0o600)
  await rm(path)
  let end = 0
  return {
    append: async ({ buffer, byteOffset, byteLength }) => {
      for (let at = 0; at < byteLength;) {
        const { bytesWritten } = await handle.write(
          new Uint8Array(buffer, byteOffset + at, byteLength - at),
          0,
          null,
          end
        )
        at += bytesWritten
        end += bytesWritten
      }
    },
    slice: async (from, to) => await readRange(handle, 'the vectors', from, to),
    close: async () => await handle.close()
  }
}

// --- internal ---

async function readRange(handle: FileHandle, name: string, start: number, end: number): Promise<Uint8Array> {
  const out = new Uint8Array(end - start)
  for (let at = 0; at < out.byteLength;) {
    const { bytesRead } = await handle.read(out, at, out.byteLength - at, start + at)
    if (bytesRead === 0) throw new InvalidPriorError(`${name} became shorter while it was read`)
    at += bytesRead
  }
  return out
}
