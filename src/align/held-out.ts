/**
 * Held-out ridge prediction on the shared set: one half of the rows to fit, the other to test.
 *
 * The halves follow from the manifest's seed, which participants cannot choose. The predictions of a ridge regression with intercept are the fit rows
 * times a matrix of weights (test x fit) that does not depend on what is predicted:
 *
 *   weights = 1/F + (x_test - mean) (X^T X + lambda I)^-1 X^T,   lambda = ridge * trace(X^T X) / min(d, F),   X the centred fit rows (F x d)
 *
 * float64 in a fixed order, because every peer must derive the same result from it.
 */
import type { Matrix64 } from '../matrix.ts'
import { createRandomStream, shuffle } from '../random.ts'
import { solveLower, solveUpper } from './cholesky.ts'
import { multiplyByTranspose } from '../gemm.ts'
import { ridgeFactor, ridgeStrength, ridgeSystem } from './ridge-system.ts'
import { columnMeans, subtractRow } from './rows.ts'

export interface Halves {
  readonly fit: readonly number[]
  readonly test: readonly number[]
}

/** Disjoint random halves of 0 .. rows - 1, each limited to `most` rows (with 512 + 512 rows, figures have a standard error near 0.01). */
export function splitRows(seed: Uint8Array, rows: number, most: number): Halves {
  const order = [...shuffle(rows, createRandomStream('coopt/1/halves', seed))]
  const half = Math.floor(rows / 2)
  return { fit: order.slice(0, Math.min(half, most)), test: order.slice(half, Math.min(rows, half + most)) }
}

/** The weights above, T x F. When all fit rows are equal, or there are none, they give the mean of what was fitted. */
export function predictionWeights(fit: Matrix64, test: Matrix64, ridge: number): Matrix64 {
  const means = columnMeans(fit)
  const x = subtractRow(copy(fit), means)
  const z = subtractRow(copy(test), means)
  const system = ridgeSystem(x)
  const lambda = ridgeStrength(system, ridge)
  // anyone who knows the seed can publish targets that vary everywhere but on these rows
  if (!(lambda > 0)) return meanWeights(test.rows, fit.rows)
  const factor = ridgeFactor(system, lambda)
  const solve = (b: Matrix64): Matrix64 => solveUpper(factor, solveLower(factor, b))
  const weights = system.isDual ? solve(multiplyByTranspose(z, x)) : multiplyByTranspose(solve(z), x)
  for (let at = 0; at < weights.data.length; at++) weights.data[at] = (weights.data[at] as number) + 1 / fit.rows
  return weights
}

// --- internal ---

function meanWeights(rows: number, fitted: number): Matrix64 {
  return { rows, columns: fitted, data: new Float64Array(rows * fitted).fill(1 / fitted) }
}

function copy(m: Matrix64): Matrix64 {
  return { ...m, data: m.data.slice() }
}
