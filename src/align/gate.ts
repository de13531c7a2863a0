/**
 * The eligibility gate: is a prior's S_Y related to the images at all? Pure noise has nearly the best possible uniform value, so V alone would elect it.
 *
 * A candidate, centred on S and scaled to unit rows, is tested for independence of the publisher's reference features on S (independence.ts), which
 * are prepared the same way and then flattened with a ridge of `REFERENCE_RIDGE`. A single figure, z, is compared with the manifest's `minZ`. It has
 * the same meaning for every dataset, dimension and number of rows, and grows with the rows.
 *
 * Rows whose reference features equal those of an earlier row bit for bit are left out: on a duplicate image even a hash agrees with itself.
 *
 * Limits: it cannot tell an honest prior from a whitened one or from reference features mixed with noise (corroboration.ts), and a prior that is
 * judged against itself always passes. Everything is a pure function of published bytes in plain float64, compared after rounding to 1e-6.
 */
import { presentRows } from '../bytes.ts'
import type { Manifest } from '../distribute/manifest.ts'
import { NumericError } from '../errors.ts'
import type { Matrix32, Matrix64 } from '../matrix.ts'
import {
  effectiveRank,
  flattened,
  independence,
  rowsFor,
  sideOf,
  type Independence,
  type Side
} from './independence.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'
import { uniformValue } from './uniformity.ts'
import type { PriorKind } from '../optimize/prior-kind.ts'

/** What the gate and the election compute from one S_Y. Figures that could not be computed are 0. */
export interface Assessment {
  /** Recomputed V, over the present rows */
  readonly uniformValue: number
  /** Of the test of independence from the reference features */
  readonly z: number
  /** Estimated number of shared rows that would be enough; 0 if z is enough already, or too small for an estimate */
  readonly rowsNeeded: number
  /** Participation ratio of the targets, for display; 0 if they do not vary */
  readonly effectiveRank: number
  /** Rows with a target */
  readonly present: number
  readonly admissible: boolean
  /** Why it is not admissible, for display; empty if and only if it is */
  readonly refusals: string[]
}

/**
 * Ridge strength, relative to the mean eigenvalue, with which the reference features are flattened. Features of untrained networks have nearly all
 * their variance in 3 or 4 directions, which has two drawbacks: the test hardly sees the other directions, and low-rank noise deviates far
 * (skewness). Least z of EfficientNet-lite0 and -lite2 over 100 draws of 300 ImageNet photos, n = 512: 10.7 and 6.6 with 1, 10.2 and 6.0 with 0.3,
 * 10.8 and 7.0 with 3, 8.1 and 5.2 as they are; greatest uncorrected deviation of noise of rank 1 (12,000 draws) 6.0, and 11.1 as they are.
 */
const REFERENCE_RIDGE = 1

/**
 * Nine million draws of noise of rank 1 and 2, of mixtures of strong and weak directions, and of two values in uneven shares, against the bundled
 * untrained network's features of photos, flowers and CIFAR-10 (m = 16 to 1,000): 20 reached 5, none 5.5. Noise of rank 16 and more stays below 3.5. Honest
 * priors with 300 rows: RESULTS.
 */
export const DEFAULT_GATE: Manifest['gate'] = { minZ: 5 }

/** With fewer rows these figures are meaningless. A manifest's shared set has at least 16 rows. */
const MIN_PRESENT = 8

type Rules = Pick<Manifest, 'gate' | 'uniformity'>

/**
 * Judge one S_Y (m x n) against the reference features (m x d). Never throws because of a participant's data: targets that cannot be judged are refused.
 *
 * Throws `NumericError` when the reference features, which come from the publisher, have a different number of rows, absent rows or no variation.
 */
export function assess(
  rules: Rules,
  { targets, kind }: { targets: Matrix32; kind: PriorKind },
  referenceFeatures: Matrix32
): Assessment {
  if (referenceFeatures.rows !== targets.rows) {
    throw new NumericError(`${referenceFeatures.rows} rows of reference features, ${targets.rows} rows of targets`)
  }
  const present = presentRows(targets)
  const distinct = distinctRows(referenceFeatures)
  const reference = referenceSide(referenceFeatures, distinct)
  const nothing: Assessment = { ...NOTHING, present: present.length }
  const refused = (reason: string): Assessment => ({ ...nothing, refusals: [reason] })
  if (kind === 'onnx' && present.length < targets.rows) {
    return refused(
      `${targets.rows - present.length} of ${targets.rows} shared rows have no target; a model must give one for each`
    )
  }
  const isPresent = new Set(present)
  const rows = present.length === targets.rows ? distinct : distinct.filter(i => isPresent.has(i))
  if (rows.length < MIN_PRESENT) {
    return refused(`${rows.length} of ${targets.rows} shared rows have a target: too few to judge`)
  }
  let value: number
  let y: Matrix64
  try {
    value = uniformValue(targets, rules.uniformity)
    y = unitRows(targets, rows)
  } catch (cause) {
    if (cause instanceof NumericError) return refused(cause.message)
    throw cause
  }
  const own = sideOf(y)
  const rank = round6(effectiveRank(own))
  if (!(own.trace > 0) || rank === 0)
    return { ...refused('the targets are the same on every shared row'), uniformValue: value }
  const found = independence(rows === distinct ? reference : referenceSide(referenceFeatures, rows), own)
  const z = round6(found.z)
  const admissible = z >= rules.gate.minZ
  const rowsNeeded = admissible ? 0 : neededRows(found, rules.gate.minZ, targets.rows)
  return {
    uniformValue: value,
    z,
    rowsNeeded,
    effectiveRank: rank,
    present: present.length,
    admissible,
    refusals: admissible ? [] : [refusal(z, rules.gate.minZ, rowsNeeded, targets.rows)]
  }
}

/** Rounds to the nearest millionth, as figures are compared and shown. */
export function round6(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

/** The assessment of targets that could not be judged. */
export const NOTHING: Omit<Assessment, 'present'> = {
  uniformValue: 0,
  z: 0,
  rowsNeeded: 0,
  effectiveRank: 0,
  admissible: false,
  refusals: []
}

// --- internal ---

/** Noise exceeds this once in 40 times: above it an estimate of the rows needed is worth reporting. */
const HINT_Z = 2

function neededRows(found: Independence, minZ: number, rows: number): number {
  const needed = found.z >= HINT_Z ? rowsFor(minZ, found, rows) : 0
  return Number.isSafeInteger(needed) ? needed : 0
}

function refusal(z: number, minZ: number, rowsNeeded: number, rows: number): string {
  const figure = `the targets cannot be told from noise: z is ${z.toFixed(2)} on ${rows} shared rows, this swarm requires ${minZ}`
  if (rowsNeeded === 0) return figure
  return `${figure}. If it is an honest prior, a shared set of about ${rowsNeeded} rows would show it (coopt publish --shared ${rowsNeeded})`
}

/** Centred on these rows and scaled to length 1. */
function unitRows(m: Matrix32, rows: readonly number[]): Matrix64 {
  const taken = takeRows(m, rows)
  return normaliseRows(subtractRow(taken, columnMeans(taken)))
}

/** The reference features of a swarm are the same for every candidate. */
const distinctOf = new WeakMap<Matrix32, readonly number[]>()
const sides = new WeakMap<readonly number[], Side>()

/** Rows whose bytes occur for the first time, ascending. */
function distinctRows(m: Matrix32): readonly number[] {
  const known = distinctOf.get(m)
  if (known !== undefined) return known
  const seen = new Set<string>()
  const rows: number[] = []
  for (let i = 0; i < m.rows; i++) {
    const words = new Uint16Array(m.data.buffer, m.data.byteOffset + i * m.columns * 4, m.columns * 2)
    const key = String.fromCharCode(...words)
    if (!seen.has(key)) rows.push(i)
    seen.add(key)
  }
  distinctOf.set(m, rows)
  return rows
}

function referenceSide(features: Matrix32, rows: readonly number[]): Side {
  const known = sides.get(rows)
  if (known !== undefined) return known
  const x = unitRows(features, rows)
  subtractRow(x, columnMeans(x))
  const side = sideOf(flattened(x, REFERENCE_RIDGE))
  sides.set(rows, side)
  return side
}
