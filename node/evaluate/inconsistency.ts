/**
 * Inconsistency G between participants (Def. 2 of the earlier version of arXiv 2505.14117): the mean over pairs of the total variation
 * distance between the distributions of their targets, which cannot be estimated directly in many dimensions. Two figures stand for it:
 *
 *   TV >= 2a - 1           a = held-out accuracy of telling peer i's targets from peer j's, any classifier, classes of equal size
 *   1 - mean cosine        of the two targets of the same image
 *
 * For the bound the shared rows are dealt into two halves, i gives its targets of one and j of the other: no image is seen twice. The
 * calibration does exactly the same with j = i, whose true distance is 0, so its figure says how far noise alone gets.
 *
 * The classifier is a ridge on the standardised targets and on random Fourier features of them (Rahimi, Recht 2007; a Gaussian kernel
 * about as wide as the median distance). Linear terms alone would be blind after an alignment, which makes all means equal by
 * construction.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { predictionWeights } from '../../src/align/held-out.ts'
import { columnMeans, subtractRow, takeRows } from '../../src/align/rows.ts'
import { isAbsentRow } from '../../src/bytes.ts'
import { NumericError } from '../../src/errors.ts'
import { row, type Matrix, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { createRandomStream, shuffle, type RandomStream } from '../../src/random.ts'
import { foldsOf } from './splits.ts'

/** Frequencies of the Fourier features, each a sine and a cosine: about as many as targets have dimensions. */
const FREQUENCIES = 64

/** As a multiple of trace / min(n, m): standardised features need little; results move by less than their noise from 0.03 to 0.3. */
const CLASSIFIER_RIDGE = 0.1

const FOLDS = 5

/** Rows that both have, for a figure that is not noise alone: its standard error is then below 0.13. */
export const MIN_PAIR_ROWS = 64

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
    throw new NumericError(`${rows.length} rows have targets of both participants, ${MIN_PAIR_ROWS} are needed`)
  const order = [...shuffle(rows.length, createRandomStream('coopt/1/evaluate/halves', `${seed}`))]
  const half = Math.floor(rows.length / 2)
  const pick = (from: number): number[] => order.slice(from, from + half).map(i => rows[i] as number)
  return await classifierBound(takeRows(a, pick(0)), takeRows(b, pick(half)), { seed })
}

/** As `variationBound`, of two samples of independent rows, p x n and q x n. Throws `NumericError` when their dimensions differ. */
export async function classifierBound(first: Matrix64, second: Matrix64, { seed }: { seed: number }): Promise<number> {
  if (first.columns !== second.columns)
    throw new NumericError(`${first.columns} and ${second.columns} dimensions cannot be told apart`)
  const both = {
    rows: first.rows + second.rows,
    columns: first.columns,
    data: Float64Array.from([...first.data, ...second.data])
  }
  const labels = Int32Array.from({ length: both.rows }, (_, i) => (i < first.rows ? 0 : 1))
  const folds = foldsOf(labels, 2, FOLDS, seed)
  const right = [0, 0]
  for (const fold of folds) {
    const test = Int32Array.from(fold)
    const fit = Int32Array.from(folds.filter(other => other !== fold).flat())
    const predicted = await heldOutClasses(both, labels, { fit, test, seed })
    test.forEach((at, i) => {
      const label = labels[at] as number
      if (predicted[i] === label) right[label] = (right[label] as number) + 1
    })
  }
  // of each sample by itself: the bound holds for equal odds
  return (right[0] as number) / first.rows + (right[1] as number) / second.rows - 1
}

/** 1 - mean cosine over the rows that both have; undefined when they share none, or none with a direction. */
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

// --- internal ---

/** Ridge classes of the test rows, by a model of the fit rows. */
async function heldOutClasses(
  rows: Matrix64,
  labels: Int32Array,
  { fit, test, seed }: { fit: Int32Array; test: Int32Array; seed: number }
): Promise<Int32Array> {
  await turn()
  const known = takeRows(rows, fit)
  const expand = fourierFeatures(known, seed)
  const weights = predictionWeights(expand(known), expand(takeRows(rows, test)), CLASSIFIER_RIDGE)
  return test.map((_, i) => {
    let sum = 0
    for (let k = 0; k < fit.length; k++)
      sum += (weights.data[i * fit.length + k] as number) * (labels[fit[k] as number] as number)
    return sum > 0.5 ? 1 : 0
  })
}

/** Standardised by the known rows, followed by sines and cosines of random directions of it. */
function fourierFeatures(known: Matrix64, seed: number): (rows: Matrix64) => Matrix64 {
  const { columns } = known
  const means = columnMeans(known)
  const scales = columnDeviations(known, means)
  const stream = createRandomStream('coopt/1/evaluate/fourier', `${seed}`)
  // two standardised rows are sqrt(2n) apart on average: that is the kernel's width
  const width = Math.sqrt(2 * columns)
  const directions = Float64Array.from({ length: FREQUENCIES * columns }, () => normal(stream) / width)
  const size = columns + 2 * FREQUENCIES
  // all Fourier features together weigh as much as all linear ones
  const weight = Math.sqrt(columns / FREQUENCIES)
  return rows => {
    const out = new Float64Array(rows.rows * size)
    const x = subtractRow({ ...rows, data: rows.data.slice() }, means)
    for (let i = 0; i < rows.rows; i++) {
      const own = out.subarray(i * size, (i + 1) * size)
      for (let c = 0; c < columns; c++) own[c] = (x.data[i * columns + c] as number) * (scales[c] as number)
      for (let f = 0; f < FREQUENCIES; f++) {
        let angle = 0
        for (let c = 0; c < columns; c++) angle += (own[c] as number) * (directions[f * columns + c] as number)
        own[columns + 2 * f] = weight * Math.cos(angle)
        own[columns + 2 * f + 1] = weight * Math.sin(angle)
      }
    }
    return { rows: rows.rows, columns: size, data: out }
  }
}

/** 1 / standard deviation of each column; 0 where it is constant. */
function columnDeviations(m: Matrix64, means: Float64Array): Float64Array {
  return means.map((mean, c) => {
    let sum = 0
    for (let i = 0; i < m.rows; i++) sum += ((m.data[i * m.columns + c] as number) - mean) ** 2
    return sum > 0 ? 1 / Math.sqrt(sum / m.rows) : 0
  })
}

/** Box and Muller; 1 - u is never 0. */
function normal(stream: RandomStream): number {
  return Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform())
}
