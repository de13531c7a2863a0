/**
 * The exact algebra of the alignment against numpy, both single-threaded, step by step in one run.
 *
 *     node scripts/bench/algebra.ts [--python PATH] [--steps ridge,gate,…] [--rows 1000,2500,10000] [--dims 256,512,1024,2048]
 *                                   [--candidates 8,64,128] [--budget 4] [--json]
 *
 * PATH is a Python with numpy and scipy; without it only our side is measured. CPU seconds are those of the whole process, the minimum of up to five
 * repetitions that stop after --budget seconds. If a step has a figure, both sides must agree on it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { textTable } from '../../node/cli/text-table.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { STEPS, syntheticTargets, type Step } from './algebra-steps.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    steps: { type: 'string', default: STEPS.map(step => step.name).join(',') },
    rows: { type: 'string', default: '1000,2500,10000' },
    dims: { type: 'string', default: '256,512,1024,2048' },
    candidates: { type: 'string', default: '8,64,128' },
    budget: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false }
  }
})
const [rows, dims, candidates] = [list(values.rows), list(values.dims), list(values.candidates)]
const budget = Number(values.budget)

/** Relative tolerance for float64 sums in another order */
const TOLERANCE = 1e-6

/** l -> n: a narrow feature, a wide one, MobileNet's onto 1,024 and 2,048 targets, square */
const PROJECTIONS = [
  [512, 256],
  [2048, 256],
  [1280, 1024],
  [1280, 2048],
  [2048, 2048]
] as const

/** m and n of candidates: the defaults of a swarm */
const CANDIDATE_SHAPE = { rows: 1000, columns: 256 }

interface Shape {
  readonly rows: number
  readonly columns: number
  readonly count: number
}

interface Row extends Shape {
  readonly step: string
  readonly seconds: number
  readonly numpy?: number
  readonly ratio?: number
}

const answerSchema = z.object({ seconds: z.number(), figure: z.number().nullable(), numpy: z.string() })

const folder = await mkdtemp(join(tmpdir(), 'coopt-algebra-'))
const numpy = startNumpy(values.python)
const results: Row[] = []
try {
  for (const name of values.steps.split(',')) {
    const step = STEPS.find(known => known.name === name)
    if (step === undefined) throw new Error(`unknown step ${name}: choose from ${STEPS.map(s => s.name).join(', ')}`)
    for (const shape of shapesOf(step)) {
      console.error(`${step.name} ${shape.rows} x ${shape.columns}, ${shape.count}`)
      results.push(await measure(step, shape))
    }
  }
} finally {
  numpy?.end()
  await rm(folder, { recursive: true })
}
if (values.json) console.log(JSON.stringify(results))
else {
  const header = ['step', 'm (or l)', 'n', 'matrices', 'CPU s', 'numpy CPU s', 'ratio']
  const cells = results.map(r => [r.step, r.rows, r.columns, r.count, round(r.seconds), round(r.numpy), round(r.ratio)])
  console.log(textTable(header, cells))
  if (numpy === undefined) console.log('numpy was not measured: give --python a Python with numpy and scipy')
}

// --- internal ---

function shapesOf({ shapes }: Step): Shape[] {
  const choices: Record<Step['shapes'], () => Shape[]> = {
    square: () => dims.map(n => ({ rows: n, columns: n, count: 2 })),
    pairs: () => rows.flatMap(m => dims.map(n => ({ rows: m, columns: n, count: 2 }))),
    candidates: () => candidates.map(count => ({ ...CANDIDATE_SHAPE, count })),
    projections: () => PROJECTIONS.map(([l, n]) => ({ rows: l, columns: n, count: 0 }))
  }
  return choices[shapes]()
}

async function measure(step: Step, shape: Shape): Promise<Row> {
  const targets = syntheticTargets(shape.rows, shape.columns, Math.max(shape.count, 1))
  const ours = await repeat(step, targets)
  const row = { step: step.name, ...shape, seconds: ours.seconds }
  if (numpy === undefined) return row
  const files = await Promise.all(
    targets.map(async ({ data }, k) => {
      const path = join(folder, `${k}.f32`)
      await writeFile(path, new Uint8Array(data.buffer))
      return path
    })
  )
  const answer = await numpy.ask({ step: step.name, rows: shape.rows, columns: shape.columns, files, budget })
  if (ours.figure !== undefined && answer.figure !== null) {
    const off = Math.abs(ours.figure - answer.figure) / Math.max(1, Math.abs(answer.figure))
    if (!(off <= TOLERANCE)) throw new Error(`${step.name}: ${ours.figure}, numpy says ${answer.figure}`)
  }
  return { ...row, numpy: answer.seconds, ratio: ours.seconds / answer.seconds }
}

async function repeat(
  step: Step,
  targets: readonly Matrix32[]
): Promise<{ seconds: number; figure: number | undefined }> {
  let [seconds, spent] = [Infinity, 0]
  let figure: number | undefined
  for (let i = 0; i < 5 && spent <= budget; i++) {
    const started = process.cpuUsage()
    figure = await step.run(targets)
    const { user, system } = process.cpuUsage(started)
    const taken = (user + system) / 1e6
    seconds = Math.min(seconds, taken)
    spent += taken
  }
  return { seconds, figure }
}

function startNumpy(python: string | undefined) {
  if (python === undefined) return undefined
  const threads = { OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' }
  const child = spawn(python, [join(import.meta.dirname, 'algebra.py')], {
    env: { ...process.env, ...threads },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'close').then(([code]): never => {
    throw new Error(`${python} ended with code ${code}: does it have numpy and scipy?`)
  })
  ended.catch(() => {}) // reported where an answer is awaited
  return {
    ask: async (task: object) => {
      const line = once(lines, 'line')
      child.stdin.write(`${JSON.stringify(task)}\n`)
      const [text] = await Promise.race([line, ended])
      return answerSchema.parse(JSON.parse(String(text)))
    },
    end: () => child.stdin.end()
  }
}

function list(text: string): number[] {
  return text.split(',').map(part => {
    const value = Number(part)
    if (!Number.isInteger(value) || value < 1) throw new Error(`${part} is not a positive whole number`)
    return value
  })
}

function round(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toPrecision(3))
}
