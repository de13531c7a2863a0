import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { trainStudents, type StudentInit } from '../../../scripts/reproduce/students.ts'
import { quickScale, runName, type StudentRun } from '../../../scripts/reproduce/work-list.ts'

/** Answers like worker.py: the accuracy is the seed's; `fail` in the name of the targets is an error. Every job is a line of its log. */
const WORKER = `#!${process.execPath}
const { appendFileSync } = require('node:fs')
const { createInterface } = require('node:readline')
console.log(JSON.stringify({ ready: 'fake' }))
createInterface({ input: process.stdin }).on('line', line => {
  const { id, targets, settings } = JSON.parse(line)
  appendFileSync(process.env.FAKE_LOG, line + '\\n')
  if (targets.includes('fail')) console.log(JSON.stringify({ id, error: 'ValueError: no such targets' }))
  else if (targets.includes('crash')) { console.error('out of memory'); process.exit(9) }
  else console.log(JSON.stringify({ id, accuracy: 0.5 + settings.seed / 10, points: [], seconds: 1 }))
})
`

let folder = ''
let log = ''
const progress: string[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-students-'))
  log = join(folder, 'log')
  progress.length = 0
  await mkdir(join(folder, 'targets'))
  await writeFile(join(folder, 'python'), WORKER, { mode: 0o755 })
  process.env.FAKE_LOG = log
})

afterEach(async () => {
  delete process.env.FAKE_LOG
  await rm(folder, { recursive: true })
})

async function targets(name: string, content: string): Promise<void> {
  await writeFile(join(folder, 'targets', `${name}.npy`), content)
  await writeFile(join(folder, 'targets', `${name}.npy.ids.txt`), 'id\n')
}

function init(given: Partial<StudentInit> = {}): StudentInit {
  return {
    python: join(folder, 'python'),
    device: 'cpu',
    images: join(folder, 'images'),
    cache: folder,
    scale: quickScale(2),
    jobs: 2,
    signal: new AbortController().signal,
    reports: new Map(),
    onProgress: text => progress.push(text),
    ...given
  }
}

async function jobsDone(): Promise<number> {
  return (await readFile(log, 'utf8').catch(() => '')).split('\n').filter(line => line !== '').length
}

const RUN: StudentRun = { swarm: 'a' }

describe('trainStudents', () => {
  it('hands over outcomes in the order of the seeds', async () => {
    await targets('a-s0', 'x')
    await targets('a-s1', 'y')
    const results = await trainStudents([RUN], init())
    expect(results.get(runName(RUN))?.map(o => o.accuracy)).toEqual([0.5, 0.6])
    expect(progress.at(-1)).toContain('2 of 2')
  })

  it('trains nothing a second time', async () => {
    await targets('a-s0', 'x')
    await targets('a-s1', 'y')
    const first = await trainStudents([RUN], init())
    const second = await trainStudents([RUN], init())
    expect(second).toEqual(first)
    expect(await jobsDone()).toBe(2)
  })

  it('trains again what has other targets, and only that', async () => {
    await targets('a-s0', 'x')
    await targets('a-s1', 'y')
    await trainStudents([RUN], init())
    await targets('a-s1', 'z')
    await trainStudents([RUN], init())
    expect(await jobsDone()).toBe(3)
  })

  it('trains once what two runs have in common', async () => {
    for (const name of ['a', 'b']) for (const seed of [0, 1]) await targets(`${name}-s${seed}`, `seed ${seed}`)
    const results = await trainStudents([RUN, { swarm: 'b' }], init())
    expect(await jobsDone()).toBe(2)
    expect(results.get(runName({ swarm: 'b' }))).toEqual(results.get(runName(RUN)))
  })

  it('fails with what the worker says, and keeps what was trained before', async () => {
    for (const seed of [0, 1]) await targets(`a-s${seed}`, `seed ${seed}`)
    for (const seed of [0, 1]) await targets(`fail-s${seed}`, `none ${seed}`)
    await expect(trainStudents([RUN, { swarm: 'fail' }], init({ jobs: 1 }))).rejects.toThrow('no such targets')
    const before = await jobsDone()
    await trainStudents([RUN], init())
    expect(await jobsDone()).toBe(before)
  })

  it('names what a worker said that is gone', async () => {
    for (const seed of [0, 1]) await targets(`crash-s${seed}`, `${seed}`)
    await expect(trainStudents([{ swarm: 'crash' }], init())).rejects.toThrow('out of memory')
  })

  it('says so when the program cannot be started', async () => {
    for (const seed of [0, 1]) await targets(`a-s${seed}`, `${seed}`)
    await expect(trainStudents([RUN], init({ python: join(folder, 'nowhere') }))).rejects.toThrow('ENOENT')
  })

  it('stops with the reason of its signal', async () => {
    for (const seed of [0, 1]) await targets(`a-s${seed}`, `${seed}`)
    await expect(trainStudents([RUN], init({ signal: AbortSignal.abort(new Error('enough')) }))).rejects.toThrow(
      'enough'
    )
    expect(await jobsDone()).toBe(0)
  })
})
