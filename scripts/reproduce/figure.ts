/** A table or figure of the papers in miniature: the computations it needs, and the section it makes of them. */
import type { ConfigurationReport } from '../../node/lab/simulate/report.ts'
import type { VariantResult } from './alignment-variants.ts'
import type { Dataset } from './datasets.ts'
import type { LateAndStrong } from './late-and-strong-run.ts'
import type { Paces } from './pace.ts'
import type { PhotoSwarm } from './photo-swarm-run.ts'
import type { Picture } from './pictures.ts'
import type { RealRun } from './real-swarm.ts'
import type { Outcome } from './students.ts'
import { runName, seedsOf, type Scale, type StudentRun, type SwarmSetup } from './work-list.ts'
import { configName } from './swarms.ts'

export interface Figure {
  readonly key: string
  readonly swarms: readonly SwarmSetup[]
  readonly students: readonly StudentRun[]
  /** Needs the dataset that real processes make together */
  readonly real?: boolean
  /** Needs the features of three datasets (datasets.ts) */
  readonly datasets?: boolean
  section(results: Results): Section | Promise<Section>
}

/** A row of a table. `mean` and `deviation` are percent, over the seeds. */
export interface Row {
  readonly name: string
  readonly mean?: number
  readonly deviation?: number
  readonly [field: string]: unknown
}

export interface Verdict {
  /** What the papers, or the method, lead to expect */
  readonly claim: string
  readonly outcome: 'holds' | 'holds within the spread' | 'does not hold'
  /** A likely but untested reason, printed as such if the claim does not hold */
  readonly why?: string
  /** The margin is so wide that --quick fails if the claim does not hold */
  readonly firm?: boolean
}

export interface Section {
  readonly title: string
  /** What the papers report */
  readonly paper: string
  readonly columns: ReadonlyArray<{ title: string; text(row: Row): string }>
  readonly rows: readonly Row[]
  readonly verdicts: readonly Verdict[]
  readonly notes?: readonly string[]
  readonly pictures?: readonly Picture[]
  readonly curves?: ReadonlyArray<{
    name: string
    points: ReadonlyArray<{ epoch: number; mean: number; deviation: number }>
  }>
}

type Variants = (priors: readonly string[], reference: string, shared: number, seed: number) => Promise<VariantResult[]>

/** Everything that was computed. */
export class Results {
  readonly scale: Scale
  readonly #reports: ReadonlyMap<string, ConfigurationReport>
  readonly #students: ReadonlyMap<string, readonly Outcome[]>
  readonly real: RealRun | undefined
  readonly zoo: ReadonlyMap<string, { accuracy: number }>
  /** Ways to fit T (alignment-variants.ts); needs the swarms of each prior alone */
  readonly variants: Variants
  /** Seconds that a flower costs each prior */
  readonly paces: Paces
  /** Run at the first call */
  readonly photoSwarm: () => Promise<PhotoSwarm>
  /** Run at the first call */
  readonly lateAndStrong: () => Promise<LateAndStrong>
  /** Those of these names, by default all; each is loaded at the first call */
  readonly datasets: (names?: readonly string[]) => Promise<readonly Dataset[]>
  /** For figures that compute for minutes themselves */
  readonly onProgress: (text: string) => void
  /** What was computed under this key before, or now; it must survive JSON */
  readonly remember: <T>(key: string, compute: () => Promise<T>) => Promise<T>

  constructor(init: {
    scale: Scale
    reports: ReadonlyMap<string, ConfigurationReport>
    students: ReadonlyMap<string, readonly Outcome[]>
    real: RealRun | undefined
    zoo: ReadonlyMap<string, { accuracy: number }>
    variants: Variants
    paces: Paces
    photoSwarm: () => Promise<PhotoSwarm>
    lateAndStrong: () => Promise<LateAndStrong>
    datasets: (names?: readonly string[]) => Promise<readonly Dataset[]>
    onProgress?: (text: string) => void
    remember?: <T>(key: string, compute: () => Promise<T>) => Promise<T>
  }) {
    this.scale = init.scale
    this.#reports = init.reports
    this.#students = init.students
    this.real = init.real
    this.zoo = init.zoo
    this.variants = init.variants
    this.paces = init.paces
    this.photoSwarm = init.photoSwarm
    this.lateAndStrong = init.lateAndStrong
    this.datasets = init.datasets
    this.onProgress = init.onProgress ?? (() => {})
    this.remember = init.remember ?? (async (_key, compute) => await compute())
  }

  /** By seed. Throws if the swarm was not asked for. */
  reports(setup: SwarmSetup): ConfigurationReport[] {
    return seedsOf(setup, this.scale).map(seed => {
      const report = this.#reports.get(configName(setup.name, seed))
      if (report === undefined) throw new Error(`swarm ${setup.name} was not simulated`)
      return report
    })
  }

  /** By seed. Throws if the students were not asked for. */
  outcomes(run: StudentRun): readonly Outcome[] {
    const outcomes = this.#students.get(runName(run))
    if (outcomes === undefined) throw new Error(`students ${runName(run)} were not trained`)
    return outcomes
  }

  /** A row with the accuracy of these students. */
  accuracy(name: string, run: StudentRun, fields: Readonly<Record<string, unknown>> = {}): Row {
    return scored(
      name,
      this.outcomes(run).map(o => 100 * o.accuracy),
      fields
    )
  }
}

export function scored(name: string, values: readonly number[], fields: Readonly<Record<string, unknown>> = {}): Row {
  return { name, ...spread(values), values: values.map(v => round(v, 2)), ...fields }
}

/** Mean and standard deviation (n - 1) of the values; the deviation of a single value is 0. */
export function spread(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length
  const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0)
  return { mean: round(mean, 3), deviation: round(values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)), 3) }
}

/**
 * Is each row above the next? By more than two standard errors of their difference: holds; by less: within the spread. `why` is printed if the claim
 * does not hold.
 */
export function falling(claim: string, rows: readonly Row[], count: number, why?: string): Verdict {
  let outcome: Verdict['outcome'] = 'holds'
  for (const [i, row] of rows.entries()) {
    const next = rows[i + 1]
    if (next === undefined) break
    const gap = (row.mean ?? NaN) - (next.mean ?? NaN)
    if (!(gap > 0)) return { claim, outcome: 'does not hold', ...(why === undefined ? {} : { why }) }
    const error = Math.hypot(row.deviation ?? 0, next.deviation ?? 0) / Math.sqrt(count)
    if (gap < 2 * error || count < 2) outcome = 'holds within the spread'
  }
  return { claim, outcome }
}

export function verdict(claim: string, holds: boolean, why?: string): Verdict {
  return { claim, outcome: holds ? 'holds' : 'does not hold', ...(why === undefined ? {} : { why }) }
}

export function firm(given: Verdict): Verdict {
  return { ...given, firm: true }
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** `64.2 ± 0.4`, or a placeholder without a figure. */
export function plusMinus({ mean, deviation }: Pick<Row, 'mean' | 'deviation'>, digits = 1): string {
  if (mean === undefined) return '–'
  return `${mean.toFixed(digits)} ± ${(deviation ?? 0).toFixed(digits)}`
}

export const column = (title: string, field: string, digits = 3) => ({
  title,
  text: (row: Row): string => {
    const value = row[field]
    if (typeof value === 'number') return value.toFixed(digits)
    return typeof value === 'string' ? value : '–'
  }
})

export const NAME = { title: '', text: (row: Row): string => row.name }
export const ACCURACY = { title: 'accuracy %', text: (row: Row): string => plusMinus(row) }

export function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter(v => v !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, v) => sum + v, 0) / known.length
}
