/**
 * The uniform value of a set of targets: lower is more spread over the sphere.
 *
 *   V = log( mean over pairs i < j of exp( -t ||u_i - u_j||^2 ) ),   u = the targets on S, centred on S if asked, then scaled to length 1
 *
 * Wang, Isola, "Understanding contrastive representation learning through alignment and uniformity on the hypersphere", 2020; CoOpt
 * (arXiv 2505.14117) prints the exponent with a plus sign, under which lower would not be better.
 *
 * The published float32 values go through + - * / sqrt on float64 in one fixed order, and through an exp and a log built from these, so
 * every peer gets the same bits. Terms lie in [exp(-4t), 1]: no log-sum-exp is needed for t <= 16. V is in [-2tm/(m-1), 0].
 */
import { NumericError } from '../errors.ts'
import { exactExp, exactLog } from '../exact-math.ts'
import type { Matrix, Matrix64 } from '../matrix.ts'
import { multiplyByTranspose } from '../gemm.ts'
import { columnMeans, normaliseRows, subtractRow, takePresent } from './rows.ts'

/** Rows of one tile of the Gram matrix: 2 MiB of products at a time instead of m^2. */
const TILE_ROWS = 512

/**
 * V over the rows of `targets` (m x n) that are present. A zero row has no direction: it counts as the zero vector, at distance 1 from the unit vectors.
 *
 * Throws `NumericError` with fewer than two rows, or when a present row has a value that is not finite.
 */
export function uniformValue(targets: Matrix, { t, centred }: { t: number; centred: boolean }): number {
  const present = takePresent(targets)
  if (present.rows < 2) throw new NumericError(`the uniform value needs at least two rows, ${present.rows} are present`)
  if (centred) subtractRow(present, columnMeans(present))
  return uniformValueOfUnitRows(normaliseRows(present), t)
}

/** V of rows that have length 1 (or 0). */
export function uniformValueOfUnitRows(u: Matrix64, t: number): number {
  const squares = new Float64Array(u.rows)
  for (let i = 0; i < u.rows; i++) {
    let sum = 0
    for (let c = 0; c < u.columns; c++) {
      const value = u.data[i * u.columns + c] as number
      sum += value * value
    }
    squares[i] = sum
  }
  let total = 0
  for (let i = 0; i < u.rows; i += TILE_ROWS) {
    for (let j = i; j < u.rows; j += TILE_ROWS) total += tileSum(u, squares, t, i, j)
  }
  const mean = total / ((u.rows * (u.rows - 1)) / 2)
  return Math.min(0, exactLog(mean))
}

// --- internal ---

/** Sum of exp(-t d^2) over the pairs i < j of one tile. Rounding may push d^2 of equal rows below 0: clamped. */
function tileSum(u: Matrix64, squares: Float64Array, t: number, iFrom: number, jFrom: number): number {
  const left = slice(u, iFrom)
  const right = iFrom === jFrom ? left : slice(u, jFrom)
  const gram = multiplyByTranspose(left, right)
  let sum = 0
  for (let i = 0; i < left.rows; i++) {
    const own = squares[iFrom + i] as number
    for (let j = iFrom === jFrom ? i + 1 : 0; j < right.rows; j++) {
      const d2 = own + (squares[jFrom + j] as number) - 2 * (gram.data[i * right.rows + j] as number)
      sum += exactExp(-t * (d2 > 0 ? d2 : 0))
    }
  }
  return sum
}

function slice(m: Matrix64, from: number): Matrix64 {
  const to = Math.min(m.rows, from + TILE_ROWS)
  return { rows: to - from, columns: m.columns, data: m.data.subarray(from * m.columns, to * m.columns) }
}
