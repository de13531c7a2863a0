/**
 * Dense matrix products: the interface that other kernels can implement, and the exact implementation.
 *
 * Only results that peers check with a tolerance (T, aligned targets) may come from another kernel. `plainGemm` sums every element from
 * the first term to the last with one rounding after each * and each +, so its bits are the same on every machine. Everything that all peers must
 * agree on uses it or `multiplyByTranspose` directly.
 */
import { NumericError } from './errors.ts'
import { updateByProduct, type Operand } from './kernels/blocked-product.ts'
import type { Matrix64 } from './matrix.ts'

export interface GemmOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

export interface Gemm {
  /** op(a) op(b), op = transpose where asked. Throws `NumericError` when the shapes do not fit. */
  multiply(a: Matrix64, b: Matrix64, options?: GemmOptions): Promise<Matrix64>
}

/** Single-threaded WebAssembly in a fixed order; bit-exact. */
export const plainGemm: Gemm = {
  multiply: async (a, b, { transposeA = false, transposeB = false } = {}) =>
    product(a, transposeA, b, !transposeB, () => {
      const shape = (m: Matrix64, t: boolean): string => (t ? `${m.columns} x ${m.rows}` : `${m.rows} x ${m.columns}`)
      return `a ${shape(a, transposeA)} matrix cannot be multiplied by a ${shape(b, transposeB)} one`
    })
}

/**
 * C = A B^T for A (p x k) and B (q x k), synchronously. Element (i, j) is the sum over k in ascending order, from 0. A matrix times its
 * own transpose takes half the time.
 *
 * Throws `NumericError` unless both have the same number of columns.
 */
export function multiplyByTranspose(a: Matrix64, b: Matrix64): Matrix64 {
  return product(
    a,
    false,
    b,
    false,
    () => `a ${a.rows} x ${a.columns} matrix cannot be multiplied by the transpose of a ${b.rows} x ${b.columns} one`
  )
}

/** C = A^T A for A (k x n), n x n, otherwise as `multiplyByTranspose`. */
export function gramOfColumns(a: Matrix64): Matrix64 {
  return product(a, true, a, true, () => '')
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

/** With fewer rows on one side or fewer products, packing costs more than it saves. */
const LEAST_SIDE = 3
const LEAST_PRODUCTS = 4096

/** A B^T of two operands, each of which may be a transpose. */
function product(a: Matrix64, aTurned: boolean, b: Matrix64, bTurned: boolean, mismatch: () => string): Matrix64 {
  const [rows, depth] = aTurned ? [a.columns, a.rows] : [a.rows, a.columns]
  const [columns, other] = bTurned ? [b.columns, b.rows] : [b.rows, b.columns]
  if (depth !== other) throw new NumericError(mismatch())
  const out = new Float64Array(rows * columns)
  const [left, right] = [operand(a, aTurned), operand(b, bTurned)]
  if (Math.min(rows, columns) < LEAST_SIDE || rows * columns * depth < LEAST_PRODUCTS) {
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) out[i * columns + j] = dot(left, i, right, j, depth)
    return { rows, columns, data: out }
  }
  const isSymmetric = a.data === b.data && aTurned === bTurned && rows === columns
  const c = { data: out, offset: 0, stride: columns }
  updateByProduct({ sign: 'add', c, rows, columns, depth, a: left, b: right, lower: isSymmetric })
  if (isSymmetric) mirror(out, rows)
  return { rows, columns, data: out }
}

function operand({ data, columns }: Matrix64, turned: boolean): Operand {
  return turned
    ? { data, offset: 0, rowStep: 1, depthStep: columns }
    : { data, offset: 0, rowStep: columns, depthStep: 1 }
}

function dot(a: Operand, i: number, b: Operand, j: number, depth: number): number {
  let aAt = a.offset + i * a.rowStep
  let bAt = b.offset + j * b.rowStep
  let sum = 0
  for (let k = 0; k < depth; k++) {
    sum += (a.data[aAt] as number) * (b.data[bAt] as number)
    aAt += a.depthStep
    bAt += b.depthStep
  }
  return sum
}

/** Copies the lower half to the upper one: a_ik a_jk and a_jk a_ik have the same bits, and so have their sums. */
function mirror(data: Float64Array, n: number): void {
  for (let i = 0; i < n; i += TILE) {
    for (let j = 0; j <= i; j += TILE) {
      const iEnd = Math.min(n, i + TILE)
      const jEnd = Math.min(n, j + TILE)
      for (let r = i; r < iEnd; r++)
        for (let c = j; c < Math.min(jEnd, r); c++) data[c * n + r] = data[r * n + c] as number
    }
  }
}
