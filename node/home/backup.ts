/**
 * Copies of files of the home, taken before a migration changes them: `backup-<version>/`, named by the version that they have.
 *
 * `files.json` in it lists what was copied and what did not exist, so that `restoreBackup` can bring back exactly that state. It is written
 * last, after every copy has been synced, and removed first when the backup is made again: a folder without it is a copy that was interrupted.
 */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { DamagedStoreError } from '../../src/errors.ts'
import { readJson, writeJsonAtomic } from '../store/atomic-file.ts'
import {
  DIRECTORY_MODE,
  errorCode,
  FILE_MODE,
  removeIfPresent,
  storeError,
  syncDirectory,
  writeFully,
  type FileSystem
} from '../store/file-system.ts'

/** Bytes copied at once: a record log may have a gigabyte. */
const PIECE_BYTES = 1024 * 1024

const LIST = 'files.json'

const listSchema = z.strictObject({
  /** Relative paths with forward slashes; `copy` is the file's name in the backup, left out for a file that did not exist */
  files: z.array(z.strictObject({ path: z.string(), copy: z.string().optional() }))
})

export function backupPath(root: string, version: number): string {
  return join(root, `backup-${version}`)
}

/**
 * Copy `files` (paths relative to the home; those that do not exist are noted as such); an earlier backup of this version is replaced. Errors name
 * the path; the home is unchanged.
 */
export async function makeBackup(
  fs: FileSystem,
  root: string,
  version: number,
  files: readonly string[]
): Promise<void> {
  const folder = backupPath(root, version)
  try {
    await fs.mkdir(folder, { recursive: true, mode: DIRECTORY_MODE })
    await syncDirectory(fs, root)
    await removeIfPresent(fs, join(folder, LIST))
    await syncDirectory(fs, folder)
    for (const name of await fs.readdir(folder)) await removeIfPresent(fs, join(folder, name))
    const list: z.infer<typeof listSchema>['files'] = []
    for (const [i, path] of files.entries()) {
      const copy = `${i}-${path.replaceAll('/', '-')}`
      const copied = await copyFile(fs, join(root, path), join(folder, copy))
      list.push(copied ? { path, copy } : { path })
    }
    await syncDirectory(fs, folder)
    await writeJsonAtomic(join(folder, LIST), { files: list }, { fs })
  } catch (error) {
    throw storeError(error, 'back up files to', folder)
  }
}

/** Bring the files back to what they were when the backup was made. May be repeated. Throws `DamagedStoreError` without a complete backup. */
export async function restoreBackup(fs: FileSystem, root: string, version: number): Promise<void> {
  const folder = backupPath(root, version)
  const list = await readJson(join(folder, LIST), listSchema, { fs })
  if (list === undefined)
    throw new DamagedStoreError(
      `the home ${root} was left in the middle of a migration, and ${folder}, which has its files, is incomplete: restore that folder, or the home`
    )
  for (const { path, copy } of list.files) {
    const target = join(root, path)
    if (path.split('/').includes('..')) throw new DamagedStoreError(`${folder} names a file outside the home: ${path}`)
    try {
      if (copy === undefined) await removeIfPresent(fs, target)
      else {
        const temporary = `${target}.restored.tmp`
        await removeIfPresent(fs, temporary)
        await copyFile(fs, join(folder, copy), temporary)
        await fs.rename(temporary, target)
      }
      await syncDirectory(fs, dirname(target))
    } catch (error) {
      throw storeError(error, 'restore', target)
    }
  }
}

// --- internal ---

/** Copies and syncs; false when there is no such file. */
async function copyFile(fs: FileSystem, from: string, to: string): Promise<boolean> {
  if (!(await exists(fs, from))) return false
  const source = await fs.open(from, 'r')
  try {
    const target = await fs.open(to, 'wx', FILE_MODE)
    try {
      const piece = new Uint8Array(PIECE_BYTES)
      for (let at = 0; ;) {
        const { bytesRead } = await source.read(piece, 0, piece.byteLength, at)
        if (bytesRead <= 0) break
        await writeFully(target, piece.subarray(0, bytesRead), at)
        at += bytesRead
      }
      await target.sync()
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  return true
}

async function exists(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.stat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
