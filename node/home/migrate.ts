/**
 * Brings the files of an older home to the layout of this version, one version after the other.
 *
 * Each step: copy the files that it changes into `backup-<version>/` (backup.ts), note in `version` that they are being changed, change them,
 * write the new number. A start that finds the note restores the files from the backup and does the step again. One that finds a backup without
 * the note makes it anew: an older program may have gone on with the home in between. With the note, older programs refuse it. Nothing is
 * deleted that is not in the backup, and the backup stays until the operator removes it.
 *
 * To change the layout: append a migration here, raise `HOME_VERSION`, and add a home of the version before to `test/fixtures`.
 */
import { StoreFullError } from '../../src/errors.ts'
import { nodeFileSystem, type FileSystem } from '../store/file-system.ts'
import { backupPath, makeBackup, restoreBackup } from './backup.ts'
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
    files: async () => [],
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
  const state = await readHomeVersion(root, { fs, newest: migrations.length })
  for (const [version, migration] of migrations.entries()) {
    if (version < state.version) continue
    try {
      await migrate(root, version, migration, state.isMigrating && version === state.version, { fs, onStep })
    } catch (error) {
      if (!(error instanceof StoreFullError) || migrations.slice(version).some(({ canWait = false }) => !canWait))
        throw error
      // this program goes on with the older files: a later start must not take their backup for what they are
      if ((await readHomeVersion(root, { fs, newest: migrations.length })).isMigrating) {
        await restoreBackup(fs, root, version)
        await writeHomeVersion(root, version, { fs })
      }
      return onStep(`the home stays at version ${version} for now: ${error.message}`)
    }
  }
}

// --- internal ---

async function migrate(
  root: string,
  version: number,
  migration: Migration,
  isInterrupted: boolean,
  { fs, onStep }: Required<Pick<MigrateOptions, 'fs' | 'onStep'>>
): Promise<void> {
  if (isInterrupted) await restoreBackup(fs, root, version)
  else {
    const files = await migration.files(fs, root)
    await makeBackup(fs, root, version, files)
    if (files.length > 0) await writeHomeVersion(root, version, { fs, isMigrating: true })
  }
  await migration.run(fs, root)
  await writeHomeVersion(root, version + 1, { fs })
  onStep(
    `the home ${root} went from version ${version} to ${version + 1} (${migration.what}); ` +
      `the files as they were are in ${backupPath(root, version)}`
  )
}
