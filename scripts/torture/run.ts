/**
 * `npm run torture`: everything that CoOpt has to survive, for hours. Goes on where it was stopped.
 *
 *     node scripts/torture/run.ts [--short] [--only R3,R9] [--size R1=60] [--fresh] [--out .cache/torture] [--page RELIABILITY.md] [--json]
 *
 * `--out` is the folder of its state and log. `--short` takes minutes. `--size` sets the size of one run, also several times. `--resume` refuses
 * to begin anew, `--fresh` does again what is done. Progress goes to stderr, the table (or JSON) to stdout; ends with 1 if
 * anything failed, with 130 when it was stopped.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { textTable } from '../../node/cli/text-table.ts'
import { writeFileAtomic } from '../../node/store/atomic-file.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { figuresOf, updateReliabilityPage, verdictOf } from './page.ts'
import { PLAN } from './plan.ts'
import { runStep } from './run-step.ts'
import { hasPassed, readState } from './state.ts'
import { statePath, torture } from './torture.ts'

/** A step that takes longer hangs: the longest of the plan takes two hours on two cores. */
const LIMIT_MS = 6 * 3_600_000
/** A step of `--short` takes a minute. */
const SHORT_LIMIT_MS = 10 * 60_000
/** Exit codes, as of `coopt` (node/api/exit-codes.ts) and of shells */
const INVALID = 4
const STOPPED = 130

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    size: { type: 'string', multiple: true, default: [] },
    fresh: { type: 'boolean', default: false },
    resume: { type: 'boolean', default: false },
    out: { type: 'string', default: '.cache/torture' },
    page: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})

const { out, short, page } = values
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stopping.abort(new Error(`stopped by ${signal}: the same command goes on from here`)))
try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof InvalidInputError || stopping.signal.aborted)) throw error
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = stopping.signal.aborted ? STOPPED : INVALID
}

// --- internal ---

/** Exit code: whether everything passed */
async function main(): Promise<number> {
  await mkdir(out, { recursive: true })
  if (values.resume && (await readState(statePath(out))).results.length === 0)
    throw new InvalidInputError(
      `there is nothing to go on with in ${out}: leave out --resume, or name the folder with --out`
    )
  const log = join(out, 'log.txt')
  const results = await torture({
    out,
    plan: PLAN,
    short,
    ...(values.only === undefined ? {} : { only: values.only.split(',') }),
    sizes: new Map(values.size.map(sizeFrom)),
    fresh: values.fresh,
    onProgress: line => console.error(`[${new Date().toISOString().slice(11, 19)}] ${line}`),
    runStep: async (step, { env }) => {
      const said: string[] = []
      const result = await runStep(step, {
        env,
        limitMs: short ? SHORT_LIMIT_MS : LIMIT_MS,
        signal: stopping.signal,
        onSaid: text => void said.push(text)
      })
      await appendFile(log, said.join(''))
      for (const failure of result.failures) console.error(`  ${failure}`)
      return result
    }
  })

  if (page !== undefined) {
    const before = await readFile(page, 'utf8')
    await writeFileAtomic(page, Buffer.from(updateReliabilityPage(before, PLAN, results)), { mode: 0o644 })
  }
  const runOf = (id: string) => PLAN.find(run => run.id === id)
  if (values.json) {
    console.log(JSON.stringify({ passed: results.every(hasPassed), results }))
  } else {
    const rows = results.flatMap(result => {
      const run = runOf(result.id)
      return run === undefined ? [] : [[run.id, `${result.size ?? ''}`, verdictOf(run, result), figuresOf(result)]]
    })
    console.log(textTable(['', 'size', 'verdict', 'figures'], rows))
  }
  return results.every(hasPassed) ? 0 : 1
}

function sizeFrom(text: string): [id: string, size: number] {
  const [, id, size] = /^(R\d+)=(\d+)$/.exec(text) ?? []
  if (id === undefined || Number(size) === 0) throw new InvalidInputError(`--size ${text}: expected for example R1=60`)
  return [id, Number(size)]
}
