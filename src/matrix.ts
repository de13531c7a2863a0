/**
 * Row-major dense matrices: float32 for published data, float64 for decisions.
 *
 * Everything here is plain + - * / in a fixed order, so results are the same bits on every machine (IEEE 754).
 */
import { NumericError } from './errors.ts'

/** Row-major matrix; `data.length === rows * columns`. */
export interface Matrix<T extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly rows: number
  readonly columns: number
  readonly data: T
}

export type Matrix32 = Matrix<Float32Array>
export type Matrix64 = Matrix<Float64Array>

/** Throws `NumericError` unless `data` has `rows * columns` elements. */
export function matrix<T extends Float32Array | Float64Array>(rows: number, columns: number, data: T): Matrix<T> {
  if (data.length !== rows * columns) {
    throw new NumericError(`a ${rows} x ${columns} matrix needs ${rows * columns} numbers, got ${data.length}`)
  }
  return { rows, columns, data }
}

export function zeros(rows: number, columns: number): Matrix64 {
  return { rows, columns, data: new Float64Array(rows * columns) }
}

export function toFloat64(m: Matrix): Matrix64 {
  return m.data instanceof Float64Array
    ? { rows: m.rows, columns: m.columns, data: m.data }
    : { rows: m.rows, columns: m.columns, data: Float64Array.from(m.data) }
}

/** View (no copy) of row `i`. */
export function row<T extends Float32Array | Float64Array>(m: Matrix<T>, i: number): T {
  return m.data.subarray(i * m.columns, (i + 1) * m.columns) as T
}
