/** Figures from the targets of the shared set: how far participants are apart before and after alignment, and how good each prior is. */
import { takeRows } from '../../src/align/rows.ts'
import { presentRows } from '../../src/bytes.ts'
import { InvalidInputError, NumericError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { row, type Matrix32 } from '../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import type { EvaluateReport } from '../api/evaluate.ts'
import { commonRows, cosineDistance, MIN_PAIR_ROWS, variationBound } from './inconsistency.ts'
import type { Participant } from './participants.ts'
import { crossRidgeProbe, type ProbeResult } from './ridge-probe.ts'
import { MIN_CLASS_ROWS } from './splits.ts'

/** A bound takes about a second; more pairs are sampled, and the mean of a sample has a standard error below 0.03. */
const MAX_PAIRS = 64

/** With fewer rows, an accuracy has a standard error above 0.07. */
const MIN_PROBE_ROWS = 50

type Stage = 'raw' | 'aligned' | 'heldOut'
const STAGES: readonly Stage[] = ['raw', 'aligned', 'heldOut']

export interface SharedInit {
  readonly seed: number
  readonly gemm: Gemm
  onStep(done: number, total: number): void
  readonly signal: AbortSignal
}

/** Means over pairs of participants with `MIN_PAIR_ROWS` or more rows in common. */
export async function inconsistency(
  list: readonly Participant[],
  { seed, onStep, signal }: Omit<SharedInit, 'gemm'>
): Promise<EvaluateReport['inconsistency']> {
  const rows = list[0]?.raw.rows ?? 0
  const all = list
    .flatMap((a, i) => list.slice(i + 1).map(b => [a, b] as const))
    .filter(([a, b]) => commonRows(a.raw, b.raw).length >= MIN_PAIR_ROWS)
  const order = shuffle(all.length, createRandomStream('coopt/1/evaluate/pairs', `${seed}`))
  const pairs = [...order.subarray(0, MAX_PAIRS)].map(i => all[i] as (typeof all)[number])
  const total = pairs.length * STAGES.length + (pairs.length > 0 ? list.length : 0)
  let done = 0
  const step = (): void => {
    signal.throwIfAborted()
    onStep(++done, total)
  }
  const bounds: Record<Stage, number[]> = { raw: [], aligned: [], heldOut: [] }
  const distances: Record<Stage, number[]> = { raw: [], aligned: [], heldOut: [] }
  for (const [first, second] of pairs) {
    for (const stage of STAGES) {
      const [a, b] = [targetsAt(first, stage), targetsAt(second, stage)]
      if (a !== undefined && b !== undefined) {
        bounds[stage].push(await variationBound({ a, b, seed }))
        distances[stage].push(cosineDistance(a, b) ?? Number.NaN)
      }
      step()
    }
  }
  const calibration: number[] = []
  for (const { raw, fit } of pairs.length === 0 ? [] : list) {
    const own = fit?.aligned ?? raw
    if (presentRows(own).length >= MIN_PAIR_ROWS) calibration.push(await variationBound({ a: own, b: own, seed }))
    step()
  }
  const means = (of: Record<Stage, number[]>) =>
    Object.fromEntries(STAGES.flatMap(stage => entryOf(stage, mean(of[stage]))))
  return {
    rows,
    pairs: pairs.length,
    variation: { ...means(bounds), ...Object.fromEntries(entryOf('calibration', mean(calibration))) },
    cosine: means(distances)
  }
}

/** Of aligned targets with those of each other participant; undefined without other participants. */
export function agreementOf(
  own: Participant,
  list: readonly Participant[]
): { cosine: number; r2: number } | undefined {
  const mine = own.fit?.aligned
  const others = list.flatMap(other => (other === own || other.fit === undefined ? [] : [other.fit.aligned]))
  if (mine === undefined || others.length === 0) return undefined
  const cosine = mean(others.flatMap(other => cosineDistance(mine, other) ?? []).map(distance => 1 - distance))
  const r2 = r2ToMean(mine, others)
  return cosine === undefined || r2 === undefined ? undefined : { cosine, r2 }
}

/**
 * Ridge probe of unaligned targets on the shared rows that have a label (-1 for none), every row predicted once. Classes of fewer than five rows are
 * left out; undefined with fewer than fifty rows.
 */
export async function priorProbe(
  targets: Matrix32,
  labels: Int32Array,
  { seed, gemm }: Pick<SharedInit, 'seed' | 'gemm'>
): Promise<ProbeResult | undefined> {
  const present = presentRows(targets).filter(i => (labels[i] as number) >= 0)
  const counts = new Map<number, number>()
  for (const i of present) counts.set(labels[i] as number, (counts.get(labels[i] as number) ?? 0) + 1)
  const classes = [...counts].filter(([, rows]) => rows >= MIN_CLASS_ROWS).map(([label]) => label)
  const rows = present.filter(i => classes.includes(labels[i] as number))
  if (classes.length < 2 || rows.length < MIN_PROBE_ROWS) return undefined
  try {
    return await crossRidgeProbe({
      features: takeRows(targets, rows),
      labels: Int32Array.from(rows, i => classes.indexOf(labels[i] as number)),
      classes: classes.length,
      seed,
      gemm
    })
  } catch (error) {
    // constant targets cannot be probed: omit the figure
    if (error instanceof NumericError || error instanceof InvalidInputError) return undefined
    throw error
  }
}

// --- internal ---

const targetsAt = ({ raw, fit }: Participant, stage: Stage): Matrix32 | undefined =>
  stage === 'raw' ? raw : fit?.[stage]

const entryOf = (name: string, value: number | undefined): Array<[string, number]> =>
  value === undefined ? [] : [[name, value]]

function mean(values: readonly number[]): number | undefined {
  const finite = values.filter(Number.isFinite)
  return finite.length === 0 ? undefined : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** 1 - sum |mean of the others - own|^2 / sum |mean of the others - its own mean|^2, over rows that all have. */
function r2ToMean(mine: Matrix32, others: readonly Matrix32[]): number | undefined {
  const n = mine.columns
  let rows = presentRows(mine)
  for (const other of others) {
    const present = new Set(presentRows(other))
    rows = rows.filter(i => present.has(i))
  }
  if (rows.length === 0) return undefined
  const target = (i: number, c: number): number =>
    others.reduce((sum, other) => sum + (other.data[i * n + c] as number), 0) / others.length
  const means = Float64Array.from({ length: n }, (_, c) => rows.reduce((sum, i) => sum + target(i, c), 0) / rows.length)
  let [residual, total] = [0, 0]
  for (const i of rows) {
    const own = row(mine, i)
    for (let c = 0; c < n; c++) {
      const expected = target(i, c)
      residual += (expected - (own[c] as number)) ** 2
      total += (expected - (means[c] as number)) ** 2
    }
  }
  return total > 0 ? 1 - residual / total : undefined
}
