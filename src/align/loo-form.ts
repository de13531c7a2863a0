/**
 * What ridge regressions between many sets of targets need of each of them, so that a pair costs m^2 numbers and no solve.
 *
 * Leaving row i out changes the residual of a ridge with intercept to e_i / (1 - h_i - 1/m) (Allen's PRESS). With H the hat matrix of the centred
 * X_j, D the diagonal of these factors and A = D (I - H), the sum of squared leave-one-out residuals of Y_k from X_j is <A^T A, Y_k Y_k^T>.
 *
 * Plain float64 + - * / sqrt in a fixed order.
 */
import { multiplyByTranspose, transpose } from '../gemm.ts'
import { zeros, type Matrix, type Matrix64 } from '../matrix.ts'
import { choleskyFactor, solveLower } from './cholesky.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'

/** Ridge strengths, as multiples of trace / min(n, m): a pair takes the one that serves it best. */
export const STRENGTHS = [0.01, 0.1, 1] as const

/** Lower triangles, row by row. */
export interface LooForm {
  /** A^T A by strength, off-diagonal elements doubled */
  readonly residuals: readonly Float64Array[]
  /** Y Y^T */
  readonly gram: Float64Array
  /** tr Y Y^T */
  readonly trace: number
  /** Effective rank of Y */
  readonly rank: number
}

/** Of the chosen rows: centred, scaled to unit rows, centred again. They must be finite and not all the same, or `NumericError` is thrown. */
export function createForm(targets: Matrix, rows: ArrayLike<number>): LooForm {
  const x = takeRows(targets, rows)
  normaliseRows(subtractRow(x, columnMeans(x)))
  subtractRow(x, columnMeans(x))
  const products = multiplyByTranspose(x, x)
  const gram = lowerTriangle(products, 1)
  let trace = 0
  let square = 0
  for (let i = 0; i < x.rows; i++) trace += products.data[i * x.rows + i] as number
  for (const value of products.data) square += value * value
  const residuals = STRENGTHS.map(strength => lowerTriangle(residualForm(x, products, strength), 2))
  return { residuals, gram, trace, rank: square > 0 ? (trace * trace) / square : 0 }
}

/** R2(of | by): exact leave-one-out R2 of `of`, predicted from `by`, with the best strength. May be below 0. */
export function formR2(of: LooForm, by: LooForm): number {
  if (!(of.trace > 0)) return 0
  let least = Infinity
  for (const residual of by.residuals) {
    let sum = 0
    for (let at = 0; at < residual.length; at++) sum += (residual[at] as number) * (of.gram[at] as number)
    if (sum < least) least = sum
  }
  return 1 - least / of.trace
}

// --- internal ---

/** A^T A, m x m. Throws `NumericError` when all rows are equal. */
function residualForm(x: Matrix64, products: Matrix64, strength: number): Matrix64 {
  const m = x.rows
  const rest = restOf(x, products, strength)
  // rows of A; 1 - h_i - 1/m is positive for a positive ridge, and rounding must not turn it into a division by zero
  for (let i = 0; i < m; i++) {
    const free = Math.max((rest.data[i * m + i] as number) - 1 / m, Number.EPSILON)
    for (let j = 0; j < m; j++) rest.data[i * m + j] = (rest.data[i * m + j] as number) / free
  }
  const crossed = transpose(rest)
  return multiplyByTranspose(crossed, crossed)
}

/** I - H, from whichever of X^T X and X X^T is smaller. */
function restOf(x: Matrix64, products: Matrix64, strength: number): Matrix64 {
  const m = x.rows
  const dual = m <= x.columns
  let gram: Matrix64
  if (dual) gram = { ...products, data: products.data.slice() }
  else {
    const crossed = transpose(x)
    gram = multiplyByTranspose(crossed, crossed)
  }
  const size = gram.rows
  let trace = 0
  for (let i = 0; i < size; i++) trace += gram.data[i * size + i] as number
  const lambda = (strength * trace) / size
  for (let i = 0; i < size; i++) gram.data[i * size + i] = (gram.data[i * size + i] as number) + lambda
  const factor = choleskyFactor(gram)
  if (dual) {
    const root = solveLower(factor, identity(m))
    const inverse = multiplyByTranspose(root, root)
    for (let at = 0; at < inverse.data.length; at++) inverse.data[at] = (inverse.data[at] as number) * lambda
    return inverse
  }
  const basis = solveLower(factor, x)
  const hat = multiplyByTranspose(basis, basis)
  for (let at = 0; at < hat.data.length; at++) hat.data[at] = -(hat.data[at] as number)
  for (let i = 0; i < m; i++) hat.data[i * m + i] = (hat.data[i * m + i] as number) + 1
  return hat
}

function identity(size: number): Matrix64 {
  const out = zeros(size, size)
  for (let i = 0; i < size; i++) out.data[i * size + i] = 1
  return out
}

function lowerTriangle({ rows, data }: Matrix64, offDiagonal: number): Float64Array {
  const out = new Float64Array((rows * (rows + 1)) / 2)
  let at = 0
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) out[at++] = offDiagonal * (data[i * rows + j] as number)
    out[at++] = data[i * rows + i] as number
  }
  return out
}
