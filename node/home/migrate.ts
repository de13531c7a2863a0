/**
 * Brings the files of an older home to the layout of this version, one version after the other.
 *
 * Each step: copy the files that it changes into `backup-<version>/` (backup.ts), change them, write the new number to `version`. The number is
 * written last, so a process that is killed anywhere leaves the old number behind; the next start then restores the files from the finished
 * backup and does the step again. Nothing is deleted that is not in the backup, and the backup stays until the operator removes it.
 *
 * To change the layout: append a migration here, raise `HOME_VERSION`, and add a home of the version before to `test/fixtures`.
 */
import { StoreFullError } from '../../src/errors.ts'
import { nodeFileSystem, type FileSystem } from '../store/file-system.ts'
import { backupPath, hasBackup, makeBackup, restoreBackup } from './backup.ts'
import { readHomeVersion, writeHomeVersion } from './version.ts'

export interface Migration {
  /** What changes, for people */
  readonly what: string
  /** This program reads the older files as well: on a full disk it goes on with them, so that `coopt gc` can make space */
  readonly canWait?: boolean
  /** Paths of the files that `run` changes, creates or removes, relative to the home, with forward slashes */
  files(fs: FileSystem, root: string): Promise<string[]>
  /** Change the files. Every write must be durable when this resolves. */
  run(fs: FileSystem, root: string): Promise<void>
}

/** Entry i takes a home from version i to version i + 1. Never edited once released, only appended to. */
export const MIGRATIONS: readonly Migration[] = [
  {
    // version 1 has the files of version 0 and says so
    what: 'the home states its version',
    canWait: true,
    files: async () => ['version'],
    run: async () => {}
  }
]

export interface MigrateOptions {
  fs?: FileSystem
  migrations?: readonly Migration[]
  /** Told after each step */
  onStep?: (message: string) => void
}

/**
 * Call while holding the lock of the home, before anything else is opened. Errors as `readHomeVersion`, or those of the file system, naming
 * the path; then the home can still be opened by the program that wrote it once the cause is gone.
 */
export async function migrateHome(
  root: string,
  { fs = nodeFileSystem, migrations = MIGRATIONS, onStep = () => {} }: MigrateOptions = {}
): Promise<void> {
  const from = await readHomeVersion(root, { fs, newest: migrations.length })
  for (const [version, migration] of migrations.entries()) {
    if (version < from) continue
    try {
      await migrate(root, version, migration, { fs, onStep })
    } catch (error) {
      if (!(error instanceof StoreFullError) || migrations.slice(version).some(({ canWait = false }) => !canWait))
        throw error
      return onStep(`the home stays at version ${version} for now: ${error.message}`)
    }
  }
}

// --- internal ---

async function migrate(
  root: string,
  version: number,
  migration: Migration,
  { fs, onStep }: Required<Pick<MigrateOptions, 'fs' | 'onStep'>>
): Promise<void> {
  if (await hasBackup(fs, root, version)) await restoreBackup(fs, root, version)
  else await makeBackup(fs, root, version, await migration.files(fs, root))
  await migration.run(fs, root)
  await writeHomeVersion(root, version + 1, { fs })
  onStep(
    `the home ${root} went from version ${version} to ${version + 1} (${migration.what}); ` +
      `the files as they were are in ${backupPath(root, version)}`
  )
}
