/** What a torture run has done so far: one JSON file, replaced whole after every step, so that a second start goes on behind it. */
import { z } from 'zod'
import { readJson, writeJsonAtomic } from '../../node/store/atomic-file.ts'

const stepResultSchema = z.strictObject({
  /** Tests that passed, failed and did not run */
  passed: z.int(),
  failed: z.int(),
  skipped: z.int(),
  seconds: z.number(),
  figures: z.record(z.string(), z.union([z.number(), z.string()])),
  /** The first lines of what went wrong, a test each */
  failures: z.array(z.string())
})

const resultSchema = z.strictObject({
  /** R1, R2, … */
  id: z.string(),
  /** Of the size asked for; none where a run has one size */
  size: z.number().optional(),
  /** `YYYY-MM-DD`, when the last step ended */
  date: z.string(),
  steps: z.array(stepResultSchema),
  done: z.boolean()
})

const stateSchema = z.strictObject({ version: z.literal(1), results: z.array(resultSchema) })

export type StepResult = z.infer<typeof stepResultSchema>
export type RunResult = z.infer<typeof resultSchema>
export type State = z.infer<typeof stateSchema>

/** The state of that file; an empty one where there is none. Throws `DamagedStoreError` if it is no state. */
export async function readState(path: string): Promise<State> {
  return (await readJson(path, stateSchema)) ?? { version: 1, results: [] }
}

export async function writeState(path: string, state: State): Promise<void> {
  await writeJsonAtomic(path, state)
}

/** The state with one result in the place of that of the same run. */
export function withResult(state: State, result: RunResult): State {
  return { ...state, results: [...state.results.filter(({ id }) => id !== result.id), result] }
}

/** What a run has done at this size; a result of another size is none. */
export function resultOf(state: State, id: string, size: number | undefined): RunResult | undefined {
  return state.results.find(r => r.id === id && r.size === size)
}

/** All tests passed, and there were some. */
export function hasPassed({ steps, done }: RunResult): boolean {
  return done && steps.every(({ failed, passed }) => failed === 0 && passed > 0)
}
