/**
 * The consensus of several priors: a reference S*_Y that is computed from all of them instead of taken from a winner.
 *
 * MAXVAR generalised canonical correlation (Kettenring 1971, with ridge): X_k are the targets of prior k on S, centred and on the unit
 * sphere as in predictivity.ts, and centred again, so that no direction is spent on a constant.
 *
 *   H = 1/q sum over k of X_k (X_k^T X_k + lambda_k I)^-1 X_k^T,   lambda_k = ridge * trace(X_k^T X_k) / min(n, s)
 *   H V = V diag(w), w descending: w_i in [0, 1] is the share of direction i that the priors explain on average
 *   S* = c V_n diag(w_n) Q,   c such that rows have length 1 on average (root mean square)
 *
 * The orthogonal Q is the polar factor of (V_n diag(w_n))^T A, where A holds fixed codes drawn from the manifest's seed: of all matrices with its
 * span, S* is closest to A. Eigenvectors have arbitrary signs and, where shares are close, arbitrary rotations; Q removes both. Directions that no
 * prior explains have w = 0, so a rank below n only makes columns linearly dependent. A student's loss, 1 - cosine, and T do not depend on Q.
 *
 * Weighting columns by w costs no accuracy and makes the reference stable. When a ninth prior joins eight CIFAR-10 priors (m = 1,000, n = 128), the
 * cosine of old and new rows is .79, .85, .91, .97 with weights w^0, w^0.5, w, w^2 (.19, .33, .51, .78 with a sign convention instead of Q); a small
 * convnet trained on the merged targets reaches .558, .568, .565, .565 (standard error .011).
 *
 * The same convnet reaches .565 with targets aligned to the consensus, .567 and .571 with two and four attackers among the priors, .551 with the best
 * single prior as the reference, and .541 with random codes. One attacker turns rows to a cosine of .88 to .91, as an honest newcomer does; four
 * together to .83.
 *
 * More than MAX_SAMPLE rows: the eigenvectors are those of a sample drawn with the manifest's seed, and the other rows follow from
 * H V = V diag(w): row x is 1/q sum over k of x_k (X_k^T X_k + lambda_k I)^-1 X_k^T V diag(w)^-1, all sums over the sample.
 *
 * float64 + - * / sqrt in a fixed order, members in the order of their ids: the same set gives the same bits everywhere. Time: one
 * eigendecomposition of min(m, MAX_SAMPLE) rows, 0.4 s, and 0.03 s a prior at m = 1,000, n = 256. Memory: three matrices of MAX_SAMPLE^2, one prior and the result.
 */
import { presentRows } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import { multiplyByTranspose, transpose } from '../gemm.ts'
import { zeros, type Matrix32, type Matrix64 } from '../matrix.ts'
import { createRandomStream, shuffle } from '../random.ts'
import { solveLower, solveUpper } from './cholesky.ts'
import { symmetricEigen } from './eigen.ts'
import { ridgeFactor, ridgeStrength, ridgeSystem } from './ridge-system.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'

/** Relative to the mean eigenvalue, as in predictivity. A tenth of it gives the same accuracy (.561 against .565). */
export const CONSENSUS_RIDGE = 0.01

/** Rows of one eigendecomposition, 6 n^3: about 0.5 s. The default m of a swarm is 1,000. */
export const MAX_SAMPLE = 1024

/**
 * How many priors take part: all of them up to the first step, otherwise as many of the best as the largest step that does not exceed their number.
 * This bounds the work and leaves out a newcomer that ranks last. It does not make new references rare: of 62 synthetic priors of similar quality
 * that joined eight, 53 and 56 changed the members (two runs), because the ranking itself moves; if the best eight always took part, 38 and 40.
 */
export const CONSENSUS_STEPS = [8, 12, 16, 24, 32, 48, 64] as const

/** Smaller shares are rounding errors (H has rank below n); their directions are dropped. */
const LEAST_SHARE = 1e-9

export interface ConsensusMember {
  /** CID of the targets, as text */
  readonly id: string
  /** S_Y, all rows present */
  readonly targets: Matrix32
}

/** How many of `count` distinct priors, the best first, form the consensus. */
export function consensusSize(count: number): number {
  if (count <= CONSENSUS_STEPS[0]) return count
  return CONSENSUS_STEPS.findLast(step => step <= count) ?? CONSENSUS_STEPS[0]
}

/**
 * S* of distinct priors, m x n, before it is rounded to float32. Its rows have mean square length 1 on the sample, its columns mean 0.
 *
 * `seed` is the manifest's. Throws `NumericError` without members, for members of different shapes, absent rows, values that are not finite,
 * or targets that are all the same.
 */
export function consensus(members: readonly ConsensusMember[], seed: Uint8Array): Matrix64 {
  const sorted = [...new Map(members.map(member => [member.id, member])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1
  )
  const [first] = sorted
  if (first === undefined) throw new NumericError('a consensus needs at least one prior')
  const { rows, columns } = first.targets
  for (const { id, targets } of sorted) {
    if (targets.rows !== rows || targets.columns !== columns)
      throw new NumericError(`targets ${id} are ${targets.rows} x ${targets.columns}, not ${rows} x ${columns}`)
    if (presentRows(targets).length !== rows) throw new NumericError(`targets ${id} lack rows of the shared set`)
  }
  const sample = sampleRows(rows, seed)
  const hats = zeros(sample.length, sample.length)
  for (const { targets } of sorted) addHat(hats, prepare(targets, sample).sampled)
  const frame = leading(hats, sorted.length, columns)
  const rotated = rotation(frame, sample, columns, seed)
  if (sample.length === rows) return multiplyByTranspose(scaled(frame), transpose(rotated))

  const out = zeros(rows, columns)
  const map = multiplyByTranspose(transpose(rotated), extension(frame, sorted.length)) // n x s
  for (const { targets } of sorted) {
    const { all, sampled } = prepare(targets, sample)
    add(out, multiplyByTranspose(all, multiplyByTranspose(map, coefficients(sampled))))
  }
  return out
}

/** Do these targets (all rows present) vary on the rows whose eigenvectors a consensus takes? It has no place for others. */
export function hasConsensus(targets: Matrix32, seed: Uint8Array): boolean {
  const { sampled } = prepare(targets, sampleRows(targets.rows, seed))
  return sampled.data.some(value => value !== 0)
}

// --- internal ---

/** Leading eigenvectors (the rows of `vectors`, r x s), their shares, and the common factor c. */
interface Frame {
  readonly vectors: Matrix64
  readonly shares: readonly number[]
  readonly factor: number
}

function sampleRows(rows: number, seed: Uint8Array): Uint32Array {
  if (rows <= MAX_SAMPLE) return Uint32Array.from({ length: rows }, (_, i) => i)
  return shuffle(rows, createRandomStream('coopt/1/consensus', seed)).slice(0, MAX_SAMPLE).sort()
}

/** X_k for the sample, and for all rows about the same mean. */
function prepare(targets: Matrix32, sample: Uint32Array): { all: Matrix64; sampled: Matrix64 } {
  const all = takeRows(
    targets,
    Uint32Array.from({ length: targets.rows }, (_, i) => i)
  )
  normaliseRows(subtractRow(all, columnMeans(all)))
  const sampled = takeRows(all, sample)
  const means = columnMeans(sampled)
  subtractRow(all, means)
  subtractRow(sampled, means)
  return { all, sampled }
}

/** Cholesky factor of X^T X + lambda I, or of X X^T + lambda I where that is smaller. */
function factorOf(x: Matrix64): { factor: Matrix64; lambda: number; isDual: boolean } {
  const system = ridgeSystem(x)
  const lambda = ridgeStrength(system, CONSENSUS_RIDGE)
  if (!(lambda > 0)) throw new NumericError('targets that are all the same have no consensus with others')
  return { factor: ridgeFactor(system, lambda), lambda, isDual: system.isDual }
}

/** hats += X (X^T X + lambda I)^-1 X^T, in the dual form I - lambda (X X^T + lambda I)^-1. */
function addHat(hats: Matrix64, x: Matrix64): void {
  const { factor, lambda, isDual } = factorOf(x)
  const root = solveLower(factor, isDual ? identity(x.rows) : x)
  const product = multiplyByTranspose(root, root)
  if (isDual) {
    for (let at = 0; at < product.data.length; at++) product.data[at] = -lambda * (product.data[at] as number)
    for (let i = 0; i < x.rows; i++) product.data[i * x.rows + i] = (product.data[i * x.rows + i] as number) + 1
  }
  add(hats, product)
}

/** (X^T X + lambda I)^-1 X^T, n x s: what a prior's own rows are multiplied by. */
function coefficients(x: Matrix64): Matrix64 {
  const { factor, isDual } = factorOf(x)
  const solve = (b: Matrix64): Matrix64 => solveUpper(factor, solveLower(factor, b))
  return isDual ? solve(transpose(x)) : transpose(solve(x))
}

/** The n leading eigenvectors of the mean hat. At least one direction is not constant, so there are at most s - 1. */
function leading(hats: Matrix64, count: number, columns: number): Frame {
  const { values, vectors } = symmetricEigen(hats)
  const order = [...values.keys()]
    .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b)
    .slice(0, Math.min(columns, hats.rows - 1))
    .filter(i => (values[i] as number) > LEAST_SHARE * count)
  const shares = order.map(i => (values[i] as number) / count)
  let sum = 0
  for (const share of shares) sum += share * share
  return { vectors: takeRows(vectors, order), shares, factor: Math.sqrt(hats.rows / sum) }
}

/** c V diag(w), s x r */
function scaled({ vectors, shares, factor }: Frame): Matrix64 {
  const out = transpose(vectors)
  for (let at = 0; at < out.data.length; at++)
    out.data[at] = (out.data[at] as number) * factor * (shares[at % out.columns] as number)
  return out
}

/** c V / q, s x r: in the extension, c 1/q sum of x_k C_k V diag(w)^-1 diag(w), the shares cancel out. */
function extension({ vectors, factor }: Frame, count: number): Matrix64 {
  const out = transpose(vectors)
  for (let at = 0; at < out.data.length; at++) out.data[at] = ((out.data[at] as number) * factor) / count
  return out
}

/** Q, r x n: (M M^T)^(-1/2) M for M = (c V diag(w))^T A. */
function rotation(frame: Frame, sample: Uint32Array, columns: number, seed: Uint8Array): Matrix64 {
  const stream = createRandomStream('coopt/1/anchor', seed)
  const codes = zeros(columns, sample.length)
  for (let at = 0; at < codes.data.length; at++) codes.data[at] = stream.uint32() / 4_294_967_296 - 0.5
  const m = multiplyByTranspose(transpose(scaled(frame)), codes) // r x n
  const { values, vectors } = symmetricEigen(multiplyByTranspose(m, m))
  const most = values.reduce((a, b) => Math.max(a, b), 0)
  const turned = multiplyByTranspose(vectors, transpose(m)) // eigenvectors as rows, times M
  for (let i = 0; i < turned.rows; i++) {
    const value = values[i] as number
    // codes orthogonal to a direction: never observed, but a division by zero would give every peer NaN
    const root = Math.sqrt(Math.max(value, most * Number.EPSILON))
    for (let c = 0; c < columns; c++) turned.data[i * columns + c] = (turned.data[i * columns + c] as number) / root
  }
  return multiplyByTranspose(transpose(vectors), transpose(turned))
}

function identity(size: number): Matrix64 {
  const out = zeros(size, size)
  for (let i = 0; i < size; i++) out.data[i * size + i] = 1
  return out
}

function add(sum: Matrix64, term: Matrix64): void {
  for (let at = 0; at < sum.data.length; at++) sum.data[at] = (sum.data[at] as number) + (term.data[at] as number)
}
