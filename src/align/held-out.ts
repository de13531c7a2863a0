/**
 * Held-out ridge prediction on the shared set: one half of the rows to fit, the other to test.
 *
 * The halves follow from the manifest's seed, which no participant chooses. The predictions of a ridge with intercept are a fixed matrix of
 * weights (test x fit) times the fit rows, whatever is predicted:
 *
 *   weights = 1/F + (x_test - mean) (X^T X + lambda I)^-1 X^T,   lambda = ridge * trace(X^T X) / min(d, F),   X the centred fit rows (F x d)
 *
 * float64 in a fixed order: what is derived from this decides something for everybody.
 */
import { NumericError } from '../errors.ts'
import type { Matrix64 } from '../matrix.ts'
import { createRandomStream, shuffle } from '../random.ts'
import { solveLower, solveUpper } from './cholesky.ts'
import { multiplyByTranspose, transpose } from '../gemm.ts'
import { ridgeFactor, ridgeStrength, ridgeSystem } from './ridge-system.ts'
import { columnMeans, subtractRow } from './rows.ts'

export interface Halves {
  readonly fit: readonly number[]
  readonly test: readonly number[]
}

/** Disjoint random halves of 0 .. rows - 1, each cut to `most` rows (figures from 512 + 512 rows have a standard error near 0.01). */
export function splitRows(seed: Uint8Array, rows: number, most: number): Halves {
  const order = [...shuffle(rows, createRandomStream('coopt/1/halves', seed))]
  const half = Math.floor(rows / 2)
  return { fit: order.slice(0, Math.min(half, most)), test: order.slice(half, Math.min(rows, half + most)) }
}

/** The weights above, T x F. Throws `NumericError` when all fit rows are equal. */
export function predictionWeights(fit: Matrix64, test: Matrix64, ridge: number): Matrix64 {
  const means = columnMeans(fit)
  const x = subtractRow(copy(fit), means)
  const z = subtractRow(copy(test), means)
  const system = ridgeSystem(x)
  const lambda = ridgeStrength(system, ridge)
  if (!(lambda > 0)) throw new NumericError('nothing can be predicted from rows that are all the same')
  const factor = ridgeFactor(system, lambda)
  const solve = (b: Matrix64): Matrix64 => solveUpper(factor, solveLower(factor, b))
  const weights = system.isDual ? solve(multiplyByTranspose(z, x)) : multiplyByTranspose(solve(z), x)
  for (let at = 0; at < weights.data.length; at++) weights.data[at] = (weights.data[at] as number) + 1 / fit.rows
  return weights
}

/** sum of squared residuals of `test` (T x n) predicted as weights `fit` (F x n), and its sum of squares about its own mean. */
export function heldOutSquares(weights: Matrix64, fit: Matrix64, test: Matrix64): { residual: number; total: number } {
  const predicted = multiplyByTranspose(weights, transpose(fit))
  const centred = subtractRow(copy(test), columnMeans(test))
  let residual = 0
  let total = 0
  for (let at = 0; at < test.data.length; at++) {
    const difference = (test.data[at] as number) - (predicted.data[at] as number)
    residual += difference * difference
    total += (centred.data[at] as number) * (centred.data[at] as number)
  }
  return { residual, total }
}

/**
 * What held-out R2 does by chance, when what is predicted has nothing to do with the features: its mean, and its standard deviation for
 * noise in one dimension (noise in r effective dimensions has 1/sqrt(r) of it).
 *
 * With residual form M = [weights, -I]^T [weights, -I], total form C (centring of the T test rows), rho = tr M / tr C:
 * mean = 1 - rho, deviation = sqrt(2) ||M - rho C||_F / tr C (variance of a quadratic form; ratio to first order).
 */
export function chanceR2(weights: Matrix64): { mean: number; deviation: number } {
  const { rows } = weights
  let square = 0
  for (const value of weights.data) square += value * value
  const freedom = rows - 1
  const rho = (rows + square) / freedom
  const gram = multiplyByTranspose(weights, weights)
  let fourth = 0
  for (const value of gram.data) fourth += value * value
  // eigenvalues of I - rho C: 1 - rho on the T - 1 centred directions, 1 on the mean
  const norm = fourth + 2 * square + freedom * (1 - rho) * (1 - rho) + 1
  return { mean: 1 - rho, deviation: Math.sqrt(2 * norm) / freedom }
}

// --- internal ---

function copy(m: Matrix64): Matrix64 {
  return { ...m, data: m.data.slice() }
}
