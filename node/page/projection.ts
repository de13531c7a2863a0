/**
 * Rows on their first two principal components: the plane in which they differ most. Deterministic, and it says how much of the whole it shows.
 * By orthogonal iteration on the centred rows (Golub and Van Loan, Matrix Computations, 8.2.4).
 */
import { setImmediate as turn } from 'node:timers/promises'

export interface Projection {
  /** For each row */
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** Share of the variance along each axis, 0 to 1 */
  readonly explained: readonly [number, number]
}

/** The angle error shrinks with every one by the ratio of neighbouring eigenvalues: more changes nothing that an eye sees. */
const ITERATIONS = 40

/** Undefined for fewer than three rows, or rows that are all alike. Gives the event loop a turn after each product. */
export async function projectTwo(rows: readonly Float32Array[]): Promise<Projection | undefined> {
  const dimension = rows[0]?.length ?? 0
  if (rows.length < 3 || dimension < 2) return undefined
  const mean = new Float64Array(dimension)
  for (const row of rows) for (let i = 0; i < dimension; i++) mean[i]! += row[i]! / rows.length
  const centred = rows.map(row => Float64Array.from(row, (v, i) => v - mean[i]!))
  const total = centred.reduce((sum, row) => sum + dot(row, row), 0)
  if (!(total > 1e-9)) return undefined
  // any start that is not orthogonal to the answer will do; the same for everybody
  let first = Float64Array.from({ length: dimension }, (_, i) => Math.cos(i + 1))
  let second = Float64Array.from({ length: dimension }, (_, i) => Math.sin(2 * i + 1))
  for (let i = 0; i < ITERATIONS; i++) {
    first = normal(product(centred, first))
    second = product(centred, second)
    const along = dot(first, second)
    second = normal(second.map((v, k) => v - along * first[k]!))
    await turn()
  }
  const points = centred.map(row => [dot(row, first), dot(row, second)] as const)
  const share = (axis: 0 | 1): number => points.reduce((sum, p) => sum + p[axis] ** 2, 0) / total
  return { points, explained: [share(0), share(1)] }
}

/** The row at length 1; a row of zeros stays. */
export function unit(row: Float32Array): Float32Array {
  const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0)) || 1
  return row.map(v => v / length)
}

// --- internal ---

/** X^T X v */
function product(rows: readonly Float64Array[], v: Float64Array): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v.length)
  for (const row of rows) {
    const along = dot(row, v)
    for (let i = 0; i < out.length; i++) out[i]! += along * row[i]!
  }
  return out
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function normal(v: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const length = Math.sqrt(dot(v, v)) || 1
  return v.map(value => value / length)
}
