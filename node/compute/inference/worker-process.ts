/**
 * One life of the inference worker: started with an empty working directory, a minimal environment and no right to write files or
 * start programs (Node's permission model: it binds JavaScript, not native code); watched; killed with SIGKILL and reaped.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Accelerator } from './accelerator.ts'
import type { InferenceLimits } from './limits.ts'
import type { Envelope, Request, Setup } from './messages.ts'
import { linkRuntime, takesLibraries } from './runtime-folder.ts'
import { answerSchema, type Answer } from './replies.ts'

/** How often resident memory is read. An Expand bomb grows by some 200 MB in a second. */
const WATCH_MILLISECONDS = 50
const PAGE_BYTES = 4096
/** What is kept of stderr to explain a crash. */
const STDERR_CHARACTERS = 2000

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
const ARGUMENTS = [
  '--permission',
  '--allow-fs-read=*',
  '--allow-addons',
  '--allow-worker',
  '--disable-warning=SecurityWarning',
  '--disable-warning=ExperimentalWarning'
]

/** The worker died or was killed while a request was under way; `limit` when it broke one of its limits. */
export class WorkerLostError extends Error {
  static override readonly name = 'WorkerLostError'
  readonly limit: 'memory' | 'time' | undefined
  constructor(message: string, limit?: 'memory' | 'time') {
    super(message)
    this.name = new.target.name
    this.limit = limit
  }
}

interface Waiting {
  readonly id: number
  readonly what: Request['type']
  readonly milliseconds: number
  resolve(answer: Answer): void
  reject(error: unknown): void
}

export class WorkerProcess {
  /** Requests answered. */
  answered = 0
  /** Settles when the process is reaped and its directory removed. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #memoryBytes: number
  /** Requests under way, in the order of their answers */
  readonly #waiting: Waiting[] = []
  /** Of the first of them */
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #stderr = ''
  #why: WorkerLostError | undefined
  #exited = false

  /**
   * `decoders`: threads that decode. `scratch`: folder for the working directory, which is removed when the process has ended. `accelerator`: what it needs
   * for another device than the CPU.
   */
  static async start(
    limits: InferenceLimits,
    decoders: number,
    scratch: string,
    accelerator?: Accelerator
  ): Promise<WorkerProcess> {
    await mkdir(scratch, { recursive: true, mode: 0o700 })
    // relative paths of a hostile model resolve to nothing here
    const directory = await mkdtemp(join(scratch, 'coopt-worker-'))
    const { libraryFolder } = accelerator ?? {}
    if (libraryFolder === undefined || !takesLibraries)
      return new WorkerProcess([directory], limits, decoders, accelerator)
    const runtime = await mkdtemp(join(scratch, 'coopt-runtime-'))
    const directories = [directory, runtime] as const
    try {
      await linkRuntime(runtime, libraryFolder)
    } catch (error) {
      await remove(directories)
      throw error
    }
    return new WorkerProcess(directories, limits, decoders, accelerator)
  }

  private constructor(
    directories: readonly [directory: string, runtime?: string],
    limits: InferenceLimits,
    decoders: number,
    accelerator: Accelerator | undefined
  ) {
    this.#memoryBytes = limits.memoryBytes
    const [directory, runtime] = directories
    const child = fork(WORKER, [], {
      cwd: directory,
      env: environment(decoders, accelerator, runtime),
      execArgv: ARGUMENTS,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS)
    })
    child.on('message', (message: unknown) => this.#settle(message))
    const killNow = () => child.kill('SIGKILL')
    process.once('exit', killNow)
    const watch = setInterval(() => void this.#watch(), WATCH_MILLISECONDS)
    watch.unref()
    const ending = new Promise<string>(resolve => {
      child.on('error', error => {
        this.#why ??= new WorkerLostError(`the worker cannot be used: ${error.message}`)
        if (child.pid === undefined) resolve('it did not start') // such a process has no end
      })
      child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    this.ended = this.#end(ending, directories, () => {
      clearInterval(watch)
      process.off('exit', killNow)
    })
    const setup: Setup = {
      type: 'setup',
      limits: { imagePixels: limits.imagePixels, imageBytes: limits.imageBytes },
      memoryBytes: limits.memoryBytes * 1.25, // the parent's watch comes first, and says why
      decoders,
      ...(runtime === undefined ? {} : { runtime })
    }
    this.#send(setup)
  }

  get alive(): boolean {
    return !this.#exited && this.#why === undefined
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /**
   * One request, one reply; replies come in the order of the requests. Rejects with `WorkerLostError` when the process dies or takes longer than
   * `milliseconds` from the reply before, and with the signal's reason after killing it: a running model cannot be stopped in another way.
   */
  async request(request: Request, milliseconds: number, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted()
    if (!this.alive) throw this.#why ?? new WorkerLostError('the worker has ended')
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const id = ++this.#next
    this.#waiting.push({ id, what: request.type, milliseconds, resolve, reject })
    if (this.#waiting.length === 1) this.#watchFirst()
    const abort = () => {
      reject(signal?.reason)
      this.kill(new WorkerLostError('another request was cancelled'))
    }
    signal?.addEventListener('abort', abort, { once: true })
    try {
      this.#send({ id, request })
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  kill(why = new WorkerLostError('the worker was closed')): void {
    this.#why ??= why
    this.#fail(this.#why)
    if (!this.#exited) this.#child.kill('SIGKILL')
  }

  // --- internal ---

  async #end(
    ending: Promise<string>,
    directories: readonly (string | undefined)[],
    release: () => void
  ): Promise<void> {
    const how = await ending
    this.#exited = true
    release()
    const said = this.#stderr === '' ? '' : `: ${this.#stderr.trim()}`
    this.#fail(this.#why ?? new WorkerLostError(`the worker ended (${how})${said}`))
    await remove(directories)
  }

  #send(message: Setup | Envelope): void {
    // a send fails when the worker is ending: `close` follows and fails the request
    this.#child.send(message, error => {
      if (error !== null) this.kill(new WorkerLostError(`the worker cannot be reached: ${error.message}`))
    })
  }

  #settle(message: unknown): void {
    const { data: answer } = answerSchema.safeParse(message)
    const [first] = this.#waiting
    if (first === undefined) return
    if (answer === undefined || answer.id !== first.id) {
      this.kill(new WorkerLostError('the worker sent a message that is not an answer'))
      return
    }
    this.#waiting.shift()
    this.answered++
    this.#watchFirst()
    first.resolve(answer)
  }

  /** The first has its time from now on: those before it are answered. */
  #watchFirst(): void {
    clearTimeout(this.#timer)
    const [first] = this.#waiting
    if (first === undefined) return
    const { what, milliseconds } = first
    const late = () => this.kill(new WorkerLostError(`a ${what} request took longer than ${milliseconds} ms`, 'time'))
    this.#timer = setTimeout(late, milliseconds)
  }

  #fail(error: unknown): void {
    clearTimeout(this.#timer)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
  }

  /** Linux only: elsewhere the worker's own guard thread enforces the limit. */
  async #watch(): Promise<void> {
    const pid = this.#child.pid
    if (process.platform !== 'linux' || pid === undefined || this.#exited) return
    const rss = await readFile(`/proc/${pid}/statm`, 'utf8').then(
      text => Number(text.split(' ')[1]) * PAGE_BYTES,
      () => 0 // gone: `close` follows
    )
    if (rss > this.#memoryBytes) {
      const [has, may] = [rss, this.#memoryBytes].map(n => Math.round(n / 2 ** 20))
      this.kill(new WorkerLostError(`the worker took ${has} MiB of memory, at most ${may} MiB are allowed`, 'memory'))
    }
  }
}

/** Which devices a process sees, and where their drivers are: no secrets. */
const DRIVER_VARIABLES = ['CUDA_VISIBLE_DEVICES', 'CUDA_DEVICE_ORDER', 'VK_ICD_FILENAMES', 'VK_DRIVER_FILES']

function acceleratorVariables({ libraryFolder }: Accelerator, runtime: string | undefined): NodeJS.ProcessEnv {
  // TF32 rounds the factors of products to 10 bits; golden features allow less
  const exact = { NVIDIA_TF32_OVERRIDE: '0' }
  if (runtime === undefined || libraryFolder === undefined) return exact
  // the links first: the operator's folder may hold another libonnxruntime.so.1; behind it, what the libraries there need
  const path = [runtime, libraryFolder, process.env['LD_LIBRARY_PATH']].filter(one => one !== undefined && one !== '')
  return { ...exact, LD_LIBRARY_PATH: path.join(':') }
}

/** Links and an empty directory: what cannot be removed now is removed with the folder around it. */
async function remove(directories: readonly (string | undefined)[]): Promise<void> {
  for (const directory of directories)
    if (directory !== undefined) await rm(directory, { recursive: true, force: true }).catch(() => undefined)
}

/** Nothing of the operator's environment (keys, tokens) but what the system needs to load libraries. */
function environment(decoders: number, accelerator?: Accelerator, runtime?: string): NodeJS.ProcessEnv {
  const names = ['SystemRoot', 'TEMP', 'TMPDIR', 'LD_LIBRARY_PATH', 'FONTCONFIG_PATH']
  const kept = [...names, ...(accelerator === undefined ? [] : DRIVER_VARIABLES)].flatMap(name => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  // each decoding thread keeps one of libuv's busy; arenas of glibc multiply resident memory by the number of threads
  const threads = String(Math.max(2, decoders))
  return {
    ...Object.fromEntries(kept),
    ...(accelerator === undefined ? {} : acceleratorVariables(accelerator, runtime)),
    UV_THREADPOOL_SIZE: threads,
    MALLOC_ARENA_MAX: threads,
    VIPS_BLOCK_UNTRUSTED: '1'
  }
}
