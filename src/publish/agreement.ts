/**
 * Do two sets of vectors for the same rows agree row by row? With exact moments under permutation.
 *
 * P and Y (k x n) with unit rows, centred over the rows; A = P Y^T. The agreement of row i is e_i = a_ii, and t = sum e_i. Under a random assignment of
 * the rows of Y to those of P, t has exactly the mean 0 and the variance ||A||_F^2 / (k - 1) (the linear permutation statistic of Hoeffding 1951; with
 * the rows centred, A is double-centred). So
 *
 *   z = t / sqrt(||A||_F^2 / (k - 1))        delta = t / (k - 1)
 *
 * delta estimates without bias what a row agrees with its own counterpart beyond what it agrees with that of another row, and e_i is, but for a constant,
 * the influence of row i on it: the variance of delta is that of e_i over k.
 *
 * Unit rows: every row counts alike, so that none can carry a set by its length.
 */
import { multiplyByTranspose } from '../gemm.ts'
import type { Matrix64 } from '../matrix.ts'
import { columnMeans, normaliseRows, subtractRow } from '../align/rows.ts'

/** Fraction of a matrix's squares that float64 rounding leaves of equal rows, with room for sums over 16,384 rows. */
const ROUNDING = 1e-24

/** Rows of one block of A, so that it is never held whole. */
const BLOCK_ROWS = 512

export interface Agreement {
  /** 0 where one side does not vary */
  readonly z: number
  /** delta */
  readonly agreement: number
  /** Standard deviation of e_i */
  readonly deviation: number
  /** Mean of a_ii^2 */
  readonly ownSquare: number
  /** Mean of a_ij^2, i and j different */
  readonly otherSquare: number
}

/** Both k x n, k of at least 2 and finite. Overwritten. */
export function agreementOf(p: Matrix64, y: Matrix64): Agreement {
  const k = p.rows
  const isVarying = [p, y].map(m => centreUnitRows(m)).every(Boolean)
  if (!isVarying) return { z: 0, agreement: 0, deviation: 0, ownSquare: 0, otherSquare: 0 }
  let sum = 0
  let own = 0
  for (let i = 0; i < k; i++) {
    let e = 0
    for (let c = 0; c < y.columns; c++)
      e += (p.data[i * y.columns + c] as number) * (y.data[i * y.columns + c] as number)
    sum += e
    own += e * e
  }
  const all = productSquares(p, y)
  return {
    z: all > 0 ? sum / Math.sqrt(all / (k - 1)) : 0,
    agreement: sum / (k - 1),
    // rounding makes it slightly negative where all rows agree alike
    deviation: Math.sqrt(Math.max(0, own - (sum * sum) / k) / (k - 1)),
    ownSquare: own / k,
    otherSquare: Math.max(0, all - own) / (k * (k - 1))
  }
}

// --- internal ---

/** In place. Are there two rows that differ by more than rounding? */
function centreUnitRows(m: Matrix64): boolean {
  normaliseRows(m)
  subtractRow(m, columnMeans(m))
  let left = 0
  for (const value of m.data) left += value * value
  // NaN has no direction either
  return left > m.rows * ROUNDING
}

/** ||P Y^T||_F^2 */
function productSquares(p: Matrix64, y: Matrix64): number {
  let total = 0
  for (let from = 0; from < p.rows; from += BLOCK_ROWS) {
    const to = Math.min(p.rows, from + BLOCK_ROWS)
    const block = { ...p, rows: to - from, data: p.data.subarray(from * p.columns, to * p.columns) }
    let sum = 0
    for (const value of multiplyByTranspose(block, y).data) sum += value * value
    total += sum
  }
  return total
}
