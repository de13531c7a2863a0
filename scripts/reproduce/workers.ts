/**
 * A pool of processes that read JSON lines and answer each with a JSON line. Work goes to an idle process; processes are started on demand. If a
 * process fails, its work fails with it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { z } from 'zod'

export interface Job {
  readonly id: string
  readonly [field: string]: unknown
}

const answerSchema = z.looseObject({ id: z.string(), error: z.string().optional() })
const readySchema = z.looseObject({ ready: z.string() })
export type Answer = z.infer<typeof answerSchema>

export interface PoolInit {
  command: string
  args: readonly string[]
  env: Readonly<Record<string, string>>
  /** Processes at a time */
  size: number
  signal: AbortSignal
}

const KEPT_STDERR = 4096

/**
 * Runs all jobs and passes on each answer as it arrives. Rejects with the first failure, or the signal's reason, after all processes have exited;
 * answers passed on remain valid.
 */
export async function runJobs(
  jobs: readonly Job[],
  { command, args, env, size, signal }: PoolInit,
  onAnswer: (answer: Answer) => Promise<void>
): Promise<void> {
  const queue = [...jobs]
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const work = async (): Promise<void> => {
    stop.throwIfAborted()
    const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    const exited = once(child, 'close')
    // the program cannot be started: serve() reports that
    exited.catch(() => undefined)
    const end = (): boolean => child.kill()
    stop.addEventListener('abort', end, { once: true })
    try {
      await serve(child, queue, onAnswer, stop)
    } catch (error) {
      failed.abort(error)
      throw error
    } finally {
      stop.removeEventListener('abort', end)
      child.stdin?.end()
      if (stop.aborted) child.kill()
      await exited.catch(() => undefined)
    }
  }
  const done = await Promise.allSettled(Array.from({ length: Math.min(size, queue.length) }, work))
  signal.throwIfAborted()
  failed.signal.throwIfAborted()
  for (const result of done) if (result.status === 'rejected') throw result.reason
}

// --- internal ---

async function serve(
  child: ChildProcess,
  queue: Job[],
  onAnswer: (answer: Answer) => Promise<void>,
  stop: AbortSignal
): Promise<void> {
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('a worker without pipes')
  let said = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_STDERR)
  })
  // writing fails if the process has exited; its output is reported below
  stdin.on('error', () => undefined)
  const failure = once(child, 'error').then(([error]) => Promise.reject(error as Error))
  failure.catch(() => undefined)
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const read = async (): Promise<unknown> => {
    const next = await Promise.race([lines.next(), failure])
    if (next.done === true) {
      stop.throwIfAborted()
      throw new Error(`a worker ended: ${said.trim() === '' ? 'it printed nothing' : said.trim()}`)
    }
    return JSON.parse(next.value)
  }
  readySchema.parse(await read())
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    stop.throwIfAborted()
    stdin.write(`${JSON.stringify(job)}\n`)
    const answer = answerSchema.parse(await read())
    if (answer.id !== job.id) throw new Error(`a worker answered ${answer.id} for ${job.id}`)
    if (answer.error !== undefined) throw new Error(`${answer.id}: ${answer.error}`)
    await onAnswer(answer)
  }
}
