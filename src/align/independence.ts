/**
 * A test of whether two sets of vectors for the same rows are independent, with exact moments.
 *
 * X (m x d) and Y (m x n), centred. The statistic is linear HSIC (Gretton et al. 2005): t = ||X^T Y||_F^2 = tr(A B), A = X X^T, B = Y Y^T. Under
 * a random permutation of the rows of Y, with T = tr A, T2 = tr A^2, S2 = sum of a_ii^2 and the same with a star for B, t has exactly
 *
 *   E   = T T* / (m - 1)
 *   Var = 2 ((m-1) T2 - T^2) ((m-1) T2* - T*^2) / ((m-1)^2 (m+1) (m-2))
 *       + (m (m+1) S2 - (m-1) (T^2 + 2 T2)) (m (m+1) S2* - (m-1) (T*^2 + 2 T2*)) / ((m+1) m (m-1) (m-2) (m-3))
 *
 * (Kazi-Aoual et al., "Refined approximations to permutation tests for multivariate inference", 1995). All of it follows from matrix products of size
 * d x n, d x d and n x n: no m x m matrix is formed and no permutation is sampled.
 *
 * t is a sum of squares and therefore skewed, the more so the lower the ranks: noise of rank 1 deviates by 8 standard deviations from E. So t is
 * modelled as a multiple of a chi-squared variable with f = 2 E^2 / Var degrees of freedom, which matches mean and variance, and its cube root as
 * normal (Wilson, Hilferty 1931):
 *
 *   z = ((t / E)^(1/3) - (1 - 2 / (9 f))) / sqrt(2 / (9 f))
 *
 * Without a relation z is near 0 +- 1 for all ranks and m. With one, s = (t - E) / sqrt(Var) grows in proportion to m, because t grows with m^2, E
 * and sqrt(Var) with m, and f stays constant: a figure from a few rows therefore predicts how many would be enough (`rowsFor`).
 *
 * Plain float64 + - * / sqrt in a fixed order.
 */
import { NumericError } from '../errors.ts'
import { exactCubeRoot } from '../exact-math.ts'
import { gramOfColumns, multiplyByTranspose, transpose } from '../gemm.ts'
import type { Matrix64 } from '../matrix.ts'
import { choleskyFactor, solveLower } from './cholesky.ts'
import { columnMeans, subtractRow } from './rows.ts'

/** The variance has m - 3 as a divisor. */
export const MIN_TEST_ROWS = 4

/** Columns of one block of a Gram matrix whose squares are summed: 2 MiB of products. */
const BLOCK_COLUMNS = 512

/** Fraction of a matrix's squares that float64 rounding leaves of equal rows, with room for sums over 16,384 rows. */
const ROUNDING = 1e-24

/** One of the two sets, with the sums that the moments need. */
export interface Side {
  /** X^T, d x m: centred columns of X as rows */
  readonly crossed: Matrix64
  /** T */
  readonly trace: number
  /** T2 */
  readonly square: number
  /** S2 */
  readonly diagonal: number
}

export interface Independence {
  /** Standard deviations above the mean of unrelated sets, corrected for skewness; 0 if one side does not vary */
  readonly z: number
  /** s: (t - E) / sqrt(Var) */
  readonly excess: number
  /** f */
  readonly freedom: number
}

/** Centres `x` in place. Throws `NumericError` with fewer than `MIN_TEST_ROWS` rows. */
export function sideOf(x: Matrix64): Side {
  if (x.rows < MIN_TEST_ROWS)
    throw new NumericError(`a test of independence needs ${MIN_TEST_ROWS} rows, but there are ${x.rows}`)
  const before = squares(x)
  subtractRow(x, columnMeans(x))
  // equal rows minus their mean leave only rounding errors, which must not pass for a direction
  if (squares(x) <= before * ROUNDING) x.data.fill(0)
  let trace = 0
  let diagonal = 0
  for (let i = 0; i < x.rows; i++) {
    let own = 0
    for (let c = 0; c < x.columns; c++) {
      const value = x.data[i * x.columns + c] as number
      own += value * value
    }
    trace += own
    diagonal += own * own
  }
  const crossed = transpose(x)
  return { crossed, trace, square: gramSquares(x.rows < x.columns ? x : crossed), diagonal }
}

/** Effective rank (participation ratio of the eigenvalues), T^2 / T2; 0 where nothing varies. */
export function effectiveRank({ trace, square }: Side): number {
  return square > 0 ? (trace * trace) / square : 0
}

/** Throws `NumericError` when the sides have different rows. */
export function independence(a: Side, b: Side): Independence {
  const m = a.crossed.columns
  if (m !== b.crossed.columns) throw new NumericError(`${m} rows cannot be compared with ${b.crossed.columns} rows`)
  const mean = (a.trace * b.trace) / (m - 1)
  const spread = (s: Side): number => (m - 1) * s.square - s.trace * s.trace
  const skew = (s: Side): number => m * (m + 1) * s.diagonal - (m - 1) * (s.trace * s.trace + 2 * s.square)
  const variance =
    (2 * spread(a) * spread(b)) / ((m - 1) * (m - 1) * (m + 1) * (m - 2)) +
    (skew(a) * skew(b)) / ((m + 1) * m * (m - 1) * (m - 2) * (m - 3))
  // a smaller variance is rounding: one side is constant except for the last bits
  if (!(mean > 0) || !(variance > mean * mean * Number.EPSILON)) return { z: 0, excess: 0, freedom: 0 }
  const products = multiplyByTranspose(a.crossed, b.crossed)
  let statistic = 0
  for (const value of products.data) statistic += value * value
  const freedom = (2 * mean * mean) / variance
  const width = 2 / (9 * freedom)
  return {
    z: (exactCubeRoot(statistic / mean) - (1 - width)) / Math.sqrt(width),
    excess: (statistic - mean) / Math.sqrt(variance),
    freedom
  }
}

/**
 * Estimates how many rows would give z if m rows gave `found`: m times (s of z) / s. Another draw of rows changes s by about one, so from s = 3 on
 * the estimate is right within a third. Infinity if s is not above 0.
 */
export function rowsFor(z: number, found: Independence, m: number): number {
  if (!(found.excess > 0)) return Infinity
  const width = 2 / (9 * found.freedom)
  const root = 1 - width + z * Math.sqrt(width)
  const needed = (root * root * root - 1) * Math.sqrt(found.freedom / 2)
  return Math.ceil((m * needed) / found.excess)
}

/**
 * Features with their strong directions damped: X L^-T, L L^T = X^T X + lambda I, lambda = ridge * trace(X^T X) / min(m, d). The Gram matrix of
 * the result is the hat matrix of a ridge regression on X, so that t becomes what such a regression explains of Y. `x` must be centred.
 *
 * Throws `NumericError` when nothing varies.
 */
export function flattened(x: Matrix64, ridge: number): Matrix64 {
  const gram = gramOfColumns(x)
  let trace = 0
  for (let i = 0; i < gram.rows; i++) trace += gram.data[i * gram.rows + i] as number
  const lambda = (ridge * trace) / Math.min(x.rows, x.columns)
  if (!(lambda > 0)) throw new NumericError('nothing can be predicted from rows that are all the same')
  for (let i = 0; i < gram.rows; i++) gram.data[i * gram.rows + i] = (gram.data[i * gram.rows + i] as number) + lambda
  return solveLower(choleskyFactor(gram), x)
}

// --- internal ---

function squares({ data }: Matrix64): number {
  let sum = 0
  for (const value of data) sum += value * value
  return sum
}

/** ||A A^T||_F^2 block by block, each pair of blocks once. */
function gramSquares(a: Matrix64): number {
  const block = (from: number): Matrix64 => {
    const to = Math.min(a.rows, from + BLOCK_COLUMNS)
    return { rows: to - from, columns: a.columns, data: a.data.subarray(from * a.columns, to * a.columns) }
  }
  let total = 0
  for (let i = 0; i < a.rows; i += BLOCK_COLUMNS) {
    for (let j = i; j < a.rows; j += BLOCK_COLUMNS) {
      const { data } = multiplyByTranspose(block(i), block(j))
      let sum = 0
      for (const value of data) sum += value * value
      total += i === j ? sum : 2 * sum
    }
  }
  return total
}
