/**
 * Predictivity: how well one prior's targets on S linearly predict what the other priors see. It ignores invertible linear maps, so that
 * whitening, which makes the uniform value of a weak prior excellent, gains nothing.
 *
 *   value(k) = median over the other priors j of R2(k -> j)
 *   R2(k -> j) = 1 - sum over test rows ||y_j - ridge prediction from y_k||^2 / sum over test rows ||y_j - their mean||^2
 *
 * on targets centred on S and scaled to unit rows; halves from the manifest's seed (held-out.ts). Copies count once: j that predict each
 * other with R2 >= EQUIVALENT (rotations, scalings, copies with a little noise) are one prior, led by the one with the lowest CID, and
 * nobody is judged on predicting itself.
 *
 * A pair costs one product of m^2 numbers: with M_k = [weights_k, -I]^T [weights_k, -I] and the Gram matrix G_j = Y_j Y_j^T, the residual
 * sum is <M_k, G_j>. Both are made once per candidate and kept in a `PredictivityMemo`, so a newcomer costs its own two matrices and its
 * own pairs. Candidates are sorted by CID before anything is summed; the memo never changes a bit of a result.
 *
 * Identities are free in an open swarm: who owns most of the distinct admitted priors owns the median.
 */
import type { Matrix32, Matrix64 } from '../matrix.ts'
import { presentRows } from '../bytes.ts'
import { createRandomStream } from '../random.ts'
import { multiplyByTranspose, transpose } from '../gemm.ts'
import { predictionWeights, splitRows } from './held-out.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'

/**
 * Mutual held-out R2 at which two priors are one. On the zoo (m = 1,000 and 300, n = 128 and 256) two honest priors reach 0.75 at most, while a
 * rotation has 0.985, a random invertible map of condition 7 0.93 and a copy with 5 % noise 0.975 at least.
 */
export const EQUIVALENT = 0.9

/** Ridge relative to the mean diagonal of the Gram matrix. Weak enough to recognise copies (at 0.1 a rotation reaches only 0.92). */
export const PREDICTIVITY_RIDGE = 0.01

/** Priors that are predicted, chosen by a hash of seed and CID when there are more: bounds time (about 1 ms a pair) and memory (8 MiB each). */
export const MAX_PANEL = 64

/** Rows per half: 8 MiB of kept numbers per candidate at the most, a standard error of R2 near 0.01. */
const MAX_HALF = 512

export interface PredictivityCandidate {
  /** CID of the targets, as text */
  readonly id: string
  readonly targets: Matrix32
  /** Is this one of the others whom a prior has to predict? Only counts when every row is present. */
  readonly votes: boolean
}

/** What can be kept between calls of one swarm. Bounded; dropping it costs time only. */
export interface PredictivityMemo {
  readonly forms: Map<string, Form>
  readonly pairs: Map<string, number>
}

export function createPredictivityMemo(): PredictivityMemo {
  return { forms: new Map(), pairs: new Map() }
}

/**
 * The value of each candidate by id: at most 1, higher is better; 0 where there is no other prior to predict.
 *
 * Every candidate must have passed the gate (finite, not constant, enough rows). `seed` is the manifest's. Throws `NumericError` otherwise.
 */
export function predictivity(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo = createPredictivityMemo()
): Map<string, number> {
  const { sorted, leaders, isSame, r2 } = compare(candidates, seed, memo)
  return new Map(
    sorted.map(candidate => {
      const others = leaders.filter(leader => !isSame(candidate, leader))
      return [candidate.id, median(others.map(other => r2(candidate, other)))]
    })
  )
}

/**
 * Ids of the distinct priors among those that vote and have every row, ascending: each stands for its copies and linear equivalents. Of more
 * than `MAX_PANEL` candidates those count that a hash of seed and CID chooses.
 */
export function distinctPriors(
  candidates: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo = createPredictivityMemo()
): string[] {
  return compare(candidates, seed, memo).leaders.map(({ id }) => id)
}

// --- internal ---

interface Comparison {
  /** All candidates, one for each id, in the order of the ids */
  readonly sorted: readonly PredictivityCandidate[]
  /** The first of each group of equivalent candidates in the panel */
  readonly leaders: readonly PredictivityCandidate[]
  isSame(a: PredictivityCandidate, b: PredictivityCandidate): boolean
  r2(from: PredictivityCandidate, to: PredictivityCandidate): number
}

function compare(candidates: readonly PredictivityCandidate[], seed: Uint8Array, memo: PredictivityMemo): Comparison {
  const distinct = new Map<string, PredictivityCandidate>()
  for (const candidate of candidates) {
    const known = distinct.get(candidate.id)
    if (known === undefined || candidate.votes) distinct.set(candidate.id, candidate)
  }
  const sorted = [...distinct.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  const isWhole = (c: PredictivityCandidate): boolean => presentRows(c.targets).length === c.targets.rows
  const predicted = panel(
    sorted.filter(c => c.votes && isWhole(c)),
    seed
  )
  const r2 = pairFigures(predicted, seed, memo)
  const isSame = (a: PredictivityCandidate, b: PredictivityCandidate): boolean =>
    a.id === b.id || (r2(a, b) >= EQUIVALENT && isWhole(a) && r2(b, a) >= EQUIVALENT)

  const leaders: PredictivityCandidate[] = []
  for (const candidate of predicted) {
    if (!leaders.some(leader => isSame(candidate, leader))) leaders.push(candidate)
  }
  return { sorted, leaders, isSame, r2 }
}

/** Lower triangles, row by row, over the fit rows followed by the test rows. */
interface Form {
  /** [weights, -I]^T [weights, -I], off-diagonal elements doubled; rows without a target are zero */
  readonly residual: Float64Array
  /** Y Y^T */
  readonly gram: Float64Array
  /** Positions of the test rows that are present */
  readonly test: readonly number[]
}

/** R2(from -> to) of a member of the panel and anybody else, from the memo where it is known. */
function pairFigures(
  predicted: readonly PredictivityCandidate[],
  seed: Uint8Array,
  memo: PredictivityMemo
): (from: PredictivityCandidate, to: PredictivityCandidate) => number {
  const kept = new Set(predicted.map(c => c.id))
  for (const id of memo.forms.keys()) if (!kept.has(id)) memo.forms.delete(id)
  // those outside the panel come one after the other: a single form serves all pairs of one of them
  let visitor: { id: string; form: Form } | undefined
  const formOf = ({ id, targets }: PredictivityCandidate): Form => {
    const known = memo.forms.get(id) ?? (visitor?.id === id ? visitor.form : undefined)
    if (known !== undefined) return known
    const form = createForm(targets, seed)
    if (kept.has(id)) memo.forms.set(id, form)
    else visitor = { id, form }
    return form
  }
  return (from, to) => {
    const key = `${from.id} ${to.id}`
    const known = memo.pairs.get(key)
    if (known !== undefined) return known
    const value = pairR2(formOf(from), formOf(to))
    memo.pairs.set(key, value)
    return value
  }
}

function createForm(targets: Matrix32, seed: Uint8Array): Form {
  const present = presentRows(targets)
  const position = new Map(present.map((row, i) => [row, i]))
  const y = takeRows(targets, present)
  normaliseRows(subtractRow(y, columnMeans(y)))

  const halves = splitRows(seed, targets.rows, MAX_HALF)
  const order = [...halves.fit, ...halves.test]
  const at = order.flatMap((row, i) => (position.has(row) ? [i] : []))
  const fit = at.filter(i => i < halves.fit.length)
  const test = at.filter(i => i >= halves.fit.length)
  const pick = (positions: readonly number[]): Matrix64 =>
    takeRows(
      y,
      positions.map(i => position.get(order[i] ?? 0) ?? 0)
    )

  const weights = predictionWeights(pick(fit), pick(test), PREDICTIVITY_RIDGE)
  const crossed = transpose(weights)
  const square = multiplyByTranspose(crossed, crossed)
  const products = multiplyByTranspose(pick(at), pick(at))

  const size = order.length
  const residual = new Float64Array((size * (size + 1)) / 2)
  const gram = new Float64Array(residual.length)
  const f = fit.length
  for (let a = 0; a < at.length; a++) {
    const i = at[a] as number
    for (let b = 0; b <= a; b++) {
      const index = (i * (i + 1)) / 2 + (at[b] as number)
      gram[index] = products.data[a * at.length + b] as number
      if (a < f) residual[index] = (a === b ? 1 : 2) * (square.data[a * f + b] as number)
      else if (b < f) residual[index] = -2 * (weights.data[(a - f) * f + b] as number)
      else if (a === b) residual[index] = 1
    }
  }
  return { residual, gram, test }
}

function pairR2(from: Form, to: Form): number {
  let residual = 0
  for (let i = 0; i < from.residual.length; i++) residual += (from.residual[i] as number) * (to.gram[i] as number)
  // sum of squares about the mean: trace - (sum of all elements) / T, over the rows on which the prediction is tested
  let trace = 0
  let sum = 0
  for (let a = 0; a < from.test.length; a++) {
    const i = from.test[a] as number
    const start = (i * (i + 1)) / 2
    trace += to.gram[start + i] as number
    sum += to.gram[start + i] as number
    for (let b = 0; b < a; b++) sum += 2 * (to.gram[start + (from.test[b] as number)] as number)
  }
  const total = trace - sum / from.test.length
  return total > 0 ? 1 - residual / total : 0
}

/** The first `MAX_PANEL` by a hash of seed and id (an author can try many, by changing last bits), in the order of their ids. */
export function panel(sorted: readonly PredictivityCandidate[], seed: Uint8Array): readonly PredictivityCandidate[] {
  if (sorted.length <= MAX_PANEL) return sorted
  const weight = new Map(sorted.map(c => [c.id, createRandomStream('coopt/1/panel', seed, c.id).uniform()]))
  const chosen = sorted
    .toSorted((a, b) => (weight.get(a.id) ?? 0) - (weight.get(b.id) ?? 0) || (a.id < b.id ? -1 : 1))
    .slice(0, MAX_PANEL)
  return chosen.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function median(values: number[]): number {
  if (values.length === 0) return 0
  values.sort((a, b) => a - b)
  const middle = values.length >> 1
  const upper = values[middle] as number
  return values.length % 2 === 1 ? upper : ((values[middle - 1] as number) + upper) / 2
}
