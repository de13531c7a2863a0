/**
 * `coopt` as separate processes, for the demo: JSON lines in, events and the result out. Processes are ended by their own id.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { apiEventSchema, type ApiEvent } from '../node/api/events.ts'

const LAUNCHER = join(import.meta.dirname, '..', 'node', 'cli', 'bin.mjs')

/** After SIGINT a process may finish its batch; longer than this it hangs. */
const LEAVE_WITHIN_MS = 15_000
const KEPT_STDERR = 4096

const lineSchema = z.looseObject({ type: z.string().optional(), error: z.object({ message: z.string() }).optional() })

export interface CoOptProcess {
  readonly pid: number | undefined
  /** The last JSON line. Rejects when the process fails, with what it said. */
  readonly result: Promise<unknown>
  /** Ctrl-C, and after a while the end. Resolves when the process is gone. */
  end(): Promise<void>
}

export interface CoOptProcessInit {
  home: string
  onEvent?: (event: ApiEvent) => void
  /** Command that runs the rest of its arguments, such as `ip netns exec NAME` */
  within?: readonly string[]
}

/** Starts `coopt ARGS --json --home HOME`. */
export function startCoOpt(
  args: readonly string[],
  { home, onEvent = () => undefined, within = [] }: CoOptProcessInit
): CoOptProcess {
  const command = [LAUNCHER, ...args, '--json', '--home', home]
  const [wrapper, ...rest] = within
  const child = spawn(
    wrapper ?? process.execPath,
    wrapper === undefined ? command : [...rest, process.execPath, ...command],
    {
      stdio: ['ignore', 'pipe', 'pipe']
    }
  )
  const exited = once(child, 'close')
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_STDERR)
  })
  const run = async (): Promise<unknown> => {
    let last: z.infer<typeof lineSchema> | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      last = lineSchema.parse(JSON.parse(line))
      const event = apiEventSchema.safeParse(last)
      if (event.success) onEvent(event.data)
    }
    const [code, signal] = await exited
    if (code === 0) return last
    const reason = last?.error?.message ?? (said.trim() || 'it said nothing')
    throw new Error(`coopt ${args[0]} (process ${child.pid}) ended with ${signal ?? code}: ${reason}`)
  }
  const result = run()
  // whoever does not wait for a daemon's result still learns of its failure from what it does not do
  result.catch(() => undefined)
  return { pid: child.pid, result, end: async () => await end(child, exited) }
}

/** Runs one command to its end. */
export async function coopt<T extends z.ZodType>(
  args: readonly string[],
  schema: T,
  init: CoOptProcessInit
): Promise<z.infer<T>> {
  return schema.parse(await startCoOpt(args, init).result)
}

// --- internal ---

async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGINT')
    const late = setTimeout(() => child.kill('SIGKILL'), LEAVE_WITHIN_MS)
    await exited
    clearTimeout(late)
  }
}
