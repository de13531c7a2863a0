/** One command of the command line in this process, with a backend of the test's: what it printed and its exit code. */
import type { CoOptApi } from '../../node/api/api.ts'
import type { Backend } from '../../node/cli/backend.ts'
import type { CliContext } from '../../node/cli/context.ts'
import { runProgram } from '../../node/cli/program.ts'
import { fakeApi, fakeBackend, type FakeApi, type FakeBackend } from './fake-api.ts'

export interface Printed {
  out: string
  err: string
}

export interface CommandRun extends Printed {
  readonly code: number
  readonly api: FakeApi
  readonly backend: FakeBackend
}

/** A context that keeps what is printed. Nothing is waited for unless `more` says so. */
export function commandContext(
  backend: Backend,
  more: Partial<CliContext> = {}
): { context: CliContext; printed: Printed } {
  const printed = { out: '', err: '' }
  return {
    printed,
    context: {
      stdout: text => void (printed.out += text),
      stderr: text => void (printed.err += text),
      terminal: false,
      env: {},
      cwd: '/work-dir',
      loadBackend: async () => backend,
      patienceMs: 0,
      signal: new AbortController().signal,
      kill: new AbortController().signal,
      ...more
    }
  }
}

/** Runs `coopt ARGS` with an API that gives `answers`, and reports else (fake-api.ts). */
export async function runCommand(
  args: readonly string[],
  answers: Partial<CoOptApi> = {},
  more: Partial<CliContext> & { backend?: Partial<Backend> } = {}
): Promise<CommandRun> {
  const { backend: own, ...context } = more
  const api = fakeApi(answers)
  const backend = fakeBackend(api)
  const { context: made, printed } = commandContext({ ...backend, ...own }, context)
  const code = await runProgram(args, made)
  return { code, ...printed, api, backend }
}

/** The JSON lines of an output. */
export const jsonLines = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)
