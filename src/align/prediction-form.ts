/**
 * What one candidate's targets contribute to the held-out R2 of pairs: two symmetric matrices over the fit rows followed by the test rows.
 *
 * The residual sum of predicting j from k is <M_k, G_j>, with M_k = [weights_k, -I]^T [weights_k, -I] and the Gram matrix G_j = Y_j Y_j^T, so one
 * matrix product gives it for all pairs at once.
 */
import { presentRows } from '../bytes.ts'
import { gramOfColumns, multiplyByTranspose } from '../gemm.ts'
import { updateByProduct } from '../kernels/blocked-product.ts'
import type { Matrix32, Matrix64 } from '../matrix.ts'
import { predictionWeights, splitRows } from './held-out.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from './rows.ts'

/** Lower triangles, row by row */
export interface PredictionForm {
  /** M, off-diagonal elements doubled; rows without a target are zero */
  readonly residual: Float64Array
  /** G */
  readonly gram: Float64Array
  /** Positions of the test rows that are present, ascending */
  readonly test: readonly number[]
  /** Sum of squares of these rows about their mean */
  readonly total: number
}

/** How many numbers of each form `residualSums` processes at a time: 4 MiB for 64 forms */
const CHUNK = 8192

/** With fewer forms on one side, copying them costs more than the matrix product saves. */
const LEAST_SIDE = 3

/**
 * Halves of up to `maxHalf` rows from `seed`. Where the fit rows are all the same, nothing is predicted from them but a mean. Throws `NumericError`
 * for values that are not finite.
 */
export function createForm(targets: Matrix32, seed: Uint8Array, ridge: number, maxHalf: number): PredictionForm {
  const present = presentRows(targets)
  const position = new Map(present.map((row, i) => [row, i]))
  const y = takeRows(targets, present)
  normaliseRows(subtractRow(y, columnMeans(y)))

  const halves = splitRows(seed, targets.rows, maxHalf)
  const order = [...halves.fit, ...halves.test]
  const at = order.flatMap((row, i) => (position.has(row) ? [i] : []))
  const fit = at.filter(i => i < halves.fit.length)
  const test = at.filter(i => i >= halves.fit.length)
  const pick = (positions: readonly number[]): Matrix64 =>
    takeRows(
      y,
      positions.map(i => position.get(order[i] ?? 0) ?? 0)
    )

  const weights = predictionWeights(pick(fit), pick(test), ridge)
  const square = gramOfColumns(weights)
  const rows = pick(at)
  const products = multiplyByTranspose(rows, rows)

  const size = order.length
  const residual = new Float64Array((size * (size + 1)) / 2)
  const gram = new Float64Array(residual.length)
  const f = fit.length
  for (let a = 0; a < at.length; a++) {
    const i = at[a] as number
    for (let b = 0; b <= a; b++) {
      const index = (i * (i + 1)) / 2 + (at[b] as number)
      gram[index] = products.data[a * at.length + b] as number
      if (a < f) residual[index] = (a === b ? 1 : 2) * (square.data[a * f + b] as number)
      else if (b < f) residual[index] = -2 * (weights.data[(a - f) * f + b] as number)
      else if (a === b) residual[index] = 1
    }
  }
  return { residual, gram, test, total: totalSquares(gram, test) }
}

/** R2(from -> to) of every pair, `from` x `to`, on the test rows that `from` has; 0 where `to` has no variation there. */
export function pairFigures(from: readonly PredictionForm[], to: readonly PredictionForm[]): Matrix64 {
  const { rows, columns, data } = residualSums(from, to)
  return {
    rows,
    columns,
    data: data.map((residual, at) => {
      const total = totalOf(from[Math.floor(at / columns)], to[at % columns])
      return total > 0 ? 1 - residual / total : 0
    })
  }
}

// --- internal ---

/** What is predicted, as far as `from` can predict it: residuals of rows that it lacks are not counted either. */
function totalOf(from: PredictionForm | undefined, to: PredictionForm | undefined): number {
  if (from === undefined || to === undefined) return 0
  return from.test.length < to.test.length ? totalSquares(to.gram, from.test) : to.total
}

/** <M, G> of every pair, from the first element to the last. */
function residualSums(from: readonly PredictionForm[], to: readonly PredictionForm[]): Matrix64 {
  const [rows, columns, length] = [from.length, to.length, from[0]?.residual.length ?? 0]
  const data = new Float64Array(rows * columns)
  if (Math.min(rows, columns) < LEAST_SIDE) {
    from.forEach(({ residual }, i) => {
      to.forEach(({ gram }, j) => {
        let sum = 0
        for (let k = 0; k < length; k++) sum += (residual[k] as number) * (gram[k] as number)
        data[i * columns + j] = sum
      })
    })
    return { rows, columns, data }
  }
  const left = new Float64Array(rows * CHUNK)
  const right = new Float64Array(columns * CHUNK)
  for (let start = 0; start < length; start += CHUNK) {
    const end = Math.min(length, start + CHUNK)
    from.forEach(({ residual }, i) => left.set(residual.subarray(start, end), i * CHUNK))
    to.forEach(({ gram }, j) => right.set(gram.subarray(start, end), j * CHUNK))
    updateByProduct({
      sign: 'add',
      c: { data, offset: 0, stride: columns },
      rows,
      columns,
      depth: end - start,
      a: { data: left, offset: 0, rowStep: CHUNK, depthStep: 1 },
      b: { data: right, offset: 0, rowStep: CHUNK, depthStep: 1 }
    })
  }
  return { rows, columns, data }
}

/** Sum of squares about the mean: trace - (sum of all elements) / T, over the rows on which a prediction is tested. */
function totalSquares(gram: Float64Array, test: readonly number[]): number {
  let trace = 0
  let sum = 0
  for (let a = 0; a < test.length; a++) {
    const i = test[a] as number
    const start = (i * (i + 1)) / 2
    trace += gram[start + i] as number
    sum += gram[start + i] as number
    for (let b = 0; b < a; b++) sum += 2 * (gram[start + (test[b] as number)] as number)
  }
  return trace - sum / test.length
}
