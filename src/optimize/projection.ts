/**
 * W, the common projection R^l -> R^n, from (swarm id, l, n) alone: equal l means equal W on every peer, bit for bit.
 *
 * Numbers uniform over [-1, 1) fill a tall matrix A (max(l, n) x min(l, n)) row by row; A = Q R by Householder reflections, signs chosen so
 * that the diagonal of R is positive, which makes Q unique.
 *
 *   n >= l   W = Q               orthonormal columns: lengths and angles are kept exactly ("without loss of information", CoOpt, step 2)
 *   n <  l   W = sqrt(l/n) Q^T   scaled orthonormal rows: kept approximately (Johnson, Lindenstrauss); callers should warn, see `isIsometry`
 *
 * Only + - * / sqrt on float64 in a fixed order (Golub, Van Loan, "Matrix computations", 5.2.1), which IEEE 754 makes portable.
 */
import type { CID } from 'multiformats/cid'
import { ABSENT, isAbsentRow } from '../bytes.ts'
import { multiplyByTranspose } from '../gemm.ts'
import { NumericError } from '../errors.ts'
import { factorByReflections, reflectFromLast } from '../kernels/blocked-reflections.ts'
import { zeros, type Matrix32, type Matrix64 } from '../matrix.ts'
import { createRandomStream } from '../random.ts'

/** 256 MiB of float64: 131,072 features at 256 target dimensions. Above, W would be the largest thing in memory. */
export const MAX_PROJECTION_NUMBERS = 33_554_432

/** Rows that `project` converts to float64 at a time. */
const CHUNK_ROWS = 256

/** Does W keep all distances of l-dimensional features exactly? If not (n < l), they are kept on average only. */
export function isIsometry(l: number, n: number): boolean {
  return n >= l
}

/** Throws `NumericError` when a dimension is not a positive integer or W would have over `MAX_PROJECTION_NUMBERS` numbers. */
export function assertProjectable(l: number, n: number): void {
  if (!Number.isInteger(l) || !Number.isInteger(n) || l < 1 || n < 1) {
    throw new NumericError(`no projection from ${l} to ${n} dimensions`)
  }
  if (l * n > MAX_PROJECTION_NUMBERS) {
    throw new NumericError(
      `a projection from ${l} to ${n} dimensions has ${l * n} numbers, at most ${MAX_PROJECTION_NUMBERS}: choose a smaller feature (--output)`
    )
  }
}

/** W, n x l. Throws as `assertProjectable`. */
export function projection(swarmId: CID, l: number, n: number): Matrix64 {
  assertProjectable(l, n)
  const tall = Math.max(l, n)
  const wide = Math.min(l, n)
  // columns of A lie one after the other: the reflections run along columns
  const columns = zeros(wide, tall)
  const stream = createRandomStream('coopt/1/projection', swarmId.bytes, uint32Bytes(l), uint32Bytes(n))
  for (let i = 0; i < tall; i++) for (let j = 0; j < wide; j++) columns.data[j * tall + i] = 2 * stream.uniform() - 1
  const q = orthonormalise(columns)
  const w = zeros(n, l)
  if (n >= l) {
    for (let j = 0; j < l; j++) for (let i = 0; i < n; i++) w.data[i * l + j] = q.data[j * n + i] as number
  } else {
    const scale = Math.sqrt(l / n)
    for (let at = 0; at < w.data.length; at++) w.data[at] = scale * (q.data[at] as number)
  }
  return w
}

/**
 * targets = features W^T: (m x l) -> (m x n), float64 inside, rounded to float32 once at the end. Absent rows stay absent.
 *
 * Throws `NumericError` when the features do not have l columns, or a feature or target is not finite.
 */
export function project(w: Matrix64, features: Matrix32): Matrix32 {
  const { columns: l, rows: n } = w
  if (features.columns !== l) throw new NumericError(`the projection takes ${l} features, got ${features.columns}`)
  const out = new Float32Array(features.rows * n)
  for (let from = 0; from < features.rows; from += CHUNK_ROWS) {
    const to = Math.min(features.rows, from + CHUNK_ROWS)
    const chunk = Float64Array.from(features.data.subarray(from * l, to * l))
    const product = multiplyByTranspose({ rows: to - from, columns: l, data: chunk }, w)
    for (let i = from; i < to; i++) {
      const target = out.subarray(i * n, (i + 1) * n)
      if (isAbsentRow(features.data.subarray(i * l, (i + 1) * l))) {
        target.set(ABSENT(n))
        continue
      }
      target.set(product.data.subarray((i - from) * n, (i - from + 1) * n))
      if (!target.every(Number.isFinite)) throw new NumericError(`the target of row ${i} is not finite in float32`)
    }
  }
  return { rows: features.rows, columns: n, data: out }
}

// --- internal ---

/** Q of the QR decomposition with positive diagonal of R; matrix and result hold columns as rows (wide x tall). `a` is overwritten. */
function orthonormalise(a: Matrix64): Matrix64 {
  const { rows: wide, columns: tall } = a
  const signs = new Float64Array(wide)
  const reflections = factorByReflections(a.data, wide, tall, signs)
  if (reflections === undefined) throw new NumericError('the random matrix is singular')
  // Q = H_0 H_1 ... applied to the first unit vectors, from the last reflection to the first; then R_kk > 0
  const q = zeros(wide, tall)
  for (let j = 0; j < wide; j++) q.data[j * tall + j] = 1
  reflectFromLast(q.data, wide, reflections)
  for (let j = 0; j < wide; j++) {
    for (let i = 0; i < tall; i++) q.data[j * tall + i] = (q.data[j * tall + i] as number) * (signs[j] as number)
  }
  return q
}

function uint32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
