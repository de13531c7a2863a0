/**
 * Cholesky factors of symmetric positive definite matrices, A = L L^T, and solves with them: bit-exact, in the order of the plain loops.
 */
import { NumericError } from '../errors.ts'
import { factorBlocked, solveBlocked } from '../kernels/blocked-solve.ts'
import type { Matrix64 } from '../matrix.ts'

/** L, lower triangular; `a` (symmetric, its lower half is read) is kept. Throws `NumericError` when `a` is not positive definite. */
export function choleskyFactor(a: Matrix64): Matrix64 {
  const n = a.rows
  const data = a.data.slice()
  const failed = factorBlocked(data, n)
  if (failed >= 0)
    throw new NumericError(`a ${n} x ${n} matrix is not positive definite at row ${failed}: use a stronger ridge`)
  return { rows: n, columns: n, data }
}

/** X = B L^-T row by row, that is L x = b for every row b of `b` (q x n). A new matrix. */
export function solveLower(l: Matrix64, b: Matrix64): Matrix64 {
  const data = b.data.slice()
  solveBlocked(l.data, l.rows, data, b.rows)
  return { rows: b.rows, columns: l.rows, data }
}

/** x = L^-T b for every row b of `b` (q x n): after `solveLower`, A x = b. A new matrix. */
export function solveUpper(l: Matrix64, b: Matrix64): Matrix64 {
  // back substitution is forward substitution with rows and columns reversed
  const n = l.rows
  const turned = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let k = i; k < n; k++) turned[(n - 1 - i) * n + (n - 1 - k)] = l.data[k * n + i] as number
  }
  const data = reverseRows(b.data.slice(), n)
  solveBlocked(turned, n, data, b.rows)
  return { rows: b.rows, columns: n, data: reverseRows(data, n) }
}

// --- internal ---

function reverseRows(data: Float64Array, n: number): Float64Array {
  for (let at = 0; at < data.length; at += n) data.subarray(at, at + n).reverse()
  return data
}
