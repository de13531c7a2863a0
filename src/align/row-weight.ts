/**
 * The weight of an aligned row: how much of the reference it claims to know. A function of the published target and the reference alone.
 *
 *   w_i = min(1, ||y_i - s||^2 / v),   s = mean row of S*_Y,   v = mean over its rows of ||s_j - s||^2
 *
 * Ridge shrinks what it cannot predict: a row from which T predicts nothing is mapped to s, and the mean of ||y_i - s||^2 / v is about the share of
 * the reference's variance that T explains, its R2. So rows of weak priors weigh less, as do the rows of a prior that it is unsure of. The loss 1 -
 * cosine ignores a target's length; the weight restores it. It is not a defence: an attacker that invents targets can make them long.
 *
 * It reflects a row's quality: with single priors as references its rank correlation with the cosine to the other priors' mean is .54 to .68,
 * with the correct class .25 to .40. That it helps a student has not been shown (RESULTS.md, "More from the same work").
 *
 * Plain float64 + - * / in a fixed order over published bytes, rounded to float32 once: the same bits on every machine.
 */
import { isAbsentRow } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import { row, type Matrix, type Matrix32 } from '../matrix.ts'
import { columnMeans, takePresent } from './rows.ts'

/**
 * One weight in [0, 1] for each row of `targets` (r x n), as they are published; 0 for absent rows. `reference` is S*_Y (m x n), whose
 * absent rows are left out.
 *
 * Throws `NumericError` when the columns differ, a value is not finite, or the reference is constant or has no rows.
 */
export function rowWeights(targets: Matrix32, reference: Matrix): Float32Array {
  if (targets.columns !== reference.columns)
    throw new NumericError(`targets of ${targets.columns} dimensions, a reference of ${reference.columns}`)
  const known = takePresent(reference)
  const means = columnMeans(known)
  let total = 0
  for (let i = 0; i < known.rows; i++) total += squareDistance(row(known, i), means)
  const variance = total / known.rows
  if (!(variance > 0) || !Number.isFinite(variance))
    throw new NumericError('the reference is the same on every shared row: nothing to weigh rows by')
  const weights = new Float32Array(targets.rows)
  for (let i = 0; i < targets.rows; i++) {
    const target = row(targets, i)
    if (isAbsentRow(target)) continue
    const weight = squareDistance(target, means) / variance
    if (!Number.isFinite(weight)) throw new NumericError(`the target of row ${i} is not finite`)
    weights[i] = Math.min(1, weight)
  }
  return weights
}

// --- internal ---

function squareDistance(a: Float32Array | Float64Array, b: Float64Array): number {
  let sum = 0
  for (let c = 0; c < b.length; c++) {
    const off = (a[c] as number) - (b[c] as number)
    sum += off * off
  }
  return sum
}
