/**
 * Trains students in Python processes (worker.py), one thread each, and caches the figures of each: a student is never trained twice, so an
 * interrupted reproduction continues where it stopped.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ConfigurationReport } from '../../node/lab/simulate/report.ts'
import { qualityWeights } from './row-weights.ts'
import { targetsFolder, writeJson } from './simulations.ts'
import { configName } from './swarms.ts'
import { jobKey, REAL, runName, seedsOf, type Scale, type StudentRun } from './work-list.ts'
import { runJobs, type Job } from './workers.ts'

export const outcomeSchema = z.object({
  /** Of the linear probe after the last epoch, 0 to 1 */
  accuracy: z.number(),
  points: z.array(z.object({ epoch: z.number(), accuracy: z.number(), loss: z.number(), seconds: z.number() })),
  /** Seconds of training alone; on a CPU, of one core */
  seconds: z.number()
})
export type Outcome = z.infer<typeof outcomeSchema>

export interface StudentInit {
  python: string
  device: string
  /** Folder that writeImageFiles filled with CIFAR-10; those of other sets are below it, by name */
  images: string
  cache: string
  scale: Scale
  jobs: number
  signal: AbortSignal
  reports: ReadonlyMap<string, ConfigurationReport>
  onProgress(text: string): void
}

interface Planned {
  readonly run: StudentRun
  readonly seed: number
  readonly job: Job
}

/**
 * glibc returns large blocks to the system immediately, and every step would have to fault them in again page by page: half of the time of a small student.
 */
const ALLOCATOR = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '4294967296',
  MALLOC_TOP_PAD_: '67108864'
}

/** Outcomes by `runName`, in the order of the seeds. */
export async function trainStudents(runs: readonly StudentRun[], init: StudentInit): Promise<Map<string, Outcome[]>> {
  const { cache, scale, onProgress } = init
  const folder = join(cache, 'students')
  await mkdir(folder, { recursive: true })
  const programs = await programsHash()
  const planned: Planned[] = []
  for (const run of runs)
    for (const seed of seedsOf(run, scale)) planned.push({ run, seed, job: await jobOf(run, seed, programs, init) })
  const known = new Map<string, Outcome>()
  for (const id of new Set(planned.map(({ job }) => job.id))) {
    const outcome = await readOutcome(join(folder, `${id}.json`))
    if (outcome !== undefined) known.set(id, outcome)
  }
  const missing = [...new Map(planned.map(({ job }) => [job.id, job])).values()].filter(({ id }) => !known.has(id))
  const names = new Map(
    planned.map(({ run, seed, job }) => [job.id, `${run.method ?? 'student'} of ${run.swarm}, seed ${seed}`])
  )
  if (missing.length > 0) onProgress(`students: ${known.size} are there, ${missing.length} to train`)
  const started = performance.now()
  let done = 0
  await runJobs(missing, poolOf(init), async answer => {
    const outcome = outcomeSchema.parse(answer)
    await writeJson(join(folder, `${answer.id}.json`), { name: names.get(answer.id), ...outcome })
    known.set(answer.id, outcome)
    done++
    const left = ((performance.now() - started) / done) * (missing.length - done)
    onProgress(
      `students: ${done} of ${missing.length}, about ${Math.ceil(left / 60_000)} min left (${names.get(answer.id)}: ${(100 * outcome.accuracy).toFixed(1)} % in ${outcome.seconds.toFixed(0)} s)`
    )
  })
  const results = new Map<string, Outcome[]>()
  for (const { run, job } of planned) {
    const outcome = known.get(job.id)
    if (outcome === undefined) throw new Error(`no figures of ${names.get(job.id)}`)
    results.set(runName(run), [...(results.get(runName(run)) ?? []), outcome])
  }
  return results
}

// --- internal ---

function poolOf({ python, device, images, jobs, signal }: StudentInit) {
  return {
    command: python,
    args: [join(import.meta.dirname, 'worker.py'), '--images', images, '--device', device],
    env: { ...ALLOCATOR, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' },
    size: jobs,
    signal
  }
}

async function jobOf(run: StudentRun, seed: number, programs: string, init: StudentInit): Promise<Job> {
  const { scale, device, cache, reports } = init
  const { swarm, round, method = 'student', weighted, backbone, epochs, probes, images = 'cifar10' } = run
  const name = swarm === REAL ? REAL : `${configName(swarm, seed)}${round === undefined ? '' : `-round${round}`}`
  const targets = join(targetsFolder(cache), `${name}.npy`)
  let weights: string | undefined
  // the length of a row's target, which is a shard's weight
  if (weighted === 'length') weights = `${targets}.weights.npy`
  if (weighted === 'quality') {
    const report = reports.get(configName(swarm, seed))
    if (report === undefined) throw new Error(`${name} has no report`)
    weights = join(targetsFolder(cache), `${name}.quality.npy`)
    await writeFile(weights, await qualityWeights(join(targetsFolder(cache), `${name}.provenance.csv`), report))
  }
  const settings = {
    seed,
    epochs: epochs ?? scale.epochs,
    probes: probes ?? scale.probes,
    ...(backbone === undefined ? {} : { backbone })
  }
  // methods without targets depend on the set of images only
  const files =
    method === 'student' ? [targets, `${targets}.ids.txt`] : method === 'untrained' ? [] : [`${targets}.ids.txt`]
  const id = jobKey({
    targets: await fileHash(files),
    weights: weights === undefined ? undefined : await fileHash([weights]),
    method,
    settings: {
      ...(method === 'untrained' ? { seed, backbone } : settings),
      ...(images === 'cifar10' ? {} : { images })
    },
    programs,
    device
  })
  return { id, method, targets, weights: weights ?? null, settings, ...(images === 'cifar10' ? {} : { images }) }
}

async function fileHash(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths)
    hash.update(
      createHash('sha256')
        .update(await readFile(path))
        .digest()
    )
  return hash.digest('hex')
}

async function programsHash(): Promise<string> {
  const names = (await readdir(import.meta.dirname)).filter(name => name.endsWith('.py')).sort()
  return await fileHash(names.map(name => join(import.meta.dirname, name)))
}

async function readOutcome(path: string): Promise<Outcome | undefined> {
  try {
    return outcomeSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
