/**
 * The eligibility gate: is a prior's S_Y about the images at all? Pure noise has nearly the best uniform value there is, so V alone elects it.
 *
 * A candidate (centred on S and scaled to unit rows) is judged against the publisher's reference features on S, on rows that took no part in
 * fitting, halves drawn from the manifest's seed:
 *   r2                held-out ridge R2, reference features -> candidate: 1 - sum ||y - prediction||^2 / sum ||y - mean of the test rows||^2
 *   chanceR2          what noise gets on this split on average (below 0), exactly; `noiseDeviation` how far noise of this effective rank strays
 *   neighbourOverlap  k-nearest-neighbour sets of the held-out rows among themselves; `neighbourLift` as a multiple of chance k / (rows - 1)
 *   effectiveRank     participation ratio (sum l)^2 / sum l^2 of the eigenvalues l of Y^T Y = trace^2 / ||Y^T Y||_F^2
 * Admissible: r2 above chance by `minR2` and by NOISE_SIGMAS deviations, lift and rank at least those of the manifest. Labels of people
 * (kind human) are judged by the deviations alone: one-hot rows tie as neighbours, and two classes have rank 1.
 *
 * What it cannot do: tell an honest prior from one that was whitened (see predictivity.ts), or from reference features mixed with noise.
 * Everything is a pure function of published bytes in plain float64, compared after rounding to 1e-6.
 */
import { presentRows } from '../bytes.ts'
import type { Manifest } from '../distribute/manifest.ts'
import { NumericError } from '../errors.ts'
import type { Matrix32, Matrix64 } from '../matrix.ts'
import { multiplyByTranspose, transpose } from '../gemm.ts'
import { chanceR2, heldOutSquares, predictionWeights, splitRows } from './held-out.ts'
import { chanceOverlap, neighbourOverlap } from './neighbours.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'
import { uniformValue } from './uniformity.ts'

/** What the gate and the election find out about one S_Y. Figures that could not be computed are 0. */
export interface Assessment {
  /** Recomputed V, over the present rows */
  readonly uniformValue: number
  readonly r2: number
  readonly chanceR2: number
  readonly noiseDeviation: number
  /** 0 for a human prior, whose neighbours are ties */
  readonly neighbourOverlap: number
  readonly neighbourLift: number
  readonly effectiveRank: number
  /** Rows with a target */
  readonly present: number
  readonly admissible: boolean
  /** Why it is not admissible, for people; empty exactly when it is */
  readonly refusals: string[]
}

/** Largest of 4,800 noise candidates against real features (ranks 1 to 128, m = 48 to 1,000, three ridges): 3.5 deviations above chance. */
export const NOISE_SIGMAS = 4

/** Rows of one half beyond these would cost time and change no verdict. */
const MAX_HALF = 1024

/** With fewer rows in a half no figure here means anything. A manifest's shared set has at least 16 rows. */
const MIN_HALF = 4

/**
 * Thresholds for a shared set of so many rows, from the CIFAR-10 zoo: eight honest priors, hash-like noise, and Gaussian noise of rank 1 to 128;
 * reference features of an untrained convnet, ridge 0.3, n = 128, random draws of S from 2,000 images (20 to 50 per m; lifts 12 to 30):
 *
 *   | m     | R2 above chance: honest / noise | in deviations: honest / noise      | lift: honest / noise         | rank: honest |
 *   | 1,000 | >= .157 / <= .047               | >= 37 / <= 2.8                     | (k = 5) >= 3.1 / <= 1.6      | >= 2.5       |
 *   |   300 | >= .140 / <= .127               | >= 11 / <= 2.6                     | (k = 10) >= 1.51 / <= 1.26   | >= 2.3       |
 *   |   100 | >= .038 / <= .264               | from about 1, most >= 3 / <= 2.5   | not separable                | >= 2.3       |
 *
 * Where noise comes near in plain R2 it has rank 1 or 2: hence the deviations. Human labels of ten classes: >= 17 deviations at 1,000 rows,
 * 3.5 to 9 at 300. Below some 300 rows honest but unusual priors (and labels of people) are refused too: use more shared rows.
 */
export function defaultGate(sharedRows: number): Manifest['gate'] {
  const [neighbours, minNeighbourLift] = sharedRows >= 800 ? [5, 2] : sharedRows >= 250 ? [10, 1.25] : [5, 0]
  return { ridge: 0.3, minR2: 0.1, neighbours, minNeighbourLift, minEffectiveRank: 1.5 }
}

/** For the default shared set of 1,000 rows. */
export const DEFAULT_GATE: Manifest['gate'] = defaultGate(1000)

type Rules = Pick<Manifest, 'gate' | 'seed' | 'uniformity'>

/**
 * Judge one S_Y (m x n) against the reference features (m x d). Never throws for what a participant sent: what cannot be judged is refused.
 *
 * Throws `NumericError` when the reference features, which the publisher answers for, have other rows, absent rows or no variation.
 */
export function assess(
  rules: Rules,
  { targets, kind }: { targets: Matrix32; kind: 'onnx' | 'human' },
  referenceFeatures: Matrix32
): Assessment {
  if (referenceFeatures.rows !== targets.rows) {
    throw new NumericError(`${referenceFeatures.rows} rows of reference features, ${targets.rows} rows of targets`)
  }
  const present = new Set(presentRows(targets))
  const nothing = { ...EMPTY, present: present.size }
  const refused = (reason: string): Assessment => ({ ...nothing, admissible: false, refusals: [reason] })
  if (kind === 'onnx' && present.size < targets.rows) {
    return refused(
      `${targets.rows - present.size} of ${targets.rows} shared rows have no target, a model must give all`
    )
  }
  const halves = splitRows(rules.seed, targets.rows, MAX_HALF)
  const fit = halves.fit.filter(i => present.has(i))
  const test = halves.test.filter(i => present.has(i))
  if (fit.length < MIN_HALF || test.length < MIN_HALF) {
    return refused(`${present.size} of ${targets.rows} shared rows have a target: too few to judge`)
  }
  const all = [...present]
  let y: Matrix64
  let value: number
  try {
    y = takeRows(targets, all)
    value = uniformValue(targets, rules.uniformity)
  } catch (cause) {
    if (cause instanceof NumericError) return refused(cause.message)
    throw cause
  }
  normaliseRows(subtractRow(y, columnMeans(y)))
  const position = new Map(all.map((row, i) => [row, i]))
  const pick = (rows: readonly number[]): Matrix64 =>
    takeRows(
      y,
      rows.map(i => position.get(i) ?? 0)
    )
  const features = takeRows(
    referenceFeatures,
    Array.from({ length: referenceFeatures.rows }, (_, i) => i)
  )
  normaliseRows(subtractRow(features, columnMeans(features)))

  const yTest = pick(test)
  const featuresTest = takeRows(features, test)
  const weights = predictionWeights(takeRows(features, fit), featuresTest, rules.gate.ridge)
  const { residual, total } = heldOutSquares(weights, pick(fit), yTest)
  const effectiveRank = participationRatio(pick([...fit, ...test]))
  if (!(total > 0) || effectiveRank === 0)
    return { ...refused('the targets are the same on every shared row'), uniformValue: value }
  const chance = chanceR2(weights)
  const overlap = kind === 'human' ? 0 : neighbourOverlap(yTest, featuresTest, rules.gate.neighbours)
  const figures = {
    uniformValue: value,
    r2: round6(1 - residual / total),
    chanceR2: round6(chance.mean),
    noiseDeviation: round6(chance.deviation / Math.sqrt(effectiveRank)),
    neighbourOverlap: round6(overlap),
    neighbourLift: round6(overlap / chanceOverlap(test.length, rules.gate.neighbours)),
    effectiveRank: round6(effectiveRank),
    present: present.size
  }
  const refusals = judge(figures, kind, rules.gate)
  return { ...figures, admissible: refusals.length === 0, refusals }
}

/** To the nearest millionth: what is compared and shown. */
export function round6(value: number): number {
  return Math.round(value * 1e6) / 1e6
}

// --- internal ---

const EMPTY = {
  uniformValue: 0,
  r2: 0,
  chanceR2: 0,
  noiseDeviation: 0,
  neighbourOverlap: 0,
  neighbourLift: 0,
  effectiveRank: 0
}

function judge(
  figures: Omit<Assessment, 'admissible' | 'refusals'>,
  kind: 'onnx' | 'human',
  gate: Manifest['gate']
): string[] {
  const reasons: string[] = []
  const above = round6(figures.r2 - figures.chanceR2)
  const noise = round6(NOISE_SIGMAS * figures.noiseDeviation)
  if (!(above >= noise)) {
    reasons.push(
      `the targets cannot be told from noise: held-out R2 is ${above.toFixed(4)} above chance, noise reaches ${noise.toFixed(4)}`
    )
  }
  if (kind === 'human') return reasons
  if (!(above >= gate.minR2)) {
    reasons.push(`held-out R2 is ${above.toFixed(4)} above chance, this swarm asks for ${gate.minR2}`)
  }
  if (!(figures.neighbourLift >= gate.minNeighbourLift)) {
    reasons.push(
      `nearest neighbours agree ${figures.neighbourLift.toFixed(2)} times as often as by chance, this swarm asks for ${gate.minNeighbourLift}`
    )
  }
  if (!(figures.effectiveRank >= gate.minEffectiveRank)) {
    reasons.push(`effective rank ${figures.effectiveRank.toFixed(2)}, this swarm asks for ${gate.minEffectiveRank}`)
  }
  return reasons
}

/** trace(G)^2 / ||G||_F^2 for the smaller Gram matrix G; 0 when all rows are zero. */
function participationRatio(y: Matrix64): number {
  const side = y.rows <= y.columns ? y : transpose(y)
  const gram = multiplyByTranspose(side, side)
  let trace = 0
  let squares = 0
  for (let i = 0; i < gram.rows; i++) trace += gram.data[i * gram.rows + i] as number
  for (const value of gram.data) squares += value * value
  return squares > 0 ? (trace * trace) / squares : 0
}
