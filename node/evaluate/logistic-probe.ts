/**
 * Linear probe by multinomial logistic regression: minimise over W (n x K) and b
 *
 *   C sum_i -log softmax(x_i W + b)[y_i]  +  1/2 ||W||_F^2                  (the objective of scikit-learn; b is not penalised)
 *
 * with L-BFGS (Liu, Nocedal 1989) in float64. Rows are scaled to length 1 and columns standardised by the fit rows. C is chosen by the accuracy on
 * the validation rows (the smaller one in case of a tie), each fit starting from the last; the test rows are used once.
 */
import { columnMeans, takeRows } from '../../src/align/rows.ts'
import { multiplyByTranspose, transpose } from '../../src/gemm.ts'
import { zeros, type Matrix64 } from '../../src/matrix.ts'
import { minimise } from './lbfgs.ts'
import {
  checkRows,
  classesOf,
  scored,
  takeLabels,
  unitRows,
  type LabelledRows,
  type ProbeResult,
  type RidgeProbeInit
} from './ridge-probe.ts'
import { splitForTest, stratifiedSplit, type Split } from './splits.ts'

/** Values of C, decades from strong to weak regularisation. */
export const C_GRID: readonly number[] = [1e-4, 1e-3, 0.01, 0.1, 1]

/** Of the gradient, per row: predictions do not change with a smaller one. */
const PROBE_TOLERANCE = 1e-4

export interface LogisticProbe extends ProbeResult {
  /** The chosen weight of the loss against the penalty */
  readonly c: number
}

export interface LogisticModel {
  /** n x K */
  readonly weights: Matrix64
  /** K */
  readonly intercepts: Float64Array
  /** Of the objective above */
  readonly loss: number
}

/** Throws as `ridgeProbe`. */
export async function logisticProbe(init: Omit<RidgeProbeInit, 'gemm'>): Promise<LogisticProbe> {
  const { features, labels, classes, seed, test, signal } = init
  checkRows(init)
  const rows = unitRows(features)
  if (test === undefined) {
    const split = stratifiedSplit(labels, classes, seed)
    const held = { features: takeRows(rows, split.test), labels: takeLabels(labels, split.test) }
    const { c, result } = await chosen(rows, labels, classes, { ...split, signal }, held)
    return { ...result, rows: split.test, c }
  }
  checkRows(test)
  const held = { features: unitRows(test.features), labels: test.labels }
  const { c, result } = await chosen(rows, labels, classes, { ...splitForTest(labels, classes, seed), signal }, held)
  return { ...result, c }
}

/** The minimum for rows as they are. `tolerance` bounds the gradient's largest element, divided by the rows. */
export async function fitLogistic(
  x: Matrix64,
  labels: Int32Array,
  classes: number,
  options: { c: number; tolerance: number; start?: Float64Array; signal?: AbortSignal | undefined }
): Promise<LogisticModel & { point: Float64Array }> {
  const size = x.columns * classes
  const crossed = transpose(x)
  // divided by C and the number of rows, which keeps the minimum and makes steps comparable for every C
  const penalty = 1 / (options.c * x.rows)
  const objective = (point: Float64Array) => {
    const weights = { rows: classes, columns: x.columns, data: point.subarray(0, size) }
    const outputs = multiplyByTranspose(x, weights)
    const loss = softmaxResiduals(outputs, point.subarray(size), labels) / x.rows
    const gradient = new Float64Array(point.length)
    const back = multiplyByTranspose(transpose(outputs), crossed)
    let square = 0
    for (let at = 0; at < size; at++) {
      const weight = point[at] as number
      square += weight * weight
      gradient[at] = (back.data[at] as number) / x.rows + penalty * weight
    }
    for (let i = 0; i < x.rows; i++)
      for (let k = 0; k < classes; k++)
        gradient[size + k] = (gradient[size + k] as number) + (outputs.data[i * classes + k] as number) / x.rows
    return { value: loss + (penalty * square) / 2, gradient }
  }
  const start = options.start ?? new Float64Array(size + classes)
  const { point, value } = await minimise(objective, start, { tolerance: options.tolerance, signal: options.signal })
  return {
    point,
    weights: transpose({ rows: classes, columns: x.columns, data: point.slice(0, size) }),
    intercepts: point.slice(size),
    loss: value * options.c * x.rows
  }
}

/** x W + b, rows x K. */
export function logisticOutputs({ weights, intercepts }: LogisticModel, x: Matrix64): Matrix64 {
  const outputs = multiplyByTranspose(x, transpose(weights))
  for (let at = 0; at < outputs.data.length; at++)
    outputs.data[at] = (outputs.data[at] as number) + (intercepts[at % outputs.columns] as number)
  return outputs
}

// --- internal ---

async function chosen(
  rows: Matrix64,
  labels: Int32Array,
  classes: number,
  { fit, validate, signal }: Omit<Split, 'test'> & { signal: AbortSignal | undefined },
  test: LabelledRows & { features: Matrix64 }
): Promise<{ c: number; result: ProbeResult }> {
  const known = takeRows(rows, fit)
  const scale = standardiser(known)
  const [x, held] = [scale(known), scale(takeRows(rows, validate))]
  let best: { c: number; accuracy: number; model: LogisticModel & { point: Float64Array } } | undefined
  let start: { start?: Float64Array } = {}
  for (const c of C_GRID) {
    const options = { c, tolerance: PROBE_TOLERANCE, signal, ...start }
    const model = await fitLogistic(x, takeLabels(labels, fit), classes, options)
    start = { start: model.point }
    const { accuracy } = scored(validate, classesOf(logisticOutputs(model, held)), labels)
    if (best === undefined || accuracy > best.accuracy) best = { c, accuracy, model }
    // once fits get worse, weaker regularisation will not help, and it costs the most time
    else if (accuracy < best.accuracy - 0.02) break
  }
  const { c, model } = best as NonNullable<typeof best>
  const all = Int32Array.from([...fit, ...validate])
  const final = await fitLogistic(scale(takeRows(rows, all)), takeLabels(labels, all), classes, {
    c,
    tolerance: PROBE_TOLERANCE,
    start: model.point,
    signal
  })
  const predicted = classesOf(logisticOutputs(final, scale(test.features)))
  return {
    c,
    result: scored(
      Int32Array.from(predicted, (_, i) => i),
      predicted,
      test.labels
    )
  }
}

/** Outputs become softmax - one-hot, in place; returns the sum of -log softmax[label]. */
function softmaxResiduals(outputs: Matrix64, intercepts: Float64Array, labels: Int32Array): number {
  const { columns, data } = outputs
  let loss = 0
  for (let i = 0; i < outputs.rows; i++) {
    const from = i * columns
    let most = -Infinity
    for (let k = 0; k < columns; k++) {
      const value = (data[from + k] as number) + (intercepts[k] as number)
      data[from + k] = value
      if (value > most) most = value
    }
    const label = labels[i] as number
    const own = (data[from + label] as number) - most
    let sum = 0
    for (let k = 0; k < columns; k++) {
      const value = Math.exp((data[from + k] as number) - most)
      data[from + k] = value
      sum += value
    }
    for (let k = 0; k < columns; k++) data[from + k] = (data[from + k] as number) / sum - (k === label ? 1 : 0)
    loss += Math.log(sum) - own
  }
  return loss
}

function standardiser(known: Matrix64): (m: Matrix64) => Matrix64 {
  const means = columnMeans(known)
  const scales = means.map((mean, c) => {
    let sum = 0
    for (let i = 0; i < known.rows; i++) sum += ((known.data[i * known.columns + c] as number) - mean) ** 2
    return sum > 0 ? Math.sqrt(known.rows / sum) : 0
  })
  return m => {
    const out = zeros(m.rows, m.columns)
    for (let at = 0; at < out.data.length; at++) {
      const c = at % m.columns
      out.data[at] = ((m.data[at] as number) - (means[c] as number)) * (scales[c] as number)
    }
    return out
  }
}
