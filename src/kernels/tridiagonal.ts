/**
 * Householder tridiagonalisation of a symmetric matrix, and rotations of the rows of a basis: the two heavy halves of an eigensolver.
 *
 * Order of the first, at every step: a_ij - v_i p_j - p_i v_j, then the sums of a_ij w_j over j ascending. The matrix is updated while it
 * is multiplied by the next reflection vector, so each number is read and written once a step.
 */
import { workspace } from './kernels.ts'
import { STRIP } from './reflect-kernel.ts'

export interface Tridiagonal {
  readonly diagonal: Float64Array
  /** `beside[i]` couples i and i + 1 */
  readonly beside: Float64Array
  /** n x n: row k holds the k-th reflection vector v from element k + 1 on */
  readonly vectors: Float64Array
  /** 2 / (v.v); 0 without a reflection */
  readonly factors: Float64Array
}

/** Q^T A Q for symmetric `a` (n x n), which is kept. */
export function tridiagonalise(a: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n)
  const beside = new Float64Array(n)
  const factors = new Float64Array(n)
  const vectors = new Float64Array(n * n)
  // columns one after the other, of even length, with one to spare: the kernel works on pairs
  const stride = n + (n % 2)
  let v = stride * (stride + 1)
  let w = v + stride + 2
  const p = w + stride + 2
  const sums = p + stride + 2
  const { kernels, numbers } = workspace(sums + stride + 2)
  numbers.fill(0, 0, sums + stride + 2)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) numbers[j * stride + i] = a[i * n + j] as number
  for (let k = 0; k < n; k++) {
    const row = vectors.subarray(k * n, (k + 1) * n)
    const [vk, pk] = [numbers[v + k] as number, numbers[p + k] as number]
    for (let j = k; j < n; j++) {
      row[j] = (numbers[j * stride + k] as number) - vk * (numbers[p + j] as number) - pk * (numbers[v + j] as number)
    }
    diagonal[k] = row[k] as number
    if (k === n - 1) break
    const { coupling, factor } = toReflection(row.subarray(k + 1))
    beside[k] = coupling
    factors[k] = factor
    const start = k + 1
    numbers.fill(0, w, w + stride + 2)
    if (factor !== 0) numbers.set(row.subarray(start), w + start)
    numbers.fill(0, sums, sums + stride + 2)
    const [first, end] = [8 * (start - (start % 2)), 8 * stride]
    kernels.update(8 * start * stride, 8 * stride, 8 * v, 8 * p, 8 * w, first, end, 8 * start, 8 * sums)
    numbers.fill(0, p, p + stride + 2)
    if (factor !== 0) {
      let half = 0
      for (let i = start; i < n; i++) {
        const value = factor * (numbers[sums + i] as number)
        numbers[p + i] = value
        half += value * (row[i] as number)
      }
      half *= factor / 2
      for (let i = start; i < n; i++) numbers[p + i] = (numbers[p + i] as number) - half * (row[i] as number)
    }
    ;[v, w] = [w, v]
  }
  return { diagonal, beside, vectors, factors }
}

export interface RowRotations {
  /** Rotates rows i and i + 1 for i = end - 1 down to end - count, by (sine, cosine) pairs in this order. */
  rotate(end: number, turns: Float64Array, count: number): void
  /** Carries out what was asked and copies the rows back. */
  finish(): void
}

/** Sweeps wait until this many rotations are collected, so that a strip of columns stays in the first-level cache for all of them. */
const MOST_TURNS = 16_384

/** For rows of `x` (n x n). Until `finish` the workspace is in use. */
export function rotateRows(x: Float64Array, n: number): RowRotations {
  const strips = Math.ceil(n / STRIP)
  const turnsAt = strips * n * STRIP
  const capacity = Math.max(MOST_TURNS, n)
  const { kernels, numbers } = workspace(turnsAt + 2 * capacity)
  numbers.fill(0, 0, turnsAt)
  copyStrips(n, (at, from, width) => numbers.set(x.subarray(from, from + width), at))
  let waiting: Array<{ end: number; from: number; count: number }> = []
  let used = 0
  const flush = (): void => {
    for (let strip = 0; strip < strips; strip++) {
      for (const { end, from, count } of waiting) {
        kernels.rotate(8 * (strip * n + end) * STRIP, 8 * (turnsAt + 2 * from), count)
      }
    }
    waiting = []
    used = 0
  }
  return {
    rotate: (end, turns, count) => {
      if (count === 0) return
      if (used + count > capacity) flush()
      numbers.set(turns.subarray(0, 2 * count), turnsAt + 2 * used)
      waiting.push({ end, from: used, count })
      used += count
    },
    finish: () => {
      flush()
      copyStrips(n, (at, from, width) => x.set(numbers.subarray(at, at + width), from))
    }
  }
}

// --- internal ---

/** `v` becomes the reflection vector that takes it to a multiple of the first unit vector, unless it is one already. */
function toReflection(v: Float64Array): { coupling: number; factor: number } {
  const first = v[0] as number
  let rest = 0
  for (let i = 1; i < v.length; i++) rest += (v[i] as number) * (v[i] as number)
  if (rest === 0) return { coupling: first, factor: 0 }
  const length = Math.sqrt(rest + first * first)
  v[0] = first < 0 ? first - length : first + length
  return { coupling: first < 0 ? length : -length, factor: 2 / (rest + v[0] * v[0]) }
}

function copyStrips(n: number, copy: (at: number, from: number, width: number) => void): void {
  for (let left = 0; left < n; left += STRIP) {
    const width = Math.min(STRIP, n - left)
    for (let i = 0; i < n; i++) copy(left * n + i * STRIP, i * n + left, width)
  }
}
