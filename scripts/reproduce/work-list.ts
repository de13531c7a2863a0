/**
 * The work to do: swarms for `coopt simulate`, and students that are trained on the merged targets. Figures state what they need; common needs are
 * computed once.
 */
import { createHash } from 'node:crypto'
import type { ImageSetName } from './image-files.ts'

/** One swarm of a plan; `settings` as in PLAN.json (node/lab/simulate/plan.ts). */
export interface SwarmSetup {
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
  /** Whose images. Default: cifar10 */
  readonly images?: ImageSetName
  /** So many, however many --seeds asks for (but with --quick) */
  readonly seeds?: number
}

/** Settings of student.py that differ from its defaults. */
export interface StudentSettings {
  readonly backbone?: 'convnet' | 'resnet' | 'mixer'
  readonly epochs?: number
  readonly probes?: readonly number[]
}

export type Method = 'student' | 'simclr' | 'byol' | 'untrained'

/** One student for every seed. */
export interface StudentRun extends StudentSettings {
  /** Whose targets: a swarm's name, or REAL for the dataset that processes made together */
  readonly swarm: string
  /** The swarm's. Default: cifar10 */
  readonly images?: ImageSetName
  /** The swarm's */
  readonly seeds?: number
  /** Of a swarm of several rounds */
  readonly round?: number
  /** Default: student */
  readonly method?: Method
  /** Rows count by their author's leave-one-out R2 (row-weights.ts), or by the length of their target (a shard's weight). Default: all alike */
  readonly weighted?: 'quality' | 'length'
}

/** Name of the dataset made by real processes; the same for every seed. */
export const REAL = 'real'

/** Numbers of rows, epochs and seeds: `full` is for RESULTS.md, `quick` for continuous integration. */
export interface Scale {
  readonly quick: boolean
  readonly seeds: readonly number[]
  readonly rows: number
  readonly partitions: number
  readonly epochs: number
  /** Epochs after which the probe is fitted besides the last */
  readonly probes: readonly number[]
}

/** The seeds of one swarm or student. */
export function seedsOf({ seeds }: Pick<SwarmSetup, 'seeds'>, scale: Scale): readonly number[] {
  return seeds === undefined || scale.quick ? scale.seeds : range(seeds)
}

export function fullScale(seeds: number): Scale {
  return { quick: false, seeds: range(seeds), rows: 5000, partitions: 40, epochs: 8, probes: [1, 2, 4] }
}

/** Rows and epochs at which the extremes of Tab. 7 are still apart by several points. */
export function quickScale(seeds: number): Scale {
  return { quick: true, seeds: range(seeds), rows: 2500, partitions: 16, epochs: 6, probes: [] }
}

/** Name of a run in tables of results: every field, in a fixed order. */
export function runName(run: StudentRun): string {
  const { swarm, round, method = 'student', backbone = 'convnet', weighted = null, epochs, probes } = run
  return JSON.stringify([swarm, round ?? null, method, backbone, weighted, epochs ?? null, probes ?? null])
}

export interface JobKeyParts {
  /** sha256 of the targets and of their ids, in hex */
  readonly targets: string
  readonly weights: string | undefined
  readonly method: Method
  /** Complete: with seed */
  readonly settings: Readonly<Record<string, unknown>>
  /** sha256 of the programs that train, in hex */
  readonly programs: string
  readonly device: string
}

/** Name of a cache file: equal work has equal keys. The order of fields does not matter. */
export function jobKey(parts: JobKeyParts): string {
  return createHash('sha256').update(canonical(parts)).digest('hex').slice(0, 32)
}

/** JSON with sorted keys; fields that are undefined are left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`
}

// --- internal ---

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
