/**
 * One process per home directory.
 *
 * `LOCK/` holds one small file per process that has or wants the home, each under a name that is never used again. To lock: write
 * the own file, then look at the others; if the process of another one lives, take the own file away again. Two that start at
 * once may both give way (and try again after a moment), but never both go on: the one that looks second sees the first. Files of
 * dead processes are removed, which is safe because their names never come back.
 *
 * A process is known by its pid and start time (Linux), so that a pid used again after a crash does not block the home (holder.ts). Of a
 * process on another host (a shared volume) nothing can be known: it counts as alive.
 *
 * On a full disk the file is empty and its name says what it would: `coopt gc` has to run there, since it is what frees space.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HomeLockedError, InvalidInputError, StoreFullError } from '../../src/errors.ts'
import { writeJsonAtomic } from '../store/atomic-file.ts'
import {
  DIRECTORY_MODE,
  errorCode,
  FILE_MODE,
  nodeFileSystem,
  removeIfPresent,
  storeError,
  syncDirectory
} from '../store/file-system.ts'
import { describeProcess, holderName, isAlive, readHolder, type Holder } from './holder.ts'

export interface HomeLock {
  readonly holder: Holder
  /** Give the home back; may be called twice. */
  release(): Promise<void>
}

export interface LockOptions {
  /** What this process does, shown to users who find the home locked */
  what: string
  /** Clock for `since` */
  now?: () => Date
}

/** Two that start together both withdraw; with waits of 5 to 50 ms a fourth collision in a row is improbable. */
const ATTEMPTS = 4
const LONGEST_WAIT_MS = 50

/**
 * Lock the home at `root`. Throws `HomeLockedError` naming the process that has it, `InvalidInputError` when the home cannot be written to.
 */
export async function lockHome(root: string, { what, now = () => new Date() }: LockOptions): Promise<HomeLock> {
  const directory = join(root, 'LOCK')
  await makeDirectory(root, directory)
  const holder: Holder = { ...(await describeProcess(process.pid)), what, since: now().toISOString() }
  for (let attempt = 1; ; attempt++) {
    const name = await enter(root, directory, holder)
    const release = () => removeIfPresent(nodeFileSystem, join(directory, name))
    let other: Holder | undefined
    try {
      other = await findOther(directory, name)
    } catch (error) {
      await release()
      throw storeError(error, 'read', directory)
    }
    if (other === undefined) return { holder, release }
    await release()
    if (attempt === ATTEMPTS) throw new HomeLockedError(refusal(root, directory, other))
    await sleep(randomInt(5, LONGEST_WAIT_MS))
  }
}

/** Look without locking, and without writing. Throws `HomeLockedError` naming the process that holds the home. */
export async function assertFree(root: string): Promise<void> {
  const directory = join(root, 'LOCK')
  let names: string[]
  try {
    names = await nodeFileSystem.readdir(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw storeError(error, 'read', directory)
  }
  for (const name of names) {
    const other = name.endsWith('.tmp') ? undefined : await readHolder(join(directory, name))
    if (other !== undefined && other !== 'gone' && (await isAlive(other)))
      throw new HomeLockedError(refusal(root, directory, other))
  }
}

// --- internal ---

/** The live process behind any file but `own`; files of dead ones are removed. */
async function findOther(directory: string, own: string): Promise<Holder | undefined> {
  for (const name of await nodeFileSystem.readdir(directory)) {
    if (name === own || name.endsWith('.tmp')) continue
    const path = join(directory, name)
    const other = await readHolder(path)
    if (other === 'gone') continue
    if (other !== undefined && (await isAlive(other))) return other
    await removeIfPresent(nodeFileSystem, path)
  }
  return undefined
}

async function makeDirectory(root: string, directory: string): Promise<void> {
  try {
    await nodeFileSystem.mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
  } catch {
    // Node says ENOENT or EEXIST, whatever it was that kept it from making one of the folders
    await makeOneByOne(directory).catch((error: unknown) => {
      throw unwritable(root, storeError(error, 'create', directory))
    })
  }
}

async function makeOneByOne(path: string): Promise<void> {
  try {
    await nodeFileSystem.mkdir(path, { recursive: false, mode: DIRECTORY_MODE })
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    await makeOneByOne(dirname(path))
    await nodeFileSystem.mkdir(path, { recursive: false, mode: DIRECTORY_MODE })
  }
}

/** Put the own file beside the others; resolves to its name. */
async function enter(root: string, directory: string, holder: Holder): Promise<string> {
  const unique = randomBytes(8).toString('hex')
  const name = `${process.pid}-${unique}.json`
  try {
    await writeJsonAtomic(join(directory, name), holder)
    return name
  } catch (error) {
    if (!(error instanceof StoreFullError)) throw unwritable(root, error)
  }
  const empty = holderName(holder, unique)
  try {
    await (await nodeFileSystem.open(join(directory, empty), 'wx', FILE_MODE)).close()
    await syncDirectory(nodeFileSystem, directory)
    return empty
  } catch (error) {
    throw storeError(error, 'write', join(directory, empty))
  }
}

/** A home on a read-only file system, or of another user, is a mistake of the operator rather than a failure. */
function unwritable(root: string, error: unknown): unknown {
  const code = errorCode(error)
  const cause = { cause: error }
  if (code === 'EROFS')
    return new InvalidInputError(
      `the home ${root} is on a read-only file system: remount it writable, or use another home (--home)`,
      cause
    )
  if (code === 'EACCES' || code === 'EPERM')
    return new InvalidInputError(
      `this user may not write to the home ${root} (${code}): change its owner or permissions, or use another home (--home)`,
      cause
    )
  return error
}

function refusal(root: string, directory: string, other: Holder): string {
  const where = other.host === hostname() ? '' : ` on host ${other.host}`
  const advice =
    other.host === hostname()
      ? `stop it, or use another home (--home)`
      : `if it no longer runs, remove ${directory} and start again`
  return `${root} is in use by process ${other.pid}${where} (${other.what}, since ${other.since}); ${advice}`
}
