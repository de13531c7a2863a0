/**
 * Cholesky factors of symmetric positive definite matrices, A = L L^T, in a fixed order of operations.
 *
 * `choleskyFactor` and `solveLower` are synchronous, plain and bit-exact: for what decides something for everybody. `inverseFactor` is
 * blocked, with all heavy products behind a `Gemm`: for alignment.
 */
import { NumericError } from '../errors.ts'
import { zeros, type Matrix64 } from '../matrix.ts'
import type { Gemm } from '../gemm.ts'

/** Panels this wide leave nearly all work to the products and their diagonal blocks (128 KiB) in the second-level cache. */
const PANEL = 128

/** L, lower triangular; `a` (symmetric, its lower half is read) is kept. Throws `NumericError` when `a` is not positive definite. */
export function choleskyFactor(a: Matrix64): Matrix64 {
  const n = a.rows
  const l = zeros(n, n)
  for (let i = 0; i < n; i++) {
    const own = l.data.subarray(i * n, (i + 1) * n)
    for (let j = 0; j <= i; j++) {
      const other = l.data.subarray(j * n, (j + 1) * n)
      let sum = a.data[i * n + j] as number
      for (let k = 0; k < j; k++) sum -= (own[k] as number) * (other[k] as number)
      if (j < i) {
        own[j] = sum / (other[j] as number)
        continue
      }
      if (!(sum > 0))
        throw new NumericError(`a ${n} x ${n} matrix is not positive definite at row ${i}: use a stronger ridge`)
      own[i] = Math.sqrt(sum)
    }
  }
  return l
}

/** X = B L^-T row by row, that is L x = b for every row b of `b` (q x n). A new matrix. */
export function solveLower(l: Matrix64, b: Matrix64): Matrix64 {
  const n = l.rows
  const x = zeros(b.rows, n)
  for (let r = 0; r < b.rows; r++) {
    const out = x.data.subarray(r * n, (r + 1) * n)
    for (let i = 0; i < n; i++) {
      let sum = b.data[r * n + i] as number
      for (let k = 0; k < i; k++) sum -= (l.data[i * n + k] as number) * (out[k] as number)
      out[i] = sum / (l.data[i * n + i] as number)
    }
  }
  return x
}

/** x = L^-T b for every row b of `b` (q x n): with `solveLower` before it, A x = b. A new matrix. */
export function solveUpper(l: Matrix64, b: Matrix64): Matrix64 {
  const n = l.rows
  const x = { rows: b.rows, columns: n, data: b.data.slice() }
  for (let r = 0; r < b.rows; r++) {
    const out = x.data.subarray(r * n, (r + 1) * n)
    for (let i = n - 1; i >= 0; i--) {
      const value = (out[i] as number) / (l.data[i * n + i] as number)
      out[i] = value
      for (let k = 0; k < i; k++) out[k] = (out[k] as number) - (l.data[i * n + k] as number) * value
    }
  }
  return x
}

/**
 * L^-1 of a symmetric positive definite matrix: A^-1 = L^-T L^-1. Panel by panel; about 2 n^3 / 3 multiply-adds through `gemm`.
 *
 * Throws `NumericError` when `a` is not positive definite.
 */
export async function inverseFactor(a: Matrix64, gemm: Gemm): Promise<Matrix64> {
  const n = a.rows
  const l = zeros(n, n)
  const inverse = zeros(n, n)
  for (let from = 0; from < n; from += PANEL) {
    const to = Math.min(n, from + PANEL)
    const panel = block(a, from, n, from, to)
    if (from > 0) {
      const done = block(l, from, n, 0, from)
      subtract(panel, await gemm.multiply(done, block(l, from, to, 0, from), { transposeB: true }))
    }
    const corner = choleskyFactor(block(panel, 0, to - from, 0, to - from))
    const cornerInverse = triangularInverse(corner)
    place(l, corner, from, from)
    if (to < n) {
      const below = block(panel, to - from, n - from, 0, to - from)
      place(l, await gemm.multiply(below, cornerInverse, { transposeB: true }), to, from)
    }
    place(inverse, cornerInverse, from, from)
    if (from > 0) {
      const left = await gemm.multiply(block(l, from, to, 0, from), block(inverse, 0, from, 0, from))
      const solved = await gemm.multiply(cornerInverse, left)
      for (let at = 0; at < solved.data.length; at++) solved.data[at] = -(solved.data[at] as number)
      place(inverse, solved, from, 0)
    }
  }
  return inverse
}

// --- internal ---

function triangularInverse(l: Matrix64): Matrix64 {
  const n = l.rows
  const inverse = zeros(n, n)
  for (let j = 0; j < n; j++) {
    inverse.data[j * n + j] = 1 / (l.data[j * n + j] as number)
    for (let i = j + 1; i < n; i++) {
      let sum = 0
      for (let k = j; k < i; k++) sum -= (l.data[i * n + k] as number) * (inverse.data[k * n + j] as number)
      inverse.data[i * n + j] = sum / (l.data[i * n + i] as number)
    }
  }
  return inverse
}

/** Copy of rows [top, bottom) and columns [left, right). */
function block(m: Matrix64, top: number, bottom: number, left: number, right: number): Matrix64 {
  const out = zeros(bottom - top, right - left)
  for (let i = top; i < bottom; i++) {
    out.data.set(m.data.subarray(i * m.columns + left, i * m.columns + right), (i - top) * out.columns)
  }
  return out
}

function place(m: Matrix64, part: Matrix64, top: number, left: number): void {
  for (let i = 0; i < part.rows; i++) {
    m.data.set(part.data.subarray(i * part.columns, (i + 1) * part.columns), (top + i) * m.columns + left)
  }
}

function subtract(a: Matrix64, b: Matrix64): void {
  for (let at = 0; at < a.data.length; at++) a.data[at] = (a.data[at] as number) - (b.data[at] as number)
}
