/**
 * Triangular factors and solves, block by block: products with what is done already, then the block on the diagonal.
 *
 * Order, as in the plain loops: l_ij = (a_ij - l_i0 l_j0 - l_i1 l_j1 - … ) / l_jj, and x_i = (b_i - l_i0 x_0 - l_i1 x_1 - …) / l_ii, one
 * product after the other, each rounded, then each difference.
 */
import { updateByProduct, pack, padded } from './blocked-product.ts'
import { workspace } from './kernels.ts'
import { TILE } from './product-kernel.ts'

/** Columns of a block: a packed block of L (128 KiB) stays in the second-level cache while rows of X pass. */
const BLOCK = 128
/** Rows of X in one call of the kernel */
const ROWS = 128

/** X L^T = B in place: each of the `rows` rows of `x` (row-major, `l`'s size wide) is solved against the lower half of `l` (n x n). */
export function solveBlocked(l: Float64Array, n: number, x: Float64Array, rows: number): void {
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK)
    updateByProduct({
      sign: 'sub',
      c: { data: x, offset: from, stride: n },
      rows,
      columns: to - from,
      depth: from,
      a: { data: x, offset: 0, rowStep: n, depthStep: 1 },
      b: { data: l, offset: from * n, rowStep: n, depthStep: 1 }
    })
    solveDiagonal(l, n, from, to, x, 0, rows)
  }
}

/**
 * Lower factor of the symmetric matrix whose lower half `a` (n x n) holds, in place; the upper half becomes 0.
 *
 * Returns the first row at which the matrix turns out not to be positive definite, or -1.
 */
export function factorBlocked(a: Float64Array, n: number): number {
  for (let from = 0; from < n; from += BLOCK) {
    const to = Math.min(n, from + BLOCK)
    const rowsOf = (first: number) => ({ data: a, offset: first * n, rowStep: n, depthStep: 1 })
    updateByProduct({
      sign: 'sub',
      c: { data: a, offset: from * n + from, stride: n },
      rows: n - from,
      columns: to - from,
      depth: from,
      a: rowsOf(from),
      b: rowsOf(from),
      lower: true
    })
    const failed = factorDiagonal(a, n, from, to)
    if (failed >= 0) return failed
    solveDiagonal(a, n, from, to, a, to, n)
  }
  for (let i = 0; i < n; i++) a.fill(0, i * n + i + 1, (i + 1) * n)
  return -1
}

// --- internal ---

/** Columns [from, to) of rows [top, bottom) of `x`, against the block of `l` on its diagonal. */
function solveDiagonal(
  l: Float64Array,
  n: number,
  from: number,
  to: number,
  x: Float64Array,
  top: number,
  bottom: number
): void {
  const size = padded(to - from, TILE)
  const { kernels, numbers } = workspace(BLOCK * BLOCK + ROWS * BLOCK)
  const stride = { rowStep: n, depthStep: 1 }
  pack(numbers, 0, { data: l, offset: from * n, ...stride }, 0, to - from, from, to)
  // rows and columns that only fill the last group: anything but 0 keeps the division clean
  for (let i = to - from; i < size; i++) numbers[(i - (i % TILE)) * size + i * TILE + (i % TILE)] = 1
  const xAt = BLOCK * BLOCK
  for (let first = top; first < bottom; first += ROWS) {
    const last = Math.min(bottom, first + ROWS)
    pack(numbers, xAt, { data: x, offset: 0, ...stride }, first, last, from, to)
    kernels.solve(xAt * 8, 0, padded(last - first, TILE), size)
    for (let i = first; i < last; i++) {
      const row = i - first
      const source = xAt + (row - (row % TILE)) * size + (row % TILE)
      for (let k = from; k < to; k++) x[i * n + k] = numbers[source + (k - from) * TILE] as number
    }
  }
}

/** The plain loop on the block whose earlier columns are done: `BLOCK`^3 / 6 products. */
function factorDiagonal(a: Float64Array, n: number, from: number, to: number): number {
  for (let i = from; i < to; i++) {
    for (let j = from; j <= i; j++) {
      let sum = a[i * n + j] as number
      for (let k = from; k < j; k++) sum -= (a[i * n + k] as number) * (a[j * n + k] as number)
      if (j < i) a[i * n + j] = sum / (a[j * n + j] as number)
      else if (!(sum > 0)) return i
      else a[i * n + i] = Math.sqrt(sum)
    }
  }
  return -1
}
