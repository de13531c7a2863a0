/**
 * Linear probe in closed form: ridge regression of one-hot labels on features; the largest output is the predicted class.
 *
 * Rows are scaled to length 1 (targets are compared by cosine everywhere in the method), then centred on the fit rows; the intercept is
 * free. The strength is chosen by the accuracy on the validation rows (the stronger one in case of a tie); the model is then refitted on fit and
 * validation rows together, and the test rows are used once.
 */
import { solveGrid } from '../../src/align/ridge.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../src/align/rows.ts'
import { NumericError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { zeros, type Matrix, type Matrix64 } from '../../src/matrix.ts'
import { crossSplits, splitForTest, stratifiedSplit, type Split } from './splits.ts'

/** Strengths as multiples of trace / min(n, m), decades from strong to almost no shrinkage. */
export const RIDGE_GRID: readonly number[] = [10, 1, 0.1, 0.01, 1e-3, 1e-4, 1e-5]

export interface LabelledRows {
  /** rows x n, all finite */
  readonly features: Matrix
  /** Of every row, 0 .. classes - 1 */
  readonly labels: Int32Array
}

export interface RidgeProbeInit extends LabelledRows {
  readonly classes: number
  /** Of the split */
  readonly seed: number
  readonly gemm: Gemm
  /** Rows to test on, instead of a part of the rows above */
  readonly test?: LabelledRows
  /** Checked by slow probes */
  readonly signal?: AbortSignal
}

export interface ProbeResult {
  /** Share of the test rows whose class is predicted correctly, 0 to 1 */
  readonly accuracy: number
  /** sqrt(a (1 - a) / rows): due to the test rows alone, not to the split */
  readonly standardError: number
  /** Test rows, as indices into the rows tested on */
  readonly rows: Int32Array
  /** The predicted class of each test row */
  readonly predicted: Int32Array
}

export interface RidgeProbe extends ProbeResult {
  /** The chosen strength, a multiple of trace / min(n, m) */
  readonly ridge: number
}

/** Throws `InvalidInputError` when a class has too few rows, `NumericError` when features are not finite or do not fit. */
export async function ridgeProbe(init: RidgeProbeInit): Promise<RidgeProbe> {
  const { features, labels, classes, seed, gemm, test } = init
  checkRows(init)
  if (test === undefined) return await probe(init, stratifiedSplit(labels, classes, seed))
  checkRows(test)
  if (test.features.columns !== features.columns)
    throw new NumericError(
      `test rows have ${test.features.columns} dimensions, but the others have ${features.columns}`
    )
  const { fit, validate } = splitForTest(labels, classes, seed)
  const ridge = await chooseRidge(init, { fit, validate })
  const all = await fitRidge(unitRows(features), labels, classes, ridge, gemm)
  const predicted = classesOf(await all(unitRows(test.features)))
  const rows = Int32Array.from(predicted, (_, i) => i)
  return { ...scored(rows, predicted, test.labels), ridge }
}

/** Accuracy over all rows, each predicted by a model that used it neither to fit nor to choose its strength: for small samples. Throws as above. */
export async function crossRidgeProbe(init: Omit<RidgeProbeInit, 'test'>): Promise<ProbeResult> {
  checkRows(init)
  const predicted = new Int32Array(init.labels.length)
  for (const split of crossSplits(init.labels, init.classes, init.seed)) {
    const part = await probe(init, split)
    part.rows.forEach((row, i) => {
      predicted[row] = part.predicted[i] as number
    })
  }
  return scored(
    Int32Array.from(predicted, (_, i) => i),
    predicted,
    init.labels
  )
}

/**
 * One-hot ridge with a free intercept on the given rows, unscaled: a function from rows to outputs (rows x classes). `ridge` is a multiple of trace /
 * min(n, m). Throws `NumericError` when all rows are the same.
 */
export async function fitRidge(
  x: Matrix64,
  labels: Int32Array,
  classes: number,
  ridge: number,
  gemm: Gemm
): Promise<(rows: Matrix64) => Promise<Matrix64>> {
  const models = await fitGrid(x, labels, classes, gemm)
  return await models(ridge)
}

/** The column of the largest value of every row, the first one in case of a tie. */
export function classesOf(outputs: Matrix64): Int32Array {
  const best = new Int32Array(outputs.rows)
  for (let i = 0; i < outputs.rows; i++) {
    let at = 0
    for (let c = 1; c < outputs.columns; c++)
      if ((outputs.data[i * outputs.columns + c] as number) > (outputs.data[i * outputs.columns + at] as number)) at = c
    best[i] = at
  }
  return best
}

/** Test rows with their predictions -> figures. `labels` are those of all rows that `rows` points into. */
export function scored(rows: Int32Array, predicted: Int32Array, labels: Int32Array): ProbeResult {
  let right = 0
  rows.forEach((row, i) => {
    if (predicted[i] === labels[row]) right++
  })
  const accuracy = right / rows.length
  return { accuracy, standardError: Math.sqrt((accuracy * (1 - accuracy)) / rows.length), rows, predicted }
}

/** All rows as float64 of length 1. Throws `NumericError` when one is not finite. */
export function unitRows(features: Matrix): Matrix64 {
  return normaliseRows(
    takeRows(
      features,
      Array.from({ length: features.rows }, (_, i) => i)
    )
  )
}

/** The labels of some rows. */
export function takeLabels(labels: Int32Array, rows: Int32Array): Int32Array {
  return rows.map(row => labels[row] as number)
}

/** Throws `NumericError` unless there is a label for every row. */
export function checkRows({ features, labels }: LabelledRows): void {
  if (features.rows !== labels.length)
    throw new NumericError(`${features.rows} rows of features have ${labels.length} labels`)
}

// --- internal ---

async function probe(init: RidgeProbeInit, split: Split): Promise<RidgeProbe> {
  const { features, labels, classes, gemm } = init
  const ridge = await chooseRidge(init, split)
  const known = Int32Array.from([...split.fit, ...split.validate])
  const model = await fitRidge(take(features, known), takeLabels(labels, known), classes, ridge, gemm)
  const predicted = classesOf(await model(take(features, split.test)))
  return { ...scored(split.test, predicted, labels), ridge }
}

async function chooseRidge(
  { features, labels, classes, gemm }: RidgeProbeInit,
  { fit, validate }: Omit<Split, 'test'>
): Promise<number> {
  const models = await fitGrid(take(features, fit), takeLabels(labels, fit), classes, gemm)
  const held = take(features, validate)
  let best = { ridge: RIDGE_GRID[0] as number, accuracy: -1 }
  for (const ridge of RIDGE_GRID) {
    const model = await models(ridge)
    const { accuracy } = scored(validate, classesOf(await model(held)), labels)
    if (accuracy > best.accuracy) best = { ridge, accuracy }
  }
  return best.ridge
}

const take = (features: Matrix, rows: Int32Array): Matrix64 => normaliseRows(takeRows(features, rows))

type Model = (rows: Matrix64) => Promise<Matrix64>

/** One decomposition for all strengths. */
async function fitGrid(
  x: Matrix64,
  labels: Int32Array,
  classes: number,
  gemm: Gemm
): Promise<(ridge: number) => Promise<Model>> {
  const means = columnMeans(x)
  const centred = subtractRow({ ...x, data: x.data.slice() }, means)
  const y = zeros(x.rows, classes)
  labels.forEach((label, i) => {
    y.data[i * classes + label] = 1
  })
  const shares = columnMeans(y)
  const solver = await solveGrid(centred, subtractRow(y, shares), gemm)
  if (!(solver.scale > 0)) throw new NumericError('all rows are the same: classes cannot be distinguished')
  return async ridge => {
    const map = await solver.map(ridge * solver.scale)
    return async rows => {
      const outputs = await gemm.multiply(subtractRow({ ...rows, data: rows.data.slice() }, means), map)
      return subtractRow(
        outputs,
        shares.map(share => -share)
      )
    }
  }
}
