/** Writes output files and folders that must not exist yet. Guarantee: they are complete and synced, or removed again. */
import { type FileHandle, mkdir, open, readdir, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'

/** Names from an untrusted directory that may become local file names. */
const SAFE_NAME = /^[A-Za-z0-9._-]{1,128}$/

/** `.`, `..` and everything else that could lead out of a folder are refused rather than changed, because a changed name could collide with another one. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name) && name !== '.' && name !== '..'
}

/** Throws `InvalidInputError` when `path` exists or its folder does not; what `write` throws leaves no file behind. */
export async function writeNewFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new InvalidInputError(`${path} exists already: choose another name`, { cause })
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

/** Passed to the callback of `writeNewFolder`. Paths are relative to the folder; their names must be safe. */
export interface NewFolder {
  directory(path: string): Promise<void>
  file(path: string, write: (file: FileHandle) => Promise<void>): Promise<void>
}

/** Throws `InvalidInputError` unless `folder` does not exist or is empty. */
export async function assertNewFolder(folder: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new InvalidInputError(`${folder} cannot be used as a folder: ${String(cause)}`, { cause })
  }
  if (names.length > 0) throw new InvalidInputError(`${folder} is not empty: choose a new or empty folder`)
}

/**
 * Fill a new or empty folder; its parents must exist. If `write` throws, everything written is removed again. Throws `InvalidInputError` for a folder
 * that cannot be used, and what `write` throws.
 */
export async function writeNewFolder(folder: string, write: (folder: NewFolder) => Promise<void>): Promise<void> {
  await assertNewFolder(folder)
  const undo: Array<() => Promise<void>> = []
  const make = async (path: string): Promise<void> => {
    await mkdir(path)
    undo.push(async () => await rmdir(path))
  }
  try {
    await make(folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST')
        throw new InvalidInputError(`${folder} cannot be created: ${cause.message}`, { cause })
    })
    await write({
      directory: async path => await make(join(folder, path)),
      file: async (path, fill) => {
        await writeNewFile(join(folder, path), fill)
        undo.push(async () => await unlink(join(folder, path)))
      }
    })
  } catch (error) {
    // best effort: the first error is the one to report, and other files may have been added meanwhile
    for (const step of undo.reverse()) await step().catch(() => undefined)
    throw error
  }
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
