/**
 * `version` in the home: which layout its files have. A home without the file is version 0, as every home was before the file existed.
 * While a migration changes the files it holds `2 from 1`: an older program refuses such a home as one of version 2.
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

/** One or two decimal numbers and a line break. */
const MAX_VERSION_BYTES = 32

const VERSION = /^(0|[1-9]\d{0,8})(?: from (0|[1-9]\d{0,8}))?\n?$/

export interface HomeState {
  /** Of the files, or of those in the backup of an unfinished migration */
  readonly version: number
  /** A migration to the next version has begun and did not end. */
  readonly isMigrating: boolean
}

export function versionPath(root: string): string {
  return join(root, 'version')
}

/**
 * The version of the home at `root`; 0 without a file.
 *
 * Throws `HomeVersionError` when it, or that to which it was being migrated, is newer than `newest`, `DamagedStoreError` when the file does
 * not hold a version.
 */
export async function readHomeVersion(
  root: string,
  { fs = nodeFileSystem, newest = HOME_VERSION }: { fs?: FileSystem; newest?: number } = {}
): Promise<HomeState> {
  const path = versionPath(root)
  let bytes: Uint8Array | undefined
  try {
    bytes = await readFully(fs, path, MAX_VERSION_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { version: 0, isMigrating: false }
    throw storeError(error, 'read', path)
  }
  const [, digits, from] = VERSION.exec(new TextDecoder().decode(bytes ?? new Uint8Array())) ?? []
  if (digits === undefined || (from !== undefined && Number(from) + 1 !== Number(digits))) {
    throw new DamagedStoreError(
      `${path} does not hold a version number; restore it from a backup (this version of coopt writes ${HOME_VERSION})`
    )
  }
  const version = Number(digits)
  if (version <= newest) return { version: from === undefined ? version : version - 1, isMigrating: from !== undefined }
  throw new HomeVersionError(
    `the home ${root} has version ${version}, written by a newer coopt; this one reads versions 0 to ${newest}: ` +
      'update coopt, or use another home (--home)'
  )
}

/** `isMigrating`: the files of `version` are about to be changed to those of the next one. */
export async function writeHomeVersion(
  root: string,
  version: number,
  { fs = nodeFileSystem, isMigrating = false }: { fs?: FileSystem; isMigrating?: boolean } = {}
): Promise<void> {
  const text = isMigrating ? `${version + 1} from ${version}` : `${version}`
  await writeFileAtomic(versionPath(root), new TextEncoder().encode(`${text}\n`), { fs })
}
