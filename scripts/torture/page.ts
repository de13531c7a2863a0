/** RELIABILITY.md: the table between its markers, a line for each run. Lines of runs without a new result stay as they are. */
import { InvalidInputError } from '../../src/errors.ts'
import type { Run } from './plan.ts'
import { hasPassed, type RunResult } from './state.ts'

export const BEGIN = '<!-- torture: begin -->'
export const END = '<!-- torture: end -->'
const HEAD = [
  '| | what runs, and what it has to pass | size in the plan | last size | figures | date | verdict |',
  '|---|---|---|---|---|---|---|'
]

/** The page with the lines of `results` made again. Throws `InvalidInputError` if the markers are missing. */
export function updateReliabilityPage(page: string, plan: readonly Run[], results: readonly RunResult[]): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new InvalidInputError(`the page has no lines "${BEGIN}" and "${END}" in this order`)
  const before = new Map(
    page
      .slice(from, to)
      .split('\n')
      .flatMap(line => {
        const id = /^\| (R\d+) \|/.exec(line)?.[1]
        return id === undefined ? [] : [[id, line] as const]
      })
  )
  const lines = plan.map(run => {
    const result = results.find(({ id, done }) => id === run.id && done)
    return result === undefined ? (before.get(run.id) ?? lineOf(run)) : lineOf(run, result)
  })
  return `${page.slice(0, from)}${[BEGIN, ...HEAD, ...lines].join('\n')}\n${page.slice(to)}`
}

/** Cells of a run: identifier, what, size in the plan, size, figures, date, verdict. */
export function cellsOf(run: Run, result?: RunResult): string[] {
  const unit = run.size?.unit ?? 'one size'
  const planned = run.size === undefined ? 'one size' : `${count(run.size.plan)} ${unit}`
  const what = `${run.title}: ${run.passes}`
  if (result === undefined) {
    const why = run.missing === undefined ? 'not run yet' : `not run: ${run.missing}`
    return [run.id, what, planned, '', '', '', why]
  }
  const size = result.size === undefined ? 'one size' : `${count(result.size)} ${unit}`
  return [run.id, what, planned, size, figuresOf(result), result.date, verdictOf(run, result)]
}

/** Tests, what the drivers measured, and the time. */
export function figuresOf({ steps }: RunResult): string {
  const sum = (of: 'passed' | 'skipped' | 'seconds'): number => steps.reduce((total, step) => total + step[of], 0)
  const measured = steps.flatMap(({ figures }) =>
    Object.entries(figures).map(([name, value]) => `${name} ${typeof value === 'number' ? count(value) : value}`)
  )
  const skipped = sum('skipped') === 0 ? [] : [`${sum('skipped')} skipped`]
  return [...measured, `${sum('passed')} tests passed`, ...skipped, `${count(Math.round(sum('seconds')))} s`].join('; ')
}

export function verdictOf(run: Run, result: RunResult): string {
  const beside = run.missing === undefined ? '' : ` (${run.missing})`
  if (hasPassed(result)) return `passed${beside}`
  const why = result.steps.flatMap(({ failures }) => failures)
  return `failed: ${why.length === 0 ? 'no test ran' : why.slice(0, 3).join('; ')}${beside}`
}

// --- internal ---

function lineOf(run: Run, result?: RunResult): string {
  return `| ${cellsOf(run, result)
    .map(cell => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' '))
    .join(' | ')} |`
}

/** With a comma between thousands, and at most three digits behind the point. */
function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 3 })
}
