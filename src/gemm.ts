/**
 * Dense matrix products: the interface behind which a fast kernel may stand, and the plain one.
 *
 * Only results that others check with a tolerance (T, aligned targets) may come from a fast kernel. `plainGemm` sums every element from
 * the first term to the last with one rounding after each * and each +, so its bits are the same on every machine; everything that
 * decides something for everybody uses it or `multiplyByTranspose` directly.
 */
import { NumericError } from './errors.ts'
import type { Matrix64 } from './matrix.ts'

export interface GemmOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

export interface Gemm {
  /** op(a) op(b), op = transpose where asked. Throws `NumericError` when the shapes do not fit. */
  multiply(a: Matrix64, b: Matrix64, options?: GemmOptions): Promise<Matrix64>
}

/** Single-threaded TypeScript, about 1e9 multiply-adds per second; bit-exact. */
export const plainGemm: Gemm = {
  multiply: async (a, b, { transposeA = false, transposeB = false } = {}) =>
    multiplyByTranspose(transposeA ? transpose(a) : a, transposeB ? b : transpose(b))
}

/**
 * C = A B^T for A (p x k) and B (q x k), synchronously. Element (i, j) is the sum over k in ascending order, from 0.
 *
 * Throws `NumericError` unless both have the same number of columns.
 */
export function multiplyByTranspose(a: Matrix64, b: Matrix64): Matrix64 {
  if (a.columns !== b.columns) {
    throw new NumericError(`a ${a.rows} x ${a.columns} matrix cannot be multiplied by a ${b.columns} x ${b.rows} one`)
  }
  const out = new Float64Array(a.rows * b.rows)
  // columns of the result in panels that stay in the second-level cache while all rows of A pass
  const panel = Math.max(4, Math.floor(PANEL_NUMBERS / Math.max(1, a.columns)))
  for (let from = 0; from < b.rows; from += panel) {
    multiplyPanel(a.data, b.data, out, a.rows, b.rows, a.columns, from, Math.min(b.rows, from + panel))
  }
  return { rows: a.rows, columns: b.rows, data: out }
}

export function transpose(m: Matrix64): Matrix64 {
  const { rows, columns, data } = m
  const out = new Float64Array(data.length)
  for (let i = 0; i < rows; i += TILE) {
    for (let j = 0; j < columns; j += TILE) {
      const iEnd = Math.min(rows, i + TILE)
      const jEnd = Math.min(columns, j + TILE)
      for (let r = i; r < iEnd; r++) for (let c = j; c < jEnd; c++) out[c * rows + r] = data[r * columns + c] as number
    }
  }
  return { rows: columns, columns: rows, data: out }
}

// --- internal ---

const TILE = 32
/** 128 KiB of float64: half of a small second-level cache. */
const PANEL_NUMBERS = 16_384

function multiplyPanel(
  a: Float64Array,
  b: Float64Array,
  out: Float64Array,
  rows: number,
  columns: number,
  depth: number,
  from: number,
  to: number
): void {
  let i = 0
  for (; i + 1 < rows; i += 2) {
    const a0 = i * depth
    const a1 = a0 + depth
    let j = from
    // 2 x 4 results at a time: eight running sums fit the sixteen float64 registers, so each load serves several products
    for (; j + 3 < to; j += 4) {
      const b0 = j * depth
      const b1 = b0 + depth
      const b2 = b1 + depth
      const b3 = b2 + depth
      let s00 = 0
      let s01 = 0
      let s02 = 0
      let s03 = 0
      let s10 = 0
      let s11 = 0
      let s12 = 0
      let s13 = 0
      for (let k = 0; k < depth; k++) {
        const x = a[a0 + k] as number
        const y = a[a1 + k] as number
        const u = b[b0 + k] as number
        const v = b[b1 + k] as number
        const w = b[b2 + k] as number
        const z = b[b3 + k] as number
        s00 += x * u
        s01 += x * v
        s02 += x * w
        s03 += x * z
        s10 += y * u
        s11 += y * v
        s12 += y * w
        s13 += y * z
      }
      const o = i * columns + j
      out[o] = s00
      out[o + 1] = s01
      out[o + 2] = s02
      out[o + 3] = s03
      out[o + columns] = s10
      out[o + columns + 1] = s11
      out[o + columns + 2] = s12
      out[o + columns + 3] = s13
    }
    for (; j < to; j++) {
      out[i * columns + j] = dot(a, a0, b, j * depth, depth)
      out[(i + 1) * columns + j] = dot(a, a1, b, j * depth, depth)
    }
  }
  for (; i < rows; i++) {
    for (let j = from; j < to; j++) out[i * columns + j] = dot(a, i * depth, b, j * depth, depth)
  }
}

function dot(a: Float64Array, aFrom: number, b: Float64Array, bFrom: number, depth: number): number {
  let sum = 0
  for (let k = 0; k < depth; k++) sum += (a[aFrom + k] as number) * (b[bFrom + k] as number)
  return sum
}
