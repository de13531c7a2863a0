/**
 * Runs `coopt` in child processes for the demo, benchmarks and tests: reads JSON lines, sends signals, and ends processes by their id.
 *
 * Guarantees that everything a process printed has been read when `ended` resolves, and that every rejection is handled.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { apiEventSchema, type ApiEvent } from '../node/api/events.ts'

const LAUNCHER = join(import.meta.dirname, '..', 'node', 'cli', 'bin.mjs')

/** After SIGINT a process may finish its batch; after this time it is considered hung. */
const STOP_WITHIN_MS = 15_000
/** Bytes kept of stderr: its end explains a failure, and a long debug log must not fill memory. */
const KEPT_STDERR = 1024 * 1024

const lineSchema = z.looseObject({ type: z.string().optional(), error: z.object({ message: z.string() }).optional() })

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last JSON line: the result, or what went wrong */
  readonly last: unknown
  /** All of stdout without `home` */
  readonly out: string
  /** stderr */
  readonly said: string
}

export interface CoOptProcess {
  readonly pid: number | undefined
  readonly ended: Promise<Ended>
  /** The last JSON line. Rejects with the process's output if it fails. */
  readonly result: Promise<unknown>
  kill(signal: NodeJS.Signals): void
  /** Sends SIGINT, and SIGKILL after a while. Resolves when the process has exited. */
  end(): Promise<void>
}

export interface CoOptProcessInit {
  /** Adds `--json --home HOME` and reads JSON lines. Without it the arguments are passed unchanged and stdout is text. */
  home?: string
  /** @default nothing */
  onEvent?: (event: ApiEvent) => void
  /** Called with each piece of stderr. @default nothing */
  onSaid?: (text: string) => void
  /** Added to the environment of this process */
  env?: Readonly<Record<string, string>>
  /** Command that runs the rest of its arguments, such as `ip netns exec NAME` */
  within?: readonly string[]
  /** The program to run, as one that bundle-programs.ts made. @default the launcher, which runs the sources */
  program?: string
}

/** Starts `coopt ARGS`. */
export function startCoOpt(args: readonly string[], init: CoOptProcessInit): CoOptProcess {
  const { home, onEvent = () => undefined, onSaid = () => undefined, env = {}, within = [], program = LAUNCHER } = init
  const command = [process.execPath, program, ...args, ...(home === undefined ? [] : ['--json', '--home', home])]
  const [first = process.execPath, ...rest] = [...within, ...command]
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_STDERR)
    onSaid(text)
  })

  const read = async (): Promise<{ last: unknown; out: string }> => {
    let last: unknown
    let out = ''
    for await (const line of createInterface({ input: child.stdout })) {
      if (home === undefined) {
        out += `${line}\n`
        continue
      }
      last = JSON.parse(line)
      const event = apiEventSchema.safeParse(last)
      if (event.success) onEvent(event.data)
    }
    return { last, out }
  }
  const ended = Promise.all([read(), exited]).then(([printed, [code, signal]]) => ({ code, signal, said, ...printed }))
  const result = ended.then(end => resultOf(end, `coopt ${args[0]} (process ${child.pid})`))
  // a caller that does not await a daemon's result notices its failure in other ways
  result.catch(() => undefined)

  return {
    pid: child.pid,
    ended,
    result,
    kill: signal => void child.kill(signal),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGINT')
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      await exited
      clearTimeout(late)
    }
  }
}

/** Runs one command to completion. Rejects with its output if it fails. */
export async function coopt<T>(
  args: readonly string[],
  schema: { parse(value: unknown): T },
  init: CoOptProcessInit & { home: string }
): Promise<T> {
  return schema.parse(await startCoOpt(args, init).result)
}

/** The last line that a command printed; throws with its output if it failed. */
export function resultOf({ code, signal, last, said }: Ended, what: string): unknown {
  if (code === 0) return last
  const line = lineSchema.safeParse(last)
  const reason = (line.success ? line.data.error?.message : undefined) ?? (said.trim() || 'it printed nothing')
  throw new Error(`${what} ended with ${signal ?? code}: ${reason}`)
}
