/**
 * Prepares rows of published matrices for arithmetic: drops absent ones, centres, scales to the unit sphere. float64, fixed order.
 */
import { presentRows } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import type { Matrix, Matrix64 } from '../matrix.ts'

/** The chosen rows as a new float64 matrix. Throws `NumericError` when one of them has a value that is not finite. */
export function takeRows(m: Matrix, rows: ArrayLike<number>): Matrix64 {
  const { columns } = m
  const data = new Float64Array(rows.length * columns)
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * columns
    for (let c = 0; c < columns; c++) {
      const value = m.data[from + c] as number
      if (!Number.isFinite(value))
        throw new NumericError(`row ${rows[i]}, column ${c} is ${value}: targets must be finite`)
      data[i * columns + c] = value
    }
  }
  return { rows: rows.length, columns, data }
}

/** The rows that are present, as float64. Throws `NumericError` when one of them has a value that is not finite. */
export function takePresent(m: Matrix): Matrix64 {
  return takeRows(m, presentRows(m))
}

/** Mean of each column, summed from the first row to the last. */
export function columnMeans(m: Matrix64): Float64Array {
  const means = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++) {
    for (let c = 0; c < m.columns; c++) means[c] = (means[c] as number) + (m.data[i * m.columns + c] as number)
  }
  for (let c = 0; c < m.columns; c++) means[c] = (means[c] as number) / m.rows
  return means
}

/** Subtracts `means` from every row, in place; returns `m`. */
export function subtractRow(m: Matrix64, means: Float64Array): Matrix64 {
  for (let i = 0; i < m.rows; i++) {
    for (let c = 0; c < m.columns; c++) {
      const at = i * m.columns + c
      m.data[at] = (m.data[at] as number) - (means[c] as number)
    }
  }
  return m
}

/** Scales every row to length 1, in place; returns `m`. A zero row has no direction and stays zero. */
export function normaliseRows(m: Matrix64): Matrix64 {
  for (let i = 0; i < m.rows; i++) {
    const row = m.data.subarray(i * m.columns, (i + 1) * m.columns)
    let sum = 0
    for (const value of row) sum += value * value
    if (sum === 0) continue
    const length = Math.sqrt(sum)
    for (let c = 0; c < row.length; c++) row[c] = (row[c] as number) / length
  }
  return m
}
