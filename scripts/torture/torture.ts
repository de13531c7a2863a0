/** The runs of a plan in their order, each step's result on disk before the next begins. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import type { Run, Step } from './plan.ts'
import type { StepOptions } from './run-step.ts'
import {
  hasPassed,
  readState,
  resultOf,
  withResult,
  writeState,
  type RunResult,
  type State,
  type StepResult
} from './state.ts'

export interface TortureOptions {
  /** The folder of the state; made if there is none */
  readonly out: string
  readonly plan: readonly Run[]
  /** Sizes of minutes, and without the runs that have none */
  readonly short: boolean
  /** Identifiers; all without it */
  readonly only?: readonly string[]
  /** Sizes that take the place of those of the plan, by identifier */
  readonly sizes?: ReadonlyMap<string, number>
  /** Do again what is done already */
  readonly fresh: boolean
  runStep(step: Step, options: Pick<StepOptions, 'env'>): Promise<StepResult>
  onProgress(line: string): void
}

/** Results of the runs asked for, those of earlier starts among them. Throws `InvalidInputError` for identifiers that are none. */
export async function torture(options: TortureOptions): Promise<RunResult[]> {
  const { out, plan, fresh, onProgress } = options
  const runs = chosen(options)
  await mkdir(out, { recursive: true })
  const path = statePath(out)
  let state = await readState(path)
  if (fresh) {
    const ids = new Set(runs.map(({ id }) => id))
    state = { ...state, results: state.results.filter(({ id }) => !ids.has(id)) }
    await writeState(path, state)
  }
  for (const run of runs) {
    state = await finish(run, state, { ...options, path })
    const result = resultOf(state, run.id, sizeOf(run, options))
    if (result !== undefined) onProgress(`${run.id} ${hasPassed(result) ? 'passed' : 'FAILED'}`)
  }
  return runs.flatMap(run => resultOf(state, run.id, sizeOf(run, options)) ?? []).toSorted(inOrder(plan))
}

export function statePath(out: string): string {
  return join(out, 'state.json')
}

// --- internal ---

function chosen({ plan, only, short, sizes }: TortureOptions): readonly Run[] {
  for (const id of [...(only ?? []), ...(sizes?.keys() ?? [])])
    if (!plan.some(run => run.id === id))
      throw new InvalidInputError(`there is no run ${id}: ${plan[0]?.id} to ${plan.at(-1)?.id}`)
  return plan.filter(
    run => run.steps.length > 0 && (only === undefined ? !(short && run.longOnly === true) : only.includes(run.id))
  )
}

function sizeOf({ id, size }: Run, { short, sizes }: Pick<TortureOptions, 'short' | 'sizes'>): number | undefined {
  if (size === undefined) return undefined
  return sizes?.get(id) ?? (short ? size.short : size.plan)
}

async function finish(run: Run, before: State, options: TortureOptions & { path: string }): Promise<State> {
  const { runStep, onProgress, path } = options
  const size = sizeOf(run, options)
  let state = before
  let result = resultOf(state, run.id, size) ?? {
    id: run.id,
    ...(size === undefined ? {} : { size }),
    date: '',
    steps: [],
    done: false
  }
  if (result.done) {
    onProgress(`${run.id} was done before`)
    return state
  }
  const env = run.size === undefined || size === undefined ? {} : { [run.size.variable]: `${size}` }
  for (const step of run.steps.slice(result.steps.length)) {
    onProgress(
      `${run.id} ${run.title}${run.size === undefined ? '' : ` (${size} ${run.size.unit})`}: ${step.files.join(' ')}`
    )
    const made = await runStep(step, { env })
    const steps = [...result.steps, made]
    result = { ...result, steps, date: new Date().toISOString().slice(0, 10), done: steps.length === run.steps.length }
    state = withResult(state, result)
    await writeState(path, state)
  }
  return state
}

function inOrder(plan: readonly Run[]): (a: RunResult, b: RunResult) => number {
  const places = new Map(plan.map(({ id }, place) => [id, place]))
  return (a, b) => (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0)
}
