/**
 * Precomputed form of one set of targets for ridge regressions between many sets: a pair then costs a product of m^2 numbers and no solve.
 *
 * Leaving row i out changes the residual of a ridge with intercept to e_i / (1 - h_i - 1/m) (Allen's PRESS). With H the hat matrix of the centred
 * X_j, D the diagonal of these factors and A = D (I - H), the sum of squared leave-one-out residuals of Y_k from X_j is <A^T A, Y_k Y_k^T>.
 *
 * Plain float64 + - * / sqrt in a fixed order.
 */
import { gramOfColumns, multiplyByTranspose } from '../gemm.ts'
import { zeros, type Matrix, type Matrix64 } from '../matrix.ts'
import { solveLower } from './cholesky.ts'
import { ridgeFactor, ridgeStrength, ridgeSystem, type RidgeSystem } from './ridge-system.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'

/** Ridge strengths, as multiples of trace / min(n, m). Each pair uses the one that fits it best. */
export const STRENGTHS = [0.003, 0.03, 0.3, 3] as const

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

/**
 * The form of the chosen rows: centred, scaled to unit rows, centred again. If they are all the same, they predict nothing but a mean.
 *
 * Throws `NumericError` unless they are finite.
 */
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
  const system = ridgeSystem(x)
  const residuals = STRENGTHS.map(strength => lowerTriangle(residualForm(x, system, strength), 2))
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

/** A^T A, m x m. */
function residualForm(x: Matrix64, system: RidgeSystem, strength: number): Matrix64 {
  const m = x.rows
  const rest = restOf(x, system, strength)
  // rows of A; 1 - h_i - 1/m is positive for a positive ridge, and rounding must not turn it into a division by zero
  for (let i = 0; i < m; i++) {
    const free = Math.max((rest.data[i * m + i] as number) - 1 / m, Number.EPSILON)
    for (let j = 0; j < m; j++) rest.data[i * m + j] = (rest.data[i * m + j] as number) / free
  }
  return gramOfColumns(rest)
}

/** I - H, from whichever of X^T X and X X^T is smaller. */
function restOf(x: Matrix64, system: RidgeSystem, strength: number): Matrix64 {
  const m = x.rows
  const lambda = ridgeStrength(system, strength)
  // anyone who knows the seed can publish targets that vary everywhere but on these rows
  if (!(lambda > 0)) return identity(m)
  const factor = ridgeFactor(system, lambda)
  if (system.isDual) {
    const root = solveLower(factor, identity(m))
    const inverse = multiplyByTranspose(root, root)
    for (let at = 0; at < inverse.data.length; at++) inverse.data[at] = (inverse.data[at] as number) * lambda
    return inverse
  }
  const basis = solveLower(factor, x)
  const rest = multiplyByTranspose(basis, basis)
  for (let at = 0; at < rest.data.length; at++) rest.data[at] = -(rest.data[at] as number)
  for (let i = 0; i < m; i++) rest.data[i * m + i] = (rest.data[i * m + i] as number) + 1
  return rest
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
