/** One step of a run: vitest in a process of its own, with the size in its environment. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Step } from './plan.ts'
import type { StepResult } from './state.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')

/** What of vitest's JSON report is read */
const reportSchema = z.looseObject({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  testResults: z.array(
    z.looseObject({
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.looseObject({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).nullish() })
      )
    })
  )
})

export interface StepOptions {
  /** The environment variables of the sizes */
  readonly env: Readonly<Record<string, string>>
  /** Milliseconds after which it is killed */
  readonly limitMs: number
  /** What vitest says goes here */
  onSaid(text: string): void
  readonly signal: AbortSignal
}

/** Run it to its end. A step that cannot be started, or is killed, has failed; rejects only when `signal` ends it. */
export async function runStep(step: Step, { env, limitMs, onSaid, signal }: StepOptions): Promise<StepResult> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-torture-'))
  try {
    const [report, figures] = [join(folder, 'report.json'), join(folder, 'figures')]
    const isDriver = step.files.some(file => file.endsWith('.torture.ts'))
    const config = isDriver ? 'test/torture/vitest.config.ts' : 'test/vitest.config.ts'
    const pattern = step.pattern === undefined ? [] : ['-t', step.pattern]
    // a test may take as long as its step: what hangs is ended with it
    const options = [`--testTimeout=${limitMs}`, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const startedAt = performance.now()
    const { code, killed } = await run(
      [VITEST, 'run', '--config', config, ...step.files, ...pattern, ...options],
      { ...process.env, ...step.env, ...env, COOPT_FIGURES: figures, NO_COLOR: '1' },
      { limitMs, onSaid, signal }
    )
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10
    const result = read(await textOf(report), step.pattern !== undefined)
    const failures = [
      ...(killed ? [`not done after ${Math.round(limitMs / 1000)} s`] : []),
      ...result.failures,
      ...(code !== 0 && !killed && result.failed === 0 ? [`vitest ended with code ${code}`] : [])
    ]
    const failed = Math.max(result.failed, failures.length === 0 ? 0 : 1)
    return { ...result, failed, seconds, figures: figuresIn((await textOf(figures)) ?? ''), failures }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

// --- internal ---

async function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { limitMs, onSaid, signal }: Pick<StepOptions, 'limitMs' | 'onSaid' | 'signal'>
): Promise<{ code: number; killed: boolean }> {
  signal.throwIfAborted()
  // in a process group of its own: tests start processes, which end with it
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...env, PATH: `${dirname(process.execPath)}:${env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  child.stdout.setEncoding('utf8').on('data', onSaid)
  child.stderr.setEncoding('utf8').on('data', onSaid)
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
  }
  let killed = false
  const timer = setTimeout(() => {
    killed = true
    end()
  }, limitMs)
  signal.addEventListener('abort', end, { once: true })
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    signal.throwIfAborted()
    return { code: code ?? 1, killed }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

function read(
  report: string | undefined,
  isPart: boolean
): Pick<StepResult, 'passed' | 'failed' | 'skipped' | 'failures'> {
  if (report === undefined) return { passed: 0, failed: 0, skipped: 0, failures: ['vitest wrote no report'] }
  const { numPassedTests, numFailedTests, testResults } = reportSchema.parse(JSON.parse(report))
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  return {
    passed: numPassedTests,
    failed: numFailedTests,
    // where a pattern leaves out tests, these count as skipped too
    skipped: isPart ? 0 : tests.filter(({ status }) => status === 'skipped').length,
    failures: [
      ...testResults.flatMap(({ status, message, assertionResults }) =>
        status === 'failed' && assertionResults.length === 0 ? [firstLine(message)] : []
      ),
      ...tests.flatMap(({ status, fullName, failureMessages }) =>
        status === 'failed' ? [`${fullName}: ${firstLine(failureMessages?.[0] ?? '')}`] : []
      )
    ]
  }
}

/** Enough to know what failed; the log has it all. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').slice(0, 300)
}

/** Of a figure that was noted more than once the last. */
function figuresIn(lines: string): StepResult['figures'] {
  const figureSchema = z.strictObject({ name: z.string(), value: z.union([z.number(), z.string()]) })
  return Object.fromEntries(
    lines
      .split('\n')
      .filter(line => line !== '')
      .map(line => {
        const { name, value } = figureSchema.parse(JSON.parse(line))
        return [name, value]
      })
  )
}
