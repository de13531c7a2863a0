/**
 * Runs swarms with `coopt simulate` in child processes, a few at a time, and caches each report and its targets.
 *
 * The cache key is the swarm's name, its whole configuration, its seed, and the programs that determine its targets: changed swarms run again,
 * interrupted runs continue.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { ConfigurationReport } from '../../node/lab/simulate/report.ts'
import type { AllData } from './image-files.ts'
import { configName, planOf } from './swarms.ts'
import { canonical, seedsOf, type Scale, type SwarmSetup } from './work-list.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const LAUNCHER = join(ROOT, 'node', 'cli', 'bin.mjs')
const KEPT_STDERR = 4096

/** A report of `coopt simulate`, our own program: only the presence of two fields is checked. */
const reportSchema = z.custom<ConfigurationReport>(
  value => typeof value === 'object' && value !== null && 'name' in value && 'participants' in value
)
const storedSchema = z.object({ configuration: z.string(), report: reportSchema })

export interface SimulationInit {
  data: AllData
  /** Folder of the cache */
  cache: string
  /** Folder of the priors' features */
  features: string
  scale: Scale
  jobs: number
  signal: AbortSignal
  onProgress(text: string): void
}

/** Reports by `configName`. */
export async function runSimulations(
  setups: readonly SwarmSetup[],
  init: SimulationInit
): Promise<Map<string, ConfigurationReport>> {
  const { data, cache, features, scale, jobs, signal, onProgress } = init
  await mkdir(targetsFolder(cache), { recursive: true })
  const programs = await programsHash()
  const reports = new Map<string, ConfigurationReport>()
  const missing: Array<{ setup: SwarmSetup; seed: number; configuration: string }> = []
  for (const setup of setups) {
    for (const seed of seedsOf(setup, scale)) {
      const plan = planOf([{ setup, seed }], data, scale)
      const configuration = `${programs} ${canonical(plan)}`
      const stored = await readStored(reportFile(cache, configName(setup.name, seed)))
      if (stored?.configuration === configuration) reports.set(configName(setup.name, seed), stored.report)
      else missing.push({ setup, seed, configuration })
    }
  }
  if (missing.length === 0) return reports
  onProgress(`swarms: ${reports.size} are there, ${missing.length} to simulate`)
  // first one process for the features, which all need; then each process gets a share of the seeds
  let done = 0
  const runPart = async (part: typeof missing, index: number): Promise<void> => {
    const path = join(cache, `plan-${index}.json`)
    await writeFile(path, JSON.stringify(planOf(part, data, scale), undefined, 1))
    const configurations = new Map(part.map(m => [configName(m.setup.name, m.seed), m.configuration]))
    await simulate(path, { cache, features, signal }, async report => {
      const configuration = configurations.get(report.name)
      if (configuration === undefined)
        throw new Error(`coopt simulate reported ${report.name}, which was not requested`)
      await writeJson(reportFile(cache, report.name), { configuration, report })
      reports.set(report.name, report)
      onProgress(`swarms: ${++done} of ${missing.length} (${report.name})`)
    })
  }
  // configurations of one draw (seed and shared rows) share work: they stay together
  const groups = [
    ...Map.groupBy(
      missing,
      ({ setup, seed }) =>
        `${setup.images} ${seed} ${String(setup.settings.shared)} ${String(setup.settings.dimension)}`
    ).values()
  ]
  const [first = [], ...rest] = groups
  await runPart(first, 0)
  const queue = rest.map((part, i) => ({ part, index: i + 1 }))
  const work = async (): Promise<void> => {
    try {
      try {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) await runPart(next.part, next.index)
      } finally {
        // empty, or one failed: the others finish their current work
        queue.length = 0
      }
    } finally {
      // after a failure the others finish their current work
      queue.length = 0
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return reports
}

export function targetsFolder(cache: string): string {
  return join(cache, 'targets')
}

/** Writes JSON atomically. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${process.pid}.part`
  try {
    await writeFile(draft, `${JSON.stringify(value)}\n`)
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

// --- internal ---

/** sha256 of the steps of the method and of the simulation. */
async function programsHash(): Promise<string> {
  const hash = createHash('sha256')
  for (const folder of ['src/optimize', 'src/align', 'src/merge', 'src/publish', 'node/checks', 'node/lab/simulate']) {
    const path = join(ROOT, folder)
    for (const name of (await readdir(path)).filter(file => file.endsWith('.ts')).sort())
      hash.update(
        createHash('sha256')
          .update(await readFile(join(path, name)))
          .digest()
      )
  }
  return hash.digest('hex')
}

function reportFile(cache: string, name: string): string {
  return join(targetsFolder(cache), `${name}.report.json`)
}

async function readStored(path: string): Promise<z.infer<typeof storedSchema> | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const parsed = storedSchema.safeParse(JSON.parse(text))
  // written by an older version: run again
  return parsed.success ? parsed.data : undefined
}

async function simulate(
  plan: string,
  { cache, features, signal }: { cache: string; features: string; signal: AbortSignal },
  onReport: (report: ConfigurationReport) => Promise<void>
): Promise<void> {
  const args = ['simulate', plan, '--out', targetsFolder(cache), '--cache', features, '--threads', '2']
  const child = spawn(process.execPath, [LAUNCHER, ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal })
  const exited = once(child, 'close')
  exited.catch(() => undefined)
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT_STDERR)
  })
  for await (const line of createInterface({ input: child.stdout }))
    await onReport(reportSchema.parse(JSON.parse(line)))
  const [code] = await exited
  if (code !== 0)
    throw new Error(`coopt simulate ${plan} ended with ${code}: ${said.trim().split('\n').slice(-5).join('\n')}`)
}
