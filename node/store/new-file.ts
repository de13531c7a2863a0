/** Files that must not be there yet: whole and synced, or gone again. */
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { InvalidInputError } from '../../src/errors.ts'

/** What a name from a directory of strangers may be to become a file's name here. */
const SAFE_NAME = /^[A-Za-z0-9._-]{1,128}$/

/** `.`, `..` and whatever else could lead somewhere else are refused, not changed: a changed name could meet another one. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name) && name !== '.' && name !== '..'
}

/** Throws `InvalidInputError` when `path` exists or its folder does not; what `write` throws leaves no file behind. */
export async function writeNewFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new InvalidInputError(`${path} exists already: give another name`, { cause })
    throw new InvalidInputError(`${path} cannot be written: ${cause.message}`, { cause })
  })
  try {
    await write(file)
    await file.sync()
  } catch (error) {
    await file.close()
    await unlink(path)
    throw error
  }
  await file.close()
}

/** All of `bytes`: one call may write less. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await file.write(
      bytes,
      at,
      bytes.byteLength - at,
      position === undefined ? null : position + at
    )
    at += bytesWritten
  }
}
