/**
 * The algebra of src/ as plain loops, one number after the other: what the blocked kernels must equal bit for bit.
 */
import { NumericError } from '../../src/errors.ts'
import { zeros, type Matrix64 } from '../../src/matrix.ts'

const EPSILON = 2.220446049250313e-16
const MAX_STEPS = 60

/** A B^T */
export function multiplyByTranspose(a: Matrix64, b: Matrix64): Matrix64 {
  const out = zeros(a.rows, b.rows)
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      let sum = 0
      for (let k = 0; k < a.columns; k++)
        sum += (a.data[i * a.columns + k] as number) * (b.data[j * b.columns + k] as number)
      out.data[i * b.rows + j] = sum
    }
  }
  return out
}

export function choleskyFactor(a: Matrix64): Matrix64 {
  const n = a.rows
  const l = zeros(n, n)
  for (let i = 0; i < n; i++) {
    const own = l.data.subarray(i * n, (i + 1) * n)
    for (let j = 0; j <= i; j++) {
      const other = l.data.subarray(j * n, (j + 1) * n)
      let sum = a.data[i * n + j] as number
      for (let k = 0; k < j; k++) sum -= (own[k] as number) * (other[k] as number)
      if (j < i) {
        own[j] = sum / (other[j] as number)
        continue
      }
      if (!(sum > 0)) throw new NumericError(`row ${i}`)
      own[i] = Math.sqrt(sum)
    }
  }
  return l
}

export function solveLower(l: Matrix64, b: Matrix64): Matrix64 {
  const n = l.rows
  const x = zeros(b.rows, n)
  for (let r = 0; r < b.rows; r++) {
    const out = x.data.subarray(r * n, (r + 1) * n)
    for (let i = 0; i < n; i++) {
      let sum = b.data[r * n + i] as number
      for (let k = 0; k < i; k++) sum -= (l.data[i * n + k] as number) * (out[k] as number)
      out[i] = sum / (l.data[i * n + i] as number)
    }
  }
  return x
}

export function solveUpper(l: Matrix64, b: Matrix64): Matrix64 {
  const n = l.rows
  const x = { rows: b.rows, columns: n, data: b.data.slice() }
  for (let r = 0; r < b.rows; r++) {
    const out = x.data.subarray(r * n, (r + 1) * n)
    for (let i = n - 1; i >= 0; i--) {
      const value = (out[i] as number) / (l.data[i * n + i] as number)
      out[i] = value
      for (let k = 0; k < i; k++) out[k] = (out[k] as number) - (l.data[i * n + k] as number) * value
    }
  }
  return x
}

export function symmetricEigen(a: Matrix64): { values: Float64Array; vectors: Matrix64 } {
  const { diagonal, beside, basis } = tridiagonalise(a)
  const n = a.rows
  let norm = 0
  for (let i = 0; i < n; i++) norm = Math.max(norm, Math.abs(diagonal[i] as number) + Math.abs(beside[i] as number))
  // relative to the neighbours, and not finer than what rounding left of the whole matrix: in one of low rank (labels) most values are that
  const isNegligible = (i: number): boolean => {
    const near = Math.abs(diagonal[i] as number) + Math.abs(diagonal[i + 1] as number)
    return Math.abs(beside[i] as number) <= EPSILON * near + EPSILON * norm
  }
  for (let start = 0; start < n; start++) {
    for (let step = 0; ; step++) {
      let end = start
      while (end < n - 1 && !isNegligible(end)) end++
      if (end === start) break
      if (step === MAX_STEPS) throw new NumericError('no convergence')
      stepQl(diagonal, beside, basis, start, end)
    }
  }
  return { values: diagonal, vectors: basis }
}

/** Q^T A Q = T with diagonal and sub-diagonal (`beside[i]` couples i and i + 1); row k of `basis` is column k of Q. */
function tridiagonalise(symmetric: Matrix64): { diagonal: Float64Array; beside: Float64Array; basis: Matrix64 } {
  const n = symmetric.rows
  const a = symmetric.data.slice()
  const beside = new Float64Array(n)
  const product = new Float64Array(n)
  const factors = new Float64Array(n) // 2 / (v.v); 0 where nothing has to be reflected
  for (let k = 0; k < n - 1; k++) {
    // the reflection vector stays in row k, to the right of the diagonal
    const v = a.subarray(k * n + k + 1, (k + 1) * n)
    const first = v[0] as number
    let rest = 0
    for (let i = 1; i < v.length; i++) rest += (v[i] as number) * (v[i] as number)
    if (rest === 0) {
      beside[k] = first
      continue
    }
    const length = Math.sqrt(rest + first * first)
    beside[k] = first < 0 ? length : -length
    v[0] = first < 0 ? first - length : first + length
    const factor = 2 / (rest + v[0] * v[0])
    factors[k] = factor
    let half = 0
    for (let i = 0; i < v.length; i++) {
      const row = (k + 1 + i) * n + k + 1
      let sum = 0
      for (let j = 0; j < v.length; j++) sum += (a[row + j] as number) * (v[j] as number)
      product[i] = factor * sum
      half += (product[i] as number) * (v[i] as number)
    }
    half *= factor / 2
    for (let i = 0; i < v.length; i++) product[i] = (product[i] as number) - half * (v[i] as number)
    for (let i = 0; i < v.length; i++) {
      const row = (k + 1 + i) * n + k + 1
      const vi = v[i] as number
      const pi = product[i] as number
      for (let j = 0; j < v.length; j++) {
        a[row + j] = (a[row + j] as number) - vi * (product[j] as number) - pi * (v[j] as number)
      }
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i] as number)
  const basis = zeros(n, n)
  for (let i = 0; i < n; i++) basis.data[i * n + i] = 1
  for (let k = n - 2; k >= 0; k--) {
    const factor = factors[k] as number
    if (factor === 0) continue
    const v = a.subarray(k * n + k + 1, (k + 1) * n)
    for (let column = k + 1; column < n; column++) {
      const x = basis.data.subarray(column * n + k + 1, (column + 1) * n)
      let sum = 0
      for (let i = 0; i < v.length; i++) sum += (v[i] as number) * (x[i] as number)
      sum *= factor
      for (let i = 0; i < v.length; i++) x[i] = (x[i] as number) - sum * (v[i] as number)
    }
  }
  return { diagonal, beside, basis }
}

/** One implicit QL step on the unreduced block start .. end: the bulge is chased upwards by rotations of neighbouring rows. */
function stepQl(d: Float64Array, e: Float64Array, basis: Matrix64, start: number, end: number): void {
  const n = basis.columns
  const ratio = ((d[start + 1] as number) - (d[start] as number)) / (2 * (e[start] as number))
  const root = Math.sqrt(ratio * ratio + 1)
  const shift = (d[start] as number) - (e[start] as number) / (ratio + (ratio < 0 ? -root : root))
  let g = (d[end] as number) - shift
  let sine = 1
  let cosine = 1
  let carried = 0
  for (let i = end - 1; i >= start; i--) {
    const f = sine * (e[i] as number)
    const b = cosine * (e[i] as number)
    const r = Math.sqrt(f * f + g * g)
    e[i + 1] = r
    if (r === 0) {
      // the block splits here: undo the pending shift and let the caller look again
      d[i + 1] = (d[i + 1] as number) - carried
      e[end] = 0
      return
    }
    sine = f / r
    cosine = g / r
    const base = (d[i + 1] as number) - carried
    const mixed = ((d[i] as number) - base) * sine + 2 * cosine * b
    carried = sine * mixed
    d[i + 1] = base + carried
    g = cosine * mixed - b
    const upper = basis.data.subarray(i * n, (i + 1) * n)
    const lower = basis.data.subarray((i + 1) * n, (i + 2) * n)
    for (let k = 0; k < n; k++) {
      const u = upper[k] as number
      const w = lower[k] as number
      lower[k] = sine * u + cosine * w
      upper[k] = cosine * u - sine * w
    }
  }
  d[start] = (d[start] as number) - carried
  e[start] = g
  e[end] = 0
}
/** Q of the QR decomposition with positive diagonal of R; matrix and result hold columns as rows (wide x tall). `a` is overwritten. */
export function orthonormalise(a: Matrix64): Matrix64 {
  const { rows: wide, columns: tall } = a
  const signs = new Float64Array(wide)
  const squares = new Float64Array(wide)
  for (let k = 0; k < wide; k++) {
    const v = a.data.subarray(k * tall + k, (k + 1) * tall)
    const length = Math.sqrt(dot(v, v))
    if (length === 0) throw new NumericError('the random matrix is singular')
    const first = v[0] as number
    // R_kk = -sign(first) * length; the reflection vector's first element adds up, nothing cancels
    signs[k] = first < 0 ? 1 : -1
    v[0] = first < 0 ? first - length : first + length
    squares[k] = dot(v, v)
    for (let j = k + 1; j < wide; j++) reflect(v, squares[k] as number, a.data.subarray(j * tall + k, (j + 1) * tall))
  }
  // Q = H_0 H_1 ... applied to the first unit vectors, from the last reflection to the first; then R_kk > 0
  const q = zeros(wide, tall)
  for (let j = 0; j < wide; j++) q.data[j * tall + j] = 1
  for (let k = wide - 1; k >= 0; k--) {
    const v = a.data.subarray(k * tall + k, (k + 1) * tall)
    for (let j = k; j < wide; j++) reflect(v, squares[k] as number, q.data.subarray(j * tall + k, (j + 1) * tall))
  }
  for (let j = 0; j < wide; j++) {
    for (let i = 0; i < tall; i++) q.data[j * tall + i] = (q.data[j * tall + i] as number) * (signs[j] as number)
  }
  return q
}

/** x - 2 v (v.x) / (v.v), in place; `square` is v.v. */
function reflect(v: Float64Array, square: number, x: Float64Array): void {
  const factor = (2 * dot(v, x)) / square
  for (let i = 0; i < v.length; i++) x[i] = (x[i] as number) - factor * (v[i] as number)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
