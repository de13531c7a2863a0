/**
 * Inconsistency G between participants (Def. 2 of the earlier version of arXiv 2505.14117): the mean over pairs of the total variation
 * distance between the distributions of their targets, which cannot be estimated directly in many dimensions. Two figures stand for it:
 *
 *   TV >= 2a - 1           a = held-out accuracy of any classifier that distinguishes peer i's targets from peer j's, classes of equal size
 *   1 - mean cosine        of the two targets of the same image
 *
 * For the bound the shared rows are split into two halves, with i's targets of one and j's of the other, so that no image is used twice. The
 * calibration does the same with j = i, whose true distance is 0, so its figure shows the effect of noise alone.
 */
import { takeRows } from '../../src/align/rows.ts'
import { isAbsentRow } from '../../src/bytes.ts'
import { NumericError } from '../../src/errors.ts'
import { row, type Matrix, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { fourierDirections, heldOutClasses } from './pair-classifier.ts'
import { foldsOf } from './splits.ts'

const FOLDS = 5

/** Least number of common rows for a meaningful figure: its standard error is then below 0.13. */
export const MIN_PAIR_ROWS = 64

/** More rows than this are sampled: the standard error is then below 0.02, and a fit takes at most a second and 30 MB. */
const MAX_PAIR_ROWS = 4096

export interface PairInit {
  /** Two participants' targets of the same images, m x n each; absent rows are left out */
  readonly a: Matrix32
  readonly b: Matrix32
  readonly seed: number
}

/**
 * 2a - 1, a lower bound of the total variation distance up to sampling noise of about 1 / sqrt(m): may come out slightly negative. The
 * calibration is the same with `b` = `a`. Throws `NumericError` when fewer than `MIN_PAIR_ROWS` rows have both.
 */
export async function variationBound({ a, b, seed }: PairInit): Promise<number> {
  const rows = commonRows(a, b)
  if (rows.length < MIN_PAIR_ROWS)
    throw new NumericError(
      `${rows.length} rows have targets of both participants; at least ${MIN_PAIR_ROWS} are needed`
    )
  const order = [...shuffle(rows.length, createRandomStream('coopt/1/evaluate/halves', `${seed}`))]
  const half = Math.floor(Math.min(rows.length, MAX_PAIR_ROWS) / 2)
  const pick = (from: number): number[] => order.slice(from, from + half).map(i => rows[i] as number)
  return await classifierBound(takeRows(a, pick(0)), takeRows(b, pick(half)), { seed })
}

/** As `variationBound`, of two samples of independent rows, p x n and q x n. Throws `NumericError` when their dimensions differ. */
export async function classifierBound(first: Matrix64, second: Matrix64, { seed }: { seed: number }): Promise<number> {
  if (first.columns !== second.columns)
    throw new NumericError(`targets of ${first.columns} and ${second.columns} dimensions cannot be compared`)
  const both = {
    rows: first.rows + second.rows,
    columns: first.columns,
    data: Float64Array.from([...first.data, ...second.data])
  }
  const labels = Int32Array.from({ length: both.rows }, (_, i) => (i < first.rows ? 0 : 1))
  const directions = fourierDirections(both.columns, seed)
  const folds = foldsOf(labels, 2, FOLDS, seed)
  const right = [0, 0]
  for (const fold of folds) {
    const test = Int32Array.from(fold)
    const fit = Int32Array.from(folds.filter(other => other !== fold).flat())
    const predicted = await heldOutClasses({ rows: both, labels, fit, test, directions })
    test.forEach((at, i) => {
      const label = labels[at] as number
      if (predicted[i] === label) right[label] = (right[label] as number) + 1
    })
  }
  // accuracy per sample, then the mean: the bound assumes classes of equal size
  return (right[0] as number) / first.rows + (right[1] as number) / second.rows - 1
}

/** 1 - mean cosine over the common rows; undefined without common rows that are not zero. */
export function cosineDistance(a: Matrix, b: Matrix): number | undefined {
  let total = 0
  let count = 0
  for (const i of commonRows(a, b)) {
    const [u, v] = [row(a, i), row(b, i)]
    let [both, own, other] = [0, 0, 0]
    for (let c = 0; c < u.length; c++) {
      const [x, y] = [u[c] as number, v[c] as number]
      both += x * y
      own += x * x
      other += y * y
    }
    if (own === 0 || other === 0) continue
    total += both / Math.sqrt(own * other)
    count++
  }
  return count === 0 ? undefined : 1 - total / count
}

/** Rows that are present in both. Throws `NumericError` when the shapes differ. */
export function commonRows(a: Matrix, b: Matrix): number[] {
  if (a.rows !== b.rows || a.columns !== b.columns)
    throw new NumericError(`targets of ${a.rows} x ${a.columns} and ${b.rows} x ${b.columns} cannot be compared`)
  const isPresent = (m: Matrix, i: number): boolean => {
    const values = row(m, i)
    return values instanceof Float32Array ? !isAbsentRow(values) : values.every(Number.isFinite)
  }
  return Array.from({ length: a.rows }, (_, i) => i).filter(i => isPresent(a, i) && isPresent(b, i))
}
