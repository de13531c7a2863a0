/**
 * `coopt simulate PLAN.json`: every configuration of a plan as a swarm in this process (simulated-swarm.ts), one report each.
 *
 * The same plan and images give the same reports. Configurations of one draw run together, so that they share its targets, assessments and fits;
 * reports come in the plan's order.
 */
import { mkdir } from 'node:fs/promises'
import { InvalidInputError } from '../../../src/errors.ts'
import { drawKey, makeDraw, takeImages, type Draw } from './draw.ts'
import { featuresOf, type PriorFeatures } from './feature-cache.ts'
import { openImages, readLabels, type ImageLabels, type ImageSet } from './image-set.ts'
import { probeOf, type Probe } from './measure.ts'
import { readPlan, type Configuration, type Plan } from './plan.ts'
import type { ConfigurationReport } from './report.ts'
import { runConfiguration } from './run-configuration.ts'
import { writeTargets } from './write-targets.ts'

export interface SimulateOptions {
  /** Folder for merged targets */
  readonly out?: string
  /** Names of the configurations to run; all of them by default */
  readonly only?: readonly string[]
  /** Folder of cached features */
  readonly cache: string
  /** The publisher's reference prior */
  readonly untrainedPrior: string
  /** Threads of the runtime for features */
  readonly threads?: number
  readonly signal: AbortSignal
  /** A line of progress */
  onProgress(text: string): void
  /** In the plan's order */
  onReport(report: ConfigurationReport): void
}

/** Throws `InvalidInputError` naming the plan's field, and what loading and running a prior throws. */
export async function simulate(path: string, options: SimulateOptions): Promise<void> {
  const { out, only, signal, onProgress } = options
  const plan = await readPlan(path)
  const configurations = selected(plan, only)
  if (out !== undefined) await mkdir(out, { recursive: true })
  const loaded = await loadAll(plan, configurations, options)
  const probes = new Map<string, Promise<Probe>>()
  const done = new Map<string, ConfigurationReport>()
  let reported = 0
  const total = configurations.length
  for (const group of Map.groupBy(configurations, c => drawKey(c.settings)).values()) {
    const [first] = group
    if (first === undefined) continue
    const draw = await makeDraw(loaded.images, loaded.untrained, first.settings)
    for (const configuration of group) {
      signal.throwIfAborted()
      const started = performance.now()
      const cpu = process.cpuUsage()
      const report = await runConfiguration(configuration, {
        ...loaded,
        draw,
        signal,
        onRound: (round, of) => {
          if (of > 1) onProgress(`${configuration.name}: round ${round} of ${of}`)
        },
        priorProbe: async prior => await priorProbe(prior, configuration, draw, loaded.labels, probes),
        write: async (name, merged) => {
          if (out !== undefined) await writeTargets(out, name, merged, loaded.images.ids)
        }
      })
      done.set(configuration.name, report)
      const seconds = ((performance.now() - started) / 1000).toFixed(2)
      const { user, system } = process.cpuUsage(cpu)
      const own = ((user + system) / 1e6).toFixed(2)
      onProgress(`${done.size} of ${total}: ${configuration.name} in ${seconds} s (${own} s of CPU time)`)
      for (let next = configurations[reported]; next !== undefined; next = configurations[reported]) {
        const ready = done.get(next.name)
        if (ready === undefined) break
        options.onReport(ready)
        reported++
      }
    }
  }
}

// --- internal ---

interface Loaded {
  images: ImageSet
  labels: ImageLabels | undefined
  priors: ReadonlyMap<string, PriorFeatures>
  untrained: PriorFeatures
}

function selected({ configurations }: Plan, only: readonly string[] | undefined): readonly Configuration[] {
  if (only === undefined) return configurations
  const unknown = only.find(name => configurations.every(c => c.name !== name))
  if (unknown !== undefined) throw new InvalidInputError(`the plan has no configuration "${unknown}"`)
  return configurations.filter(c => only.includes(c.name))
}

/** Priors that no configuration uses are not run. */
async function loadAll(
  plan: Plan,
  configurations: readonly Configuration[],
  { cache, threads = 1, signal, onProgress, untrainedPrior }: SimulateOptions
): Promise<Loaded> {
  const images = await openImages(plan.images, signal)
  try {
    onProgress(`${images.count} images`)
    const labels = plan.labels === undefined ? undefined : await readLabels(plan.labels, images)
    const used = new Set(
      configurations.flatMap(({ settings: { participants, alignTo, upgrades } }) => [
        ...participants.flatMap(({ prior }) => prior ?? []),
        ...Object.entries(upgrades).flat(),
        ...(alignTo.startsWith('prior:') ? [alignTo.slice('prior:'.length)] : [])
      ])
    )
    const load = async (name: string, path: string): Promise<PriorFeatures> => {
      let told = performance.now()
      return await featuresOf(name, path, images, {
        cache,
        threads,
        signal,
        onProgress: (done, total) => {
          if (done < total && performance.now() - told < PROGRESS_MS) return
          told = performance.now()
          onProgress(`features of ${name}: ${done} of ${total}`)
        }
      })
    }
    const priors = new Map<string, PriorFeatures>()
    for (const [name, path] of plan.priors) if (used.has(name)) priors.set(name, await load(name, path))
    return { images, labels, priors, untrained: await load('untrained', untrainedPrior) }
  } finally {
    await images.close()
  }
}

const PROGRESS_MS = 2000

async function priorProbe(
  prior: PriorFeatures,
  { settings: { rows, seed } }: Configuration,
  draw: Draw,
  labels: ImageLabels | undefined,
  known: Map<string, Promise<Probe>>
): Promise<Probe | undefined> {
  if (labels === undefined) return undefined
  const key = `${prior.id} ${rows ?? 'all'} ${seed}`
  const images = Uint32Array.from(draw.partitions.flatMap(list => [...list])).sort()
  const probe = known.get(key) ?? probeOf(takeImages(prior.features, images), images, labels, seed)
  known.set(key, probe)
  return await probe
}
