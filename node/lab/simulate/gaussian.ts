/** Normal numbers from a reproducible stream, for targets without information: noise, random codes. */
import { zeros, type Matrix64 } from '../../../src/matrix.ts'
import type { RandomStream } from '../../../src/random.ts'

/** rows x columns standard normal numbers (Marsaglia's polar method). */
export function gaussian(rows: number, columns: number, stream: RandomStream): Matrix64 {
  const m = zeros(rows, columns)
  for (let at = 0; at < m.data.length; at += 2) {
    let x: number
    let y: number
    let square: number
    do {
      x = 2 * stream.uniform() - 1
      y = 2 * stream.uniform() - 1
      square = x * x + y * y
    } while (square >= 1 || square === 0)
    const factor = Math.sqrt((-2 * Math.log(square)) / square)
    m.data[at] = factor * x
    if (at + 1 < m.data.length) m.data[at + 1] = factor * y
  }
  return m
}
