/**
 * One dataset made by real processes: a publisher and eight participants, each with its own home, on the loopback interface. It provides what a
 * simulation cannot: seconds of each participant, and the CID that three architectures train on.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { ApiEvent } from '../../node/api/events.ts'
import { joinReportSchema, mergeReportSchema, publishReportSchema } from '../../node/api/reports.ts'
import { coopt, startCoOpt, type CoOptProcess } from '../coopt-process.ts'
import type { DataFiles } from './image-files.ts'
import { targetsFolder, writeJson } from './simulations.ts'
import { PRIORS } from './swarms.ts'
import { REAL } from './work-list.ts'

const participantSchema = z.object({
  prior: z.string(),
  partitions: z.number(),
  /** Wall, from the start of `coopt join` to its end */
  seconds: z.number(),
  /** From the first to the last batch of each partition, and on the shared set: reading, decoding and the model */
  optimizing: z.number(),
  /** From the model's last row of the shared set to the score: the uniform value, storing and signing */
  scoring: z.number(),
  /** From a partition's last row to its published shard, all partitions together: the ridge fit, T on the rows, writing the shard */
  aligning: z.number()
})

export const realRunSchema = z.object({
  mergedCid: z.string(),
  rows: z.number(),
  reference: z.string(),
  publishSeconds: z.number(),
  workSeconds: z.number(),
  cores: z.number(),
  participants: z.array(participantSchema)
})
export type RealRun = z.infer<typeof realRunSchema>

/** Half of the images: as many rows as the simulated swarms have. */
const TARS = 2
const SETTINGS = ['--partitions', '40', '--shared', '1000', '--dim', '128', '--election', 'uniformity']

/** Runs once; the merged targets are then stored as REAL.npy. */
export async function realSwarm(
  data: DataFiles,
  { cache, signal, onProgress }: { cache: string; signal: AbortSignal; onProgress(text: string): void }
): Promise<RealRun> {
  const stored = join(cache, 'real.json')
  const text = await readFile(stored, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text !== undefined) return realRunSchema.parse(JSON.parse(text))
  const directory = await mkdtemp(join(tmpdir(), 'coopt-reproduce-'))
  const running = new Set<CoOptProcess>()
  const stopped = Promise.withResolvers<never>()
  // the rejection may come before anything awaits it
  stopped.promise.catch(() => undefined)
  const stop = (): void => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    await mkdir(targetsFolder(cache), { recursive: true })
    const run = await Promise.race([makeDataset(data, { cache, directory, running, onProgress }), stopped.promise])
    await writeJson(stored, run)
    return run
  } finally {
    signal.removeEventListener('abort', stop)
    await Promise.all([...running].map(async child => await child.end()))
    await rm(directory, { recursive: true, force: true })
  }
}

// --- internal ---

interface Making {
  cache: string
  directory: string
  running: Set<CoOptProcess>
  onProgress(text: string): void
}

async function makeDataset(data: DataFiles, { cache, directory, running, onProgress }: Making): Promise<RealRun> {
  const home = async (name: string): Promise<string> => {
    const path = join(directory, name)
    await coopt(['init', '--listen', '/ip4/127.0.0.1/tcp/0'], z.unknown(), { home: path })
    const network = { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] }
    await writeFile(join(path, 'config.json'), JSON.stringify({ network }))
    return path
  }
  const publisher = await home('publisher')
  const ready = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up'], { home: publisher, onEvent: e => e.type === 'listening' && ready.resolve() })
  running.add(daemon)
  daemon.result.then(() => ready.reject(new Error('the publisher left')), ready.reject)
  await ready.promise
  onProgress('real swarm: publishing')
  const publishing = performance.now()
  const published = await coopt(
    ['publish', ...data.images.slice(0, TARS), '--name', 'reproduce', ...SETTINGS],
    publishReportSchema,
    { home: publisher }
  )
  const publishSeconds = since(publishing)
  onProgress(`real swarm: published in ${publishSeconds} s`)
  const working = performance.now()
  const homes = await Promise.all(PRIORS.map(async name => await home(name)))
  const participants = await Promise.all(
    PRIORS.map(async (prior, i) => {
      const started = performance.now()
      const clock = createPhases()
      const args = ['join', published.invite, '--prior', data.prior(prior), '--name', prior, '--once', '--threads', '1']
      const child = startCoOpt(args, { home: homes[i] ?? '', onEvent: clock.onEvent })
      running.add(child)
      const { partitions } = joinReportSchema.parse(await child.result)
      running.delete(child)
      onProgress(`real swarm: ${prior} did ${partitions} partitions`)
      return { prior, partitions, seconds: since(started), ...clock.seconds() }
    })
  )
  const workSeconds = since(working)
  const merged = await coopt(['merge', published.invite], mergeReportSchema, { home: publisher })
  const npy = join(targetsFolder(cache), `${REAL}.npy`)
  await Promise.all(['', '.ids.txt', '.weights.npy'].map(async end => await rm(`${npy}${end}`, { force: true })))
  await coopt(['export', merged.mergedCid, '--npy', npy], z.unknown(), { home: publisher })
  const cores = cpus().length
  const reference = merged.reference?.prior ?? 'nothing'
  return { mergedCid: merged.mergedCid, rows: merged.rows, reference, publishSeconds, workSeconds, cores, participants }
}

function since(start: number): number {
  return Math.round(performance.now() - start) / 1000
}

/** Time between the events of one participant. */
function createPhases(): {
  onEvent(event: ApiEvent): void
  seconds(): Record<'optimizing' | 'scoring' | 'aligning', number>
} {
  const total = { optimizing: 0, scoring: 0, aligning: 0 }
  let mark = performance.now()
  let scored = false
  const lap = (phase: keyof typeof total): void => {
    total[phase] += since(mark)
    mark = performance.now()
  }
  return {
    onEvent: event => {
      if (event.type === 'scoring') lap('optimizing')
      else if (event.type === 'score' && !scored) {
        lap('scoring')
        scored = true
      } else if (event.type === 'partition' && event.state === 'started') mark = performance.now()
      else if (event.type === 'batch') lap('optimizing')
      else if (event.type === 'published' && event.kind !== 'score') lap('aligning')
    },
    seconds: () => ({
      optimizing: hundredths(total.optimizing),
      scoring: hundredths(total.scoring),
      aligning: hundredths(total.aligning)
    })
  }
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100
}
