/**
 * The classifier behind the bound in inconsistency.ts: ridge regression on the standardised targets and on random Fourier features of them (Rahimi,
 * Recht 2007; a Gaussian kernel about as wide as the median distance). Linear terms alone would find nothing after an alignment, which makes all
 * means equal by construction.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { predictionWeights } from '../../src/align/held-out.ts'
import { columnMeans, subtractRow, takeRows } from '../../src/align/rows.ts'
import type { Matrix64 } from '../../src/matrix.ts'
import { createRandomStream, type RandomStream } from '../../src/random.ts'

/** Frequencies of the Fourier features, each a sine and a cosine: about as many as targets have dimensions. */
const FREQUENCIES = 64

/** As a multiple of trace / min(n, m). Standardised features need little; from 0.03 to 0.3 results change by less than their noise. */
const CLASSIFIER_RIDGE = 0.1

export interface PairClassifierInit {
  /** Rows of both samples, p x n, and the sample (0 or 1) of each */
  readonly rows: Matrix64
  readonly labels: Int32Array
  /** Disjoint */
  readonly fit: Int32Array
  readonly test: Int32Array
  /** As of `fourierDirections` */
  readonly directions: Matrix64
}

/** The predicted sample of every test row; if all fit rows are the same, the sample of most of them. */
export async function heldOutClasses({ rows, labels, fit, test, directions }: PairClassifierInit): Promise<Int32Array> {
  await turn() // a fit takes a tenth of a second: let other work of the process run
  const known = takeRows(rows, fit)
  const expand = fourierFeatures(known, directions)
  const weights = predictionWeights(expand(known), expand(takeRows(rows, test)), CLASSIFIER_RIDGE)
  return test.map((_, i) => {
    let sum = 0
    for (let k = 0; k < fit.length; k++)
      sum += (weights.data[i * fit.length + k] as number) * (labels[fit[k] as number] as number)
    return sum > 0.5 ? 1 : 0
  })
}

/** Gaussian directions, `FREQUENCIES` x n, the same for one seed. */
export function fourierDirections(columns: number, seed: number): Matrix64 {
  const stream = createRandomStream('coopt/1/evaluate/fourier', `${seed}`)
  // two standardised rows are sqrt(2n) apart on average: that is the kernel's width
  const width = Math.sqrt(2 * columns)
  const data = Float64Array.from({ length: FREQUENCIES * columns }, () => normal(stream) / width)
  return { rows: FREQUENCIES, columns, data }
}

// --- internal ---

/** The rows standardised by the known ones, followed by sines and cosines of their random projections. */
function fourierFeatures(known: Matrix64, directions: Matrix64): (rows: Matrix64) => Matrix64 {
  const { columns } = known
  const means = columnMeans(known)
  const scales = columnDeviations(known, means)
  const size = columns + 2 * directions.rows
  // scale so that all Fourier features together weigh as much as all linear ones
  const weight = Math.sqrt(columns / directions.rows)
  return rows => {
    const out = new Float64Array(rows.rows * size)
    const x = subtractRow({ ...rows, data: rows.data.slice() }, means)
    for (let i = 0; i < rows.rows; i++) {
      const own = out.subarray(i * size, (i + 1) * size)
      for (let c = 0; c < columns; c++) own[c] = (x.data[i * columns + c] as number) * (scales[c] as number)
      for (let f = 0; f < directions.rows; f++) {
        let angle = 0
        for (let c = 0; c < columns; c++) angle += (own[c] as number) * (directions.data[f * columns + c] as number)
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
