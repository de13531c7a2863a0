/**
 * Which process is meant by a file in `LOCK/` (lock.ts), and whether it still runs.
 *
 * The file holds a `Holder` as JSON, or is empty and has it in its name (`holderName`).
 */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename } from 'node:path'
import { z } from 'zod'
import { errorCode, nodeFileSystem, readFully } from '../store/file-system.ts'

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

const MAX_HOLDER_BYTES = 4096

/** A name may have 255 bytes: hosts have up to 64, boot ids 36, and what is percent-encoded stays below. */
const NAME = /^(?<pid>\d{1,10}),(?<host>[^,]{1,128}),(?<boot>[^,]{0,36}),(?<start>\d{0,20}),[0-9a-f]{16}\.holder$/

/** The name of an empty file that stands for `holder`. */
export function holderName({ pid, host, boot = '', start = '' }: Holder, unique: string): string {
  return `${pid},${encodeURIComponent(host).slice(0, 128)},${boot},${start},${unique}.holder`
}

/** Undefined for an unparsable file: it was renamed into place whole, so only a power cut leaves one, and then its process is gone. */
export async function readHolder(path: string): Promise<Holder | 'gone' | undefined> {
  const named = NAME.exec(basename(path))?.groups
  if (named !== undefined) return fromName(named)
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

export async function isAlive(other: Holder): Promise<boolean> {
  if (other.host !== hostname()) return true
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false
    if (errorCode(error) !== 'EPERM') throw error // EPERM: alive, of another user
  }
  const { boot, start } = await describeProcess(other.pid)
  if (other.boot !== undefined && boot !== undefined && other.boot !== boot) return false
  return other.start === undefined || start === undefined || other.start === start
}

export async function describeProcess(pid: number): Promise<Pick<Holder, 'pid' | 'host' | 'boot' | 'start'>> {
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
    return base // /proc is hidden, or the process ended meanwhile: the pid alone has to do
  }
}

// --- internal ---

function fromName({ pid, host = '', boot, start }: Record<string, string | undefined>): Holder {
  return {
    pid: Number(pid),
    host: decodeURIComponent(host),
    ...(boot === '' || boot === undefined ? {} : { boot }),
    ...(start === '' || start === undefined ? {} : { start }),
    what: 'a coopt command on a full disk',
    since: 'an unknown time'
  }
}
