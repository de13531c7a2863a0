/** Synthetic priors: random non-linear maps of common hidden causes (honest), or of nothing (noise). Reproducible. */
import { createRandomStream, type RandomStream } from '../../src/random.ts'
import { zeros, type Matrix32, type Matrix64 } from '../../src/matrix.ts'

/** Near enough to a normal number for tests: the sum of four uniform ones, scaled to variance 1. */
export function normal(stream: RandomStream): number {
  return (stream.uniform() + stream.uniform() + stream.uniform() + stream.uniform() - 2) * Math.sqrt(3)
}

export function gaussian(rows: number, columns: number, ...seed: string[]): Matrix64 {
  const stream = createRandomStream('test', ...seed)
  const m = zeros(rows, columns)
  for (let i = 0; i < m.data.length; i++) m.data[i] = normal(stream)
  return m
}

/** `rows x columns` targets of a prior that sees the hidden causes (rows x h) through a random ReLU map, plus noise of the given size. */
export function honest(hidden: Matrix64, columns: number, noise: number, seed: string): Matrix32 {
  const mix = gaussian(hidden.columns, columns, 'mix', seed)
  const own = gaussian(hidden.rows, columns, 'own', seed)
  const data = new Float32Array(hidden.rows * columns)
  for (let i = 0; i < hidden.rows; i++) {
    for (let c = 0; c < columns; c++) {
      let sum = 0
      for (let h = 0; h < hidden.columns; h++) {
        sum += (hidden.data[i * hidden.columns + h] as number) * (mix.data[h * columns + c] as number)
      }
      data[i * columns + c] = Math.max(sum, 0) + noise * (own.data[i * columns + c] as number)
    }
  }
  return { rows: hidden.rows, columns, data }
}

export function noise(rows: number, columns: number, seed: string): Matrix32 {
  return { rows, columns, data: Float32Array.from(gaussian(rows, columns, 'noise', seed).data) }
}
