/**
 * One process per home directory.
 *
 * `LOCK/` holds one small file per process that has or wants the home, each under a name that is never used again. To lock: write
 * the own file, then look at the others; if the process of another one lives, take the own file away again. Two that start at
 * once may both give way (and try again after a moment), but never both go on: whoever looks second sees the first. Files of
 * dead processes are removed, which is safe because their names never come back.
 *
 * A process is known by its pid and start time (Linux), so that a pid used again after a crash does not block the home. Of a
 * process on another host (a shared volume) nothing can be known: it counts as alive.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { HomeLockedError } from '../../src/errors.ts'
import { writeJsonAtomic } from '../store/atomic-file.ts'
import {
  DIRECTORY_MODE,
  errorCode,
  nodeFileSystem,
  readFully,
  removeIfPresent,
  storeError
} from '../store/file-system.ts'

const holderSchema = z.object({
  pid: z.number().int().positive(),
  host: z.string(),
  /** Linux: which boot, and clock ticks since then at which the process started */
  boot: z.string().optional(),
  start: z.string().optional(),
  /** What it does, for people: `coopt up` */
  what: z.string(),
  since: z.string()
})
export type Holder = z.infer<typeof holderSchema>

export interface HomeLock {
  readonly holder: Holder
  /** Give the home back; may be called twice. */
  release(): Promise<void>
}

export interface LockOptions {
  /** What this process does, shown to whoever finds the home locked */
  what: string
  /** Clock for `since` */
  now?: () => Date
}

const MAX_HOLDER_BYTES = 4096

/** Two that start together both withdraw; with waits of 5 to 50 ms a fourth collision in a row is improbable. */
const ATTEMPTS = 4
const LONGEST_WAIT_MS = 50

/** Lock the home at `root`. Throws `HomeLockedError` naming the process that has it. */
export async function lockHome(root: string, { what, now = () => new Date() }: LockOptions): Promise<HomeLock> {
  const directory = join(root, 'LOCK')
  try {
    await nodeFileSystem.mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
  } catch (error) {
    throw storeError(error, 'create', directory)
  }
  const holder: Holder = { ...(await describe(process.pid)), what, since: now().toISOString() }
  for (let attempt = 1; ; attempt++) {
    const name = `${process.pid}-${randomBytes(8).toString('hex')}.json`
    await writeJsonAtomic(join(directory, name), holder)
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

/** Undefined for a file without sense: it was renamed into place whole, so only a power cut leaves one, and then nobody lives. */
async function readHolder(path: string): Promise<Holder | 'gone' | undefined> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await readFully(nodeFileSystem, path, MAX_HOLDER_BYTES)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 'gone'
    throw error
  }
  if (bytes === undefined) return undefined
  try {
    return holderSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined
    throw error
  }
}

async function isAlive(other: Holder): Promise<boolean> {
  if (other.host !== hostname()) return true
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false
    if (errorCode(error) !== 'EPERM') throw error // EPERM: alive, of another user
  }
  const { boot, start } = await describe(other.pid)
  if (other.boot !== undefined && boot !== undefined && other.boot !== boot) return false
  return other.start === undefined || start === undefined || other.start === start
}

async function describe(pid: number): Promise<Pick<Holder, 'pid' | 'host' | 'boot' | 'start'>> {
  const base = { pid, host: hostname() }
  if (process.platform !== 'linux') return base
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // field 22, counted after the name in parentheses, which may itself hold spaces and parentheses (proc_pid_stat(5))
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return start === undefined ? { ...base, boot } : { ...base, boot, start }
  } catch (error) {
    if (errorCode(error) === '') throw error
    return base // /proc hidden, or the process ended meanwhile: the pid alone has to do
  }
}

function refusal(root: string, directory: string, other: Holder): string {
  const where = other.host === hostname() ? '' : ` on host ${other.host}`
  const advice =
    other.host === hostname()
      ? `stop it, or use another home`
      : `if it no longer runs, remove ${directory} and start again`
  return `${root} is in use by process ${other.pid}${where} (${other.what}, since ${other.since}); ${advice}`
}
