/**
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder tridiagonalisation, then implicit QL steps with Wilkinson's shift.
 *
 * Golub, Van Loan, "Matrix computations", 4th ed., 8.3. Only + - * / sqrt, in the order of the plain loops: bit-exact. About 6 n^3
 * multiply-adds.
 */
import { NumericError } from '../errors.ts'
import { reflectFromLast } from '../kernels/blocked-reflections.ts'
import { rotateRows, tridiagonalise, type RowRotations } from '../kernels/tridiagonal.ts'
import { zeros, type Matrix64 } from '../matrix.ts'

const EPSILON = 2.220446049250313e-16

/** QL needs one or two steps per eigenvalue; more than this means that the input was not finite. */
const MAX_STEPS = 60

export interface Eigen {
  /** In no particular order */
  readonly values: Float64Array
  /** Row k is the unit eigenvector of `values[k]` */
  readonly vectors: Matrix64
}

/** A = V^T diag(values) V for symmetric `a`, which is kept. Throws `NumericError` when the iteration does not converge. */
export function symmetricEigen(a: Matrix64): Eigen {
  const n = a.rows
  const { diagonal, beside, vectors, factors } = tridiagonalise(a.data, n)
  // row k of the basis is column k of Q, which the reflections make of the unit vectors
  const basis = zeros(n, n)
  for (let i = 0; i < n; i++) basis.data[i * n + i] = 1
  const divisors = new Float64Array(n).fill(1)
  reflectFromLast(basis.data, n, { vectors, length: n, shift: 1, scales: factors, divisors })
  iterate(diagonal, beside, rotateRows(basis.data, n))
  return { values: diagonal, vectors: basis }
}

// --- internal ---

/** QL steps until `d` holds the eigenvalues; what they do to the basis goes to `rotations`. */
function iterate(d: Float64Array, e: Float64Array, rotations: RowRotations): void {
  const n = d.length
  let norm = 0
  for (let i = 0; i < n; i++) norm = Math.max(norm, Math.abs(d[i] as number) + Math.abs(e[i] as number))
  // relative to the neighbours, but no smaller than rounding errors of the whole matrix: in a low-rank one (labels) most values are such errors
  const isNegligible = (i: number): boolean => {
    const near = Math.abs(d[i] as number) + Math.abs(d[i + 1] as number)
    return Math.abs(e[i] as number) <= EPSILON * near + EPSILON * norm
  }
  const turns = new Float64Array(2 * n)
  for (let start = 0; start < n; start++) {
    for (let step = 0; ; step++) {
      let end = start
      while (end < n - 1 && !isNegligible(end)) end++
      if (end === start) break
      if (step === MAX_STEPS) throw new NumericError(`no eigenvalues of a ${n} x ${n} matrix after ${MAX_STEPS} steps`)
      rotations.rotate(end, turns, stepQl(d, e, start, end, turns))
    }
  }
  rotations.finish()
}

/** One implicit QL step on the unreduced block start .. end: rotations of neighbouring rows chase the bulge upwards. Returns their number. */
function stepQl(d: Float64Array, e: Float64Array, start: number, end: number, turns: Float64Array): number {
  const ratio = ((d[start + 1] as number) - (d[start] as number)) / (2 * (e[start] as number))
  const root = Math.sqrt(ratio * ratio + 1)
  const shift = (d[start] as number) - (e[start] as number) / (ratio + (ratio < 0 ? -root : root))
  let g = (d[end] as number) - shift
  let sine = 1
  let cosine = 1
  let carried = 0
  let count = 0
  for (let i = end - 1; i >= start; i--) {
    const f = sine * (e[i] as number)
    const b = cosine * (e[i] as number)
    const r = Math.sqrt(f * f + g * g)
    e[i + 1] = r
    if (r === 0) {
      // the block splits here: undo the pending shift and let the caller look again
      d[i + 1] = (d[i + 1] as number) - carried
      e[end] = 0
      return count
    }
    sine = f / r
    cosine = g / r
    const base = (d[i + 1] as number) - carried
    const mixed = ((d[i] as number) - base) * sine + 2 * cosine * b
    carried = sine * mixed
    d[i + 1] = base + carried
    g = cosine * mixed - b
    turns[2 * count] = sine
    turns[2 * count + 1] = cosine
    count++
  }
  d[start] = (d[start] as number) - carried
  e[start] = g
  e[end] = 0
  return count
}
