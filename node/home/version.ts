/**
 * `version` in the home: which layout its files have. A home without the file is version 0, as every home was before the file existed.
 *
 * This module reads and writes the number; `migrate.ts` brings an older home up to date. A home of a newer version is refused before
 * anything else in it is read: what this version does not know it could only misread.
 */
import { join } from 'node:path'
import { DamagedStoreError, HomeVersionError } from '../../src/errors.ts'
import { writeFileAtomic } from '../store/atomic-file.ts'
import { errorCode, nodeFileSystem, readFully, storeError, type FileSystem } from '../store/file-system.ts'

/** The version that this program reads and writes; one more than before with every entry in `MIGRATIONS` (migrate.ts). */
export const HOME_VERSION = 1

/** A decimal number and a line break. */
const MAX_VERSION_BYTES = 16

export function versionPath(root: string): string {
  return join(root, 'version')
}

/**
 * The version of the home at `root`; 0 without a file.
 *
 * Throws `HomeVersionError` when it is newer than `newest`, `DamagedStoreError` when the file does not hold a version.
 */
export async function readHomeVersion(
  root: string,
  { fs = nodeFileSystem, newest = HOME_VERSION }: { fs?: FileSystem; newest?: number } = {}
): Promise<number> {
  const path = versionPath(root)
  let bytes: Uint8Array | undefined
  try {
    bytes = await readFully(fs, path, MAX_VERSION_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0
    throw storeError(error, 'read', path)
  }
  const [, digits] = /^(0|[1-9]\d{0,8})\n?$/.exec(new TextDecoder().decode(bytes ?? new Uint8Array())) ?? []
  if (digits === undefined) {
    throw new DamagedStoreError(
      `${path} does not hold a version number; restore it from a backup (this version of coopt writes ${HOME_VERSION})`
    )
  }
  const version = Number(digits)
  if (version <= newest) return version
  throw new HomeVersionError(
    `the home ${root} has version ${version}, written by a newer coopt; this one reads versions 0 to ${newest}: ` +
      'update coopt, or use another home (--home)'
  )
}

export async function writeHomeVersion(
  root: string,
  version: number,
  { fs = nodeFileSystem }: { fs?: FileSystem } = {}
): Promise<void> {
  await writeFileAtomic(versionPath(root), new TextEncoder().encode(`${version}\n`), { fs })
}
