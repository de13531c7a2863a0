/**
 * Do two sets of vectors for the same rows agree on which rows resemble each other? Overlap of k-nearest-neighbour sets.
 *
 * Rows are unit vectors, nearest means largest dot product, ties go to the lower row: bit-exact in plain float64. Two unrelated sets
 * overlap in k / (rows - 1) of their neighbours.
 */
import type { Matrix64 } from '../matrix.ts'
import { multiplyByTranspose } from '../gemm.ts'

/** Mean over rows of |N_a(i) and N_b(i)| / k, in [0, 1]; `k` is cut to rows - 1. Both have the same rows, of length 1 (or 0). */
export function neighbourOverlap(a: Matrix64, b: Matrix64, k: number): number {
  const size = Math.min(k, a.rows - 1)
  const inA = nearest(a, size)
  const inB = nearest(b, size)
  let shared = 0
  for (let i = 0; i < a.rows; i++) {
    const own = new Set(inA.subarray(i * size, (i + 1) * size))
    for (const j of inB.subarray(i * size, (i + 1) * size)) if (own.has(j)) shared++
  }
  return shared / (a.rows * size)
}

/** Overlap of unrelated sets. */
export function chanceOverlap(rows: number, k: number): number {
  return Math.min(k, rows - 1) / (rows - 1)
}

// --- internal ---

/** The `k` nearest rows of every row, rows x k. */
function nearest(u: Matrix64, k: number): Int32Array {
  const products = multiplyByTranspose(u, u)
  const found = new Int32Array(u.rows * k)
  const best = new Float64Array(k)
  for (let i = 0; i < u.rows; i++) {
    const names = found.subarray(i * k, (i + 1) * k)
    let count = 0
    for (let j = 0; j < u.rows; j++) {
      if (j === i) continue
      const value = products.data[i * u.rows + j] as number
      if (count === k && value <= (best[k - 1] as number)) continue
      // insertion into a short sorted list; an equal value stays behind the earlier row
      let at = count < k ? count++ : k - 1
      for (; at > 0 && (best[at - 1] as number) < value; at--) {
        best[at] = best[at - 1] as number
        names[at] = names[at - 1] as number
      }
      best[at] = value
      names[at] = j
    }
  }
  return found
}
