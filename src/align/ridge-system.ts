/**
 * The linear system of a ridge regression on centred rows X (m x n), in whichever form is smaller:
 *
 *   primal  (X^T X + lambda I), n x n, for m > n        dual  (X X^T + lambda I), m x m, for m <= n
 *
 * Strengths are multiples of the mean diagonal of that matrix, so they are independent of the targets' scale.
 */
import { gramOfColumns, multiplyByTranspose, type Gemm } from '../gemm.ts'
import type { Matrix64 } from '../matrix.ts'
import { choleskyFactor } from './cholesky.ts'

export interface RidgeSystem {
  readonly isDual: boolean
  /** X^T X or X X^T, p x p with p = min(n, m) */
  readonly gram: Matrix64
  /** Of `gram`; 0 when all rows are the same */
  readonly trace: number
}

/** Bit-exact. */
export function ridgeSystem(x: Matrix64): RidgeSystem {
  const isDual = x.rows <= x.columns
  return withTrace(isDual, isDual ? multiplyByTranspose(x, x) : gramOfColumns(x))
}

/** The same with the product from `gemm`. */
export async function ridgeSystemBy(gemm: Gemm, x: Matrix64): Promise<RidgeSystem> {
  const isDual = x.rows <= x.columns
  return withTrace(isDual, await gemm.multiply(x, x, isDual ? { transposeB: true } : { transposeA: true }))
}

/** lambda = multiple * trace / p */
export function ridgeStrength({ gram, trace }: RidgeSystem, multiple: number): number {
  return (multiple * trace) / gram.rows
}

/** L of gram + lambda I = L L^T. Throws `NumericError` when that is not positive definite. */
export function ridgeFactor({ gram }: RidgeSystem, lambda: number): Matrix64 {
  const data = gram.data.slice()
  for (let i = 0; i < gram.rows; i++) data[i * gram.rows + i] = (data[i * gram.rows + i] as number) + lambda
  return choleskyFactor({ ...gram, data })
}

// --- internal ---

function withTrace(isDual: boolean, gram: Matrix64): RidgeSystem {
  let trace = 0
  for (let i = 0; i < gram.rows; i++) trace += gram.data[i * gram.rows + i] as number
  return { isDual, gram, trace }
}
