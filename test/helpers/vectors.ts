/** Known answers made by scripts/make-vectors.py with numpy, scipy and scikit-learn. */
import { readFileSync } from 'node:fs'
import { matrix, type Matrix32 } from '../../src/matrix.ts'

/** The file is ours, its shape is what the script writes: T describes it. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as T
}

export function float32(rows: number, { columns, data }: { columns: number; data: number[] }): Matrix32 {
  return matrix(rows, columns, Float32Array.from(data))
}

/** max |a - b| relative to the largest |b|. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let most = 0
  let size = 0
  for (let i = 0; i < b.length; i++) {
    most = Math.max(most, Math.abs((a[i] as number) - (b[i] as number)))
    size = Math.max(size, Math.abs(b[i] as number))
  }
  return most / (size || 1)
}
