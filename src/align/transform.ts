/**
 * Alignment: the map T that takes one prior's targets close to the reference, fitted on the shared set.
 *
 *   min over T, b of  sum_i || T (y_i - mean) + b - s_i ||^2 + lambda ||T||_F^2        (CoOpt step 3; ridge with a free intercept)
 *
 * lambda is chosen from a grid (multiples of trace / min(n, m)) by the exact leave-one-out error: with the hat matrix
 * H = 1 1^T / m + X (X^T X + lambda I)^-1 X^T, X the centred rows, leaving row i out changes its residual e_i to e_i / (1 - h_i - 1/m)
 * (Allen's PRESS; h_i is the leverage without the intercept, whose own is 1/m). m <= n is solved in the dual (m x m) form. Up to
 * `MAX_EIGEN` one eigendecomposition serves the whole grid, above it one Cholesky factor per lambda. Products go to `Gemm`.
 *
 *   looR2      1 - sum ||leave-one-out residual||^2 / sum ||s_i - mean s||^2, over all rows and dimensions; at most 1
 *   looCosine  mean over rows of the cosine between s_i and its leave-one-out prediction; 0 where one of them is zero
 *   looZ       does T carry over to rows that it was not fitted on? With s_i the centred reference and p_i its leave-one-out prediction, less
 *              the mean of the rows that were fitted (-s_i / (m - 1), which would always point away from s_i), t = sum p_i . s_i has under a random assignment of predictions to rows the mean 0 and the variance <P^T P, S^T S> / (m - 1), exactly;
 *              z = t / its root. Unlike R2 it does not fall with the rank of what is predicted, and it grows with the square root of the number of rows
 */
import { ABSENT, isAbsentRow, presentRows } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import { zeros, type Matrix, type Matrix32, type Matrix64 } from '../matrix.ts'
import type { Gemm } from '../gemm.ts'
import { solveGrid, type RidgeSolver } from './ridge.ts'
import { columnMeans, subtractRow, takeRows } from './rows.ts'

/** Ridge strengths as multiples of trace / min(n, m): half-decade steps over the range in which the best lay in every measured case. */
export const DEFAULT_GRID: readonly number[] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]

/**
 * Least `looZ` of an alignment. Noise of rank 2 to 128 aligned to real references reaches 2.5 with 64 and 300 rows (its strength is optimised, too),
 * and so does the best prior aligned to noise. RESULTS.md has honest pairs with 300 photos, where R2 may be as low as 0.005.
 */
export const DEFAULT_MIN_LOO_Z = 4

/** With fewer rows, leave-one-out figures are meaningless. A manifest's shared set has at least 16 rows; a human prior may lack some. */
export const MIN_ROWS = 8

/** Rows mapped at a time: 4 MiB of float64 at 256 dimensions. */
const CHUNK_ROWS = 2048

export interface Transform {
  /** n_from x n_to: a row y becomes y map + offset */
  readonly map: Matrix64
  /** n_to */
  readonly offset: Float64Array
  /** Absolute ridge strength */
  readonly lambda: number
  readonly looR2: number
  readonly looCosine: number
  readonly looZ: number
  /** Number of rows used in the fit: those that both matrices have */
  readonly rows: number
}

export interface FitOptions {
  /** Own targets on the shared set, m x n_from */
  readonly from: Matrix
  /** The reference on the shared set, m x n_to */
  readonly to: Matrix
  /** Multiples of trace / min(n, m), positive */
  readonly grid: readonly number[]
  readonly gemm: Gemm
}

/**
 * Fit T on the rows that both matrices have. With `plainGemm` the result is bit-exact on every machine.
 *
 * Throws `NumericError` when the matrices differ in rows, share fewer than `MIN_ROWS` rows, hold values that are not finite, or one
 * of them is constant; and when the grid is empty or not positive.
 */
export async function fitTransform({ from, to, grid, gemm }: FitOptions): Promise<Transform> {
  if (from.rows !== to.rows) throw new NumericError(`${from.rows} rows cannot be aligned to ${to.rows} rows`)
  if (grid.length === 0 || !grid.every(g => g > 0 && Number.isFinite(g))) {
    throw new NumericError('the grid of ridge strengths must hold positive numbers')
  }
  const inFrom = new Set(presentRows(from))
  const rows = presentRows(to).filter(i => inFrom.has(i))
  if (rows.length < MIN_ROWS) {
    throw new NumericError(`${rows.length} rows have both a target and a reference; an alignment needs ${MIN_ROWS}`)
  }
  const x = takeRows(from, rows)
  const y = takeRows(to, rows)
  const xMeans = columnMeans(x)
  const yMeans = columnMeans(y)
  subtractRow(x, xMeans)
  subtractRow(y, yMeans)
  if (squareSum(x) === 0) throw new NumericError('the targets are the same on every shared row: nothing to align')
  if (squareSum(y) === 0) throw new NumericError('the reference is the same on every shared row: nothing to align to')

  const solver = await solveGrid(x, y, gemm)
  let best: { lambda: number; residuals: Matrix64; error: number } | undefined
  for (const multiple of grid) {
    const lambda = multiple * solver.scale
    const residuals = await leaveOneOut(solver, y, lambda)
    const error = squareSum(residuals)
    if (best === undefined || error < best.error) best = { lambda, residuals, error }
  }
  if (best === undefined || !Number.isFinite(best.error))
    throw new NumericError('the alignment did not give finite numbers')

  const map = await solver.map(best.lambda)
  const shift = await gemm.multiply({ rows: 1, columns: x.columns, data: xMeans }, map)
  const offset = yMeans.map((mean, c) => mean - (shift.data[c] as number))
  const looR2 = 1 - best.error / squareSum(y)
  return {
    map,
    offset,
    lambda: best.lambda,
    looR2,
    looCosine: meanCosine(y, yMeans, best.residuals),
    looZ: await matchingZ(y, best.residuals, gemm),
    rows: rows.length
  }
}

/**
 * Map rows of raw targets (r x n_from) to aligned ones (r x n_to), rounded to float32 once. Absent rows stay absent.
 *
 * Throws `NumericError` when the columns do not fit or a result is not finite in float32.
 */
export async function applyTransform(transform: Transform, raw: Matrix32, gemm: Gemm): Promise<Matrix32> {
  const { map, offset } = transform
  if (raw.columns !== map.rows) throw new NumericError(`the alignment takes ${map.rows} dimensions, got ${raw.columns}`)
  const n = map.columns
  const out = new Float32Array(raw.rows * n)
  for (let start = 0; start < raw.rows; start += CHUNK_ROWS) {
    const end = Math.min(raw.rows, start + CHUNK_ROWS)
    const chunk = Float64Array.from(raw.data.subarray(start * raw.columns, end * raw.columns))
    const product = await gemm.multiply({ rows: end - start, columns: raw.columns, data: chunk }, map)
    for (let i = start; i < end; i++) {
      const target = out.subarray(i * n, (i + 1) * n)
      if (isAbsentRow(raw.data.subarray(i * raw.columns, (i + 1) * raw.columns))) {
        target.set(ABSENT(n))
        continue
      }
      for (let c = 0; c < n; c++) target[c] = (product.data[(i - start) * n + c] as number) + (offset[c] as number)
      if (!target.every(Number.isFinite))
        throw new NumericError(`the aligned target of row ${i} is not finite in float32`)
    }
  }
  return { rows: raw.rows, columns: n, data: out }
}

// --- internal ---

export async function leaveOneOut(solver: RidgeSolver, y: Matrix64, lambda: number): Promise<Matrix64> {
  const { fitted, leverages } = await solver.fit(lambda)
  const residuals = zeros(y.rows, y.columns)
  for (let i = 0; i < y.rows; i++) {
    // 1 - h_i - 1/m is positive for lambda > 0; rounding must not turn a row that fits itself into a division by zero
    const free = Math.max(1 - (leverages[i] as number) - 1 / y.rows, Number.EPSILON)
    for (let c = 0; c < y.columns; c++) {
      const at = i * y.columns + c
      residuals.data[at] = ((y.data[at] as number) - (fitted.data[at] as number)) / free
    }
  }
  return residuals
}

function squareSum(m: Matrix64): number {
  let sum = 0
  for (const value of m.data) sum += value * value
  return sum
}

/** `y` is centred. 0 where the predictions do not vary. */
async function matchingZ(y: Matrix64, residuals: Matrix64, gemm: Gemm): Promise<number> {
  const grown = 1 + 1 / (y.rows - 1)
  const predicted = { ...y, data: y.data.map((value, at) => value * grown - (residuals.data[at] as number)) }
  subtractRow(predicted, columnMeans(predicted))
  let matched = 0
  for (let at = 0; at < y.data.length; at++) matched += (predicted.data[at] as number) * (y.data[at] as number)
  // <P^T P, S^T S> = ||P S^T||_F^2, from whichever products are smaller
  const transposed = { transposeA: true }
  const both = y.rows < y.columns ? await gemm.multiply(predicted, y, { transposeB: true }) : undefined
  const a = both ?? (await gemm.multiply(predicted, predicted, transposed))
  const b = both ?? (await gemm.multiply(y, y, transposed))
  let square = 0
  for (let at = 0; at < a.data.length; at++) square += (a.data[at] as number) * (b.data[at] as number)
  return square > 0 ? matched / Math.sqrt(square / (y.rows - 1)) : 0
}

/** `y` is centred: the targets are y + means, the predictions y + means - residuals. */
function meanCosine(y: Matrix64, means: Float64Array, residuals: Matrix64): number {
  let total = 0
  for (let i = 0; i < y.rows; i++) {
    let both = 0
    let own = 0
    let other = 0
    for (let c = 0; c < y.columns; c++) {
      const at = i * y.columns + c
      const target = (y.data[at] as number) + (means[c] as number)
      const predicted = target - (residuals.data[at] as number)
      both += target * predicted
      own += target * target
      other += predicted * predicted
    }
    if (own > 0 && other > 0) total += both / (Math.sqrt(own) * Math.sqrt(other))
  }
  // rounding errors of equal rows may exceed 1, which a record must not state
  return Math.min(1, total / y.rows)
}
