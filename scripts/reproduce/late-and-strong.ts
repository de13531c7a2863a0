/**
 * Priors of different speed and worth that join together and leave at the end: who does what, and with which CID does each leave?
 *
 *     node scripts/reproduce/late-and-strong.ts [--data DIR] [--python PATH] [--seeds 3] [--json] [--keep DIR]
 *
 * 700 photos of flowers in six partitions; efficientnet-lite0 and -lite2, which are good and slow, and resnet20, which is fast and was trained on
 * CIFAR-10, each in a process and home of its own, by `join --once`. Prints the rows of each, the CID with which each left, and the CIDs of later
 * merges. With --python, which needs PyTorch, students are trained on the merged targets (64 px, a linear probe on photos that were not published).
 * DIR has flowers/, priors/ and priors-imagenet/ (default: shared/data beside the checkout). Exit code 1 if later merges differ.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { joinReportSchema, mergeReportSchema, publishReportSchema, type MergeReport } from '../../node/api/reports.ts'
import { textTable } from '../../node/cli/text-table.ts'
import { coopt, startCoOpt, type CoOptProcess } from '../coopt-process.ts'
import { dataFiles, writeImageFiles } from './image-files.ts'
import { runJobs } from './workers.ts'

const USAGE =
  'usage: node scripts/reproduce/late-and-strong.ts [--data DIR] [--python PATH] [--seeds 3] [--json] [--keep DIR]'
const PARTITIONS = 6
const PRIORS = ['lite0', 'lite2', 'resnet20'] as const
/** Few rows: the loss of a student no longer falls after so many. */
const EPOCHS = 30
/** The peers are on this machine: other nodes on the network are not contacted */
const CONFIG = {
  network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] },
  // a machine that has other work besides is slow, not stuck
  inference: { loadMilliseconds: 1_800_000, requestMilliseconds: 1_800_000 },
  timing: { patienceMs: 3_600_000 }
}

interface Leaver {
  readonly name: string
  readonly home: string
  /** From the start of `join --once` to its end */
  seconds: number
  /** Partitions that it worked on, and rows of it in the merged dataset */
  partitions: number
  rows: number
  /** With which it left, and of a merge in its home after all had left */
  leftWith?: string | undefined
  later?: string
  mayChange?: unknown
}

const values = readOptions()
const stop = new AbortController()
const running = new Set<CoOptProcess>()
const directory = values.keep === undefined ? await mkdtemp(join(tmpdir(), 'coopt-late-')) : resolve(values.keep)
const leave = async (): Promise<void> => {
  stop.abort()
  await Promise.all([...running].map(async child => await child.end()))
  if (values.keep === undefined) await rm(directory, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void leave().finally(() => process.exit(1)))
try {
  await main()
} finally {
  await leave()
}

// --- internal ---

function readOptions() {
  const data = join(import.meta.dirname, '..', '..', '..', 'shared', 'data')
  try {
    const { help, ...rest } = parseArgs({
      options: {
        data: { type: 'string', default: data },
        python: { type: 'string' },
        seeds: { type: 'string', default: '3' },
        json: { type: 'boolean', default: false },
        keep: { type: 'string' },
        help: { type: 'boolean', default: false }
      }
    }).values
    if (!help) return rest
    console.log(USAGE)
    return process.exit(0)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return process.exit(2)
  }
}

async function main(): Promise<void> {
  await mkdir(directory, { recursive: true })
  const { flowers } = await dataFiles(resolve(values.data), directory)
  const home = async (name: string): Promise<string> => {
    const path = join(directory, name)
    await coopt(['init'], z.unknown(), { home: path })
    await writeFile(join(path, 'config.json'), JSON.stringify(CONFIG))
    return path
  }
  const publisher = await home('publisher')
  const ready = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up'], { home: publisher, onEvent: e => e.type === 'listening' && ready.resolve() })
  running.add(daemon)
  daemon.result.then(() => ready.reject(new Error('the publisher left')), ready.reject)
  await ready.promise
  const { invite } = await coopt(
    ['publish', ...flowers.testImages, '--name', 'flowers', '--partitions', `${PARTITIONS}`],
    publishReportSchema,
    { home: publisher }
  )
  const leavers: Leaver[] = await Promise.all(
    PRIORS.map(async name => ({ name, home: await home(name), seconds: 0, partitions: 0, rows: 0 }))
  )
  const started = performance.now()
  const since = (): number => Math.round((performance.now() - started) / 100) / 10
  await Promise.all(
    leavers.map(async one => {
      const args = ['join', invite, '--prior', flowers.prior(one.name), '--name', one.name, '--once', '--threads', '1']
      const child = startCoOpt(args, {
        home: one.home,
        onEvent: event => {
          if (event.type === 'score' || (event.type === 'partition' && event.state !== 'started'))
            say(`${since()} s ${one.name}: ${event.type === 'score' ? 'scored' : `partition ${event.partition}`}`)
          if (event.type === 'log' && event.level === 'info') say(`${since()} s ${one.name}: ${event.message}`)
        }
      })
      running.add(child)
      const report = joinReportSchema.parse(await child.result)
      running.delete(child)
      one.seconds = since()
      one.partitions = report.partitions
      one.leftWith = report.mergedCid
      one.mayChange = report.mayChange
      say(`${one.seconds} s ${one.name} left with ${report.mergedCid}`)
    })
  )
  let merged: MergeReport | undefined
  for (const one of leavers) {
    merged = await coopt(['merge', invite], mergeReportSchema, { home: one.home })
    one.later = merged.mergedCid
  }
  merged = await coopt(['merge', invite], mergeReportSchema, { home: publisher })
  const sizes = merged.rows / PARTITIONS
  for (const one of leavers)
    one.rows = Math.round(sizes * (merged.peers.find(({ prior }) => prior === one.name)?.partitions ?? 0))
  const npy = join(directory, 'targets.npy')
  await rm(npy, { force: true })
  await coopt(['export', merged.mergedCid, '--npy', npy], z.unknown(), { home: publisher })
  const students = values.python === undefined ? undefined : await accuracies(values.python, npy)
  print(leavers, merged, students)
  if (leavers.some(({ later }) => later !== merged.mergedCid)) {
    say('later merges do not agree on one CID')
    process.exitCode = 1
  }
}

/** Percent, by seed. */
async function accuracies(python: string, npy: string): Promise<number[]> {
  const { flowers } = await dataFiles(resolve(values.data), directory)
  const images = join(directory, 'images')
  // the published photos are those of the test set here, so the others are left to test on
  const { images: testImages, labels: testLabels, testImages: published, testLabels: labels } = flowers
  await writeImageFiles('flowers', { ...flowers, images: published, labels, testImages, testLabels }, images)
  const found: number[] = []
  const jobs = Array.from({ length: Number(values.seeds) }, (_, seed) => ({
    id: `${seed}`,
    method: 'student',
    targets: npy,
    weights: null,
    settings: { seed, epochs: EPOCHS }
  }))
  const pool = {
    command: python,
    args: [join(import.meta.dirname, 'worker.py'), '--images', images],
    env: { OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
    size: 1,
    signal: stop.signal
  }
  await runJobs(jobs, pool, async answer => {
    await Promise.resolve(found.push(100 * z.object({ accuracy: z.number() }).parse(answer).accuracy))
  })
  return found
}

function print(leavers: readonly Leaver[], merged: MergeReport, students: readonly number[] | undefined): void {
  const reference = merged.reference?.prior ?? 'nothing'
  if (values.json) {
    const { mergedCid, peers } = merged
    const left = leavers.map(({ name, seconds, partitions, rows, leftWith, later, mayChange }) => {
      const uniformValue = peers.find(({ prior }) => prior === name)?.uniformValue
      return { name, uniformValue, partitions, rows, seconds, leftWith, later, mayChange }
    })
    console.log(JSON.stringify({ mergedCid, reference, leavers: left, students }))
    return
  }
  const rows = leavers.map(l => [l.name, l.partitions, l.rows, l.seconds, l.leftWith, l.later])
  console.log(textTable(['prior', 'partitions', 'rows', 'seconds', 'left with', 'later'], rows))
  console.log(`\nreference  ${reference}\nmerged     ${merged.mergedCid}`)
  if (students !== undefined) console.log(`students   ${students.map(value => value.toFixed(1)).join(', ')} %`)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
