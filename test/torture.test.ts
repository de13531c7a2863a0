import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { BEGIN, END, updateReliabilityPage } from '../scripts/torture/page.ts'
import { PLAN, type Run, type Step } from '../scripts/torture/plan.ts'
import { runStep } from '../scripts/torture/run-step.ts'
import { hasPassed, readState, type StepResult } from '../scripts/torture/state.ts'
import { statePath, torture, type TortureOptions } from '../scripts/torture/torture.ts'

const ROOT = join(import.meta.dirname, '..')
const plan: readonly Run[] = [
  {
    id: 'R1',
    title: 'kills',
    passes: 'nothing lost',
    size: { plan: 100, short: 5, unit: 'kills', variable: 'COOPT_KILLS' },
    steps: [{ files: ['a'] }, { files: ['b'] }]
  },
  { id: 'R2', title: 'long', passes: 'all', steps: [{ files: ['c'] }], longOnly: true },
  { id: 'R3', title: 'two machines | a line', passes: 'equal', steps: [], missing: 'needs two machines' }
]
const passed: StepResult = { passed: 2, failed: 0, skipped: 0, seconds: 1.5, figures: { lost: 0 }, failures: [] }

let out: string
let ran: string[]
let options: TortureOptions
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'coopt-torture-'))
  onTestFinished(async () => await rm(out, { recursive: true, force: true }))
  ran = []
  options = {
    out,
    plan,
    short: false,
    fresh: false,
    onProgress: () => {},
    runStep: async ({ files }: Step, { env }) => {
      ran.push(`${files.join()} ${Object.entries(env).join(' ')}`.trim())
      return files[0] === 'a' ? { ...passed, figures: {} } : passed
    }
  }
})

describe('a torture run', () => {
  test('that is stopped goes on behind its last finished step', async () => {
    const stopped = torture({
      ...options,
      runStep: async (step, { env }) => {
        if (step.files[0] === 'b') throw new Error('stopped')
        return await options.runStep(step, { env })
      }
    })
    await expect(stopped).rejects.toThrow('stopped')
    expect(ran).toEqual(['a COOPT_KILLS,100'])
    expect((await readState(statePath(out))).results).toMatchObject([
      { id: 'R1', done: false, steps: [{ ...passed, figures: {} }] }
    ])
    const results = await torture(options)
    expect(ran).toEqual(['a COOPT_KILLS,100', 'b COOPT_KILLS,100', 'c'])
    expect(results.map(({ id, done }) => [id, done])).toEqual([
      ['R1', true],
      ['R2', true]
    ])
    await torture(options)
    expect(ran, 'nothing is done twice').toHaveLength(3)
  })

  test('has the sizes of the plan, of minutes, or those asked for, and a result of another size is none', async () => {
    await torture({ ...options, short: true })
    expect(ran, 'without what has no short form').toEqual(['a COOPT_KILLS,5', 'b COOPT_KILLS,5'])
    await torture({ ...options, only: ['R1'], sizes: new Map([['R1', 7]]) })
    expect(ran.slice(2)).toEqual(['a COOPT_KILLS,7', 'b COOPT_KILLS,7'])
    await torture({ ...options, only: ['R1'], sizes: new Map([['R1', 7]]), fresh: true })
    expect(ran.slice(4)).toEqual(['a COOPT_KILLS,7', 'b COOPT_KILLS,7'])
    await expect(torture({ ...options, only: ['R9'] })).rejects.toThrow('there is no run R9: R1 to R3')
  })

  test('with a test that failed, or with none at all, has failed', async () => {
    const of = async (result: Partial<StepResult>): Promise<boolean | undefined> => {
      const [first] = await torture({ ...options, fresh: true, runStep: async () => ({ ...passed, ...result }) })
      return first === undefined ? undefined : hasPassed(first)
    }
    expect(await of({})).toBe(true)
    expect(await of({ failed: 1, failures: ['a: it broke'] })).toBe(false)
    expect(await of({ passed: 0 })).toBe(false)
  })

  test('refuses a state that is none', async () => {
    await torture(options)
    await writeFile(statePath(out), '{"version":1}')
    await expect(torture(options)).rejects.toMatchObject({ name: 'DamagedStoreError' })
  })
})

describe('the page', () => {
  const page = `# Title\n\n${BEGIN}\n${END}\n\nThe end\n`
  const lines = (text: string): string[] =>
    text
      .slice(text.indexOf(BEGIN), text.indexOf(END))
      .split('\n')
      .filter(line => /^\| R\d/.test(line))

  test('has a line for every run, with its figures or why there are none', async () => {
    const results = await torture(options)
    const text = updateReliabilityPage(page, plan, results)
    expect(text.startsWith('# Title\n\n')).toBe(true)
    expect(text.endsWith(`${END}\n\nThe end\n`)).toBe(true)
    const today = new Date().toISOString().slice(0, 10)
    expect(lines(text)).toEqual([
      `| R1 | kills: nothing lost | 100 kills | 100 kills | lost 0; 4 tests passed; 3 s | ${today} | passed |`,
      `| R2 | long: all | one size | one size | lost 0; 2 tests passed; 2 s | ${today} | passed |`,
      '| R3 | two machines \\| a line: equal | one size |  |  |  | not run: needs two machines |'
    ])
  })

  test('keeps the lines of what was not run now, and says why a run failed', async () => {
    const before = updateReliabilityPage(page, plan, await torture(options))
    const failing = { ...passed, failed: 1, failures: ['a: it broke'] }
    const results = await torture({ ...options, only: ['R2'], fresh: true, runStep: async () => failing })
    const after = updateReliabilityPage(before, plan, results)
    expect(lines(after)[0]).toBe(lines(before)[0])
    expect(lines(after)[1]).toMatch(/\| failed: a: it broke \|$/)
    expect(updateReliabilityPage(after, plan, []), 'is made again as it is').toBe(after)
    expect(() => updateReliabilityPage('# Title', plan, [])).toThrow(/has no lines/)
  })

  test('in the repository has a line for every run of the plan', async () => {
    const text = await readFile(join(ROOT, 'RELIABILITY.md'), 'utf8')
    expect(lines(text).map(line => line.split(' ')[1])).toEqual(PLAN.map(({ id }) => id))
  })
})

test('a step is vitest with the size in its environment, and brings back what was measured and what failed', async () => {
  const said: string[] = []
  const step = { files: ['test/torture/orders.torture.ts'], env: { COOPT_NODES: '/nowhere' } }
  const run = async (env: Record<string, string>): Promise<StepResult> =>
    await runStep(step, {
      env,
      limitMs: 120_000,
      signal: new AbortController().signal,
      onSaid: text => void said.push(text)
    })
  expect(await run({ COOPT_ORDERS: '2' })).toMatchObject({ passed: 1, failed: 0, failures: [], figures: { CIDs: 1 } })
  expect(said.join('')).toContain('merges to one CID in 2 orders')
  const { failed, failures } = await run({ COOPT_ORDERS: 'many' })
  expect(failed).toBe(1)
  expect(failures[0]).toContain('COOPT_ORDERS is "many"')
})

test('every file of the plan exists, and every driver is in it', async () => {
  const named = PLAN.flatMap(({ steps }) => steps.flatMap(({ files }) => files))
  for (const file of named) await readFile(join(ROOT, file))
  const drivers = (await readdir(join(ROOT, 'test/torture'))).filter(name => name.endsWith('.torture.ts'))
  expect(drivers.filter(name => !named.includes(`test/torture/${name}`))).toEqual([])
})
