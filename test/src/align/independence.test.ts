import { describe, expect, test } from 'vitest'
import { flattened, independence, rowsFor, sideOf } from '../../../src/align/independence.ts'
import { columnMeans, subtractRow, takeRows } from '../../../src/align/rows.ts'
import { NumericError } from '../../../src/errors.ts'
import type { Matrix64 } from '../../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'

const all = (rows: number): number[] => Array.from({ length: rows }, (_, i) => i)
const wide = (m: Parameters<typeof takeRows>[0]): Matrix64 => takeRows(m, all(m.rows))

/** Every order of 0 .. n - 1. */
function orders(n: number): number[][] {
  if (n === 0) return [[]]
  return orders(n - 1).flatMap(order => all(n).map(at => [...order.slice(0, at), n - 1, ...order.slice(at)]))
}

/** tr(A B) written out with m x m matrices, rows of Y in the given order. */
function statistic(x: Matrix64, y: Matrix64, order: ArrayLike<number>): number {
  const centred = (m: Matrix64): Matrix64 => {
    const copy = { ...m, data: m.data.slice() }
    return subtractRow(copy, columnMeans(copy))
  }
  const [a, b] = [centred(x), centred(y)]
  const dot = (m: Matrix64, i: number, j: number): number => {
    let sum = 0
    for (let c = 0; c < m.columns; c++)
      sum += (m.data[i * m.columns + c] as number) * (m.data[j * m.columns + c] as number)
    return sum
  }
  let sum = 0
  for (let i = 0; i < x.rows; i++)
    for (let j = 0; j < x.rows; j++) sum += dot(a, i, j) * dot(b, order[i] as number, order[j] as number)
  return sum
}

function momentsOf(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length
  return { mean, deviation: Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length) }
}

describe('test of independence', () => {
  test.each([
    [5, 2, 3],
    [6, 3, 1],
    [7, 1, 2],
    [7, 12, 9]
  ])('mean and variance are those of all permutations of %i rows (%i and %i columns)', (rows, d, n) => {
    const x = gaussian(rows, d, 'x', `${rows}`)
    // rows of very different lengths, so that the part of the variance that comes from them matters
    const y = gaussian(rows, n, 'y', `${rows}`)
    y.data.forEach((value, at) => (y.data[at] = value * (1 + (at % rows)) ** 2))
    const { mean, deviation } = momentsOf(orders(rows).map(order => statistic(x, y, order)))
    const identity = statistic(x, y, all(rows))
    const found = independence(sideOf(x), sideOf(y))
    expect(found.excess).toBeCloseTo((identity - mean) / deviation, 8)
    expect(found.freedom).toBeCloseTo((2 * mean * mean) / (deviation * deviation), 6)
  })

  test('z of unrelated sets is near a normal number, of rank 1 as of rank 64', () => {
    for (const rank of [1, 2, 64]) {
      const reference = sideOf(gaussian(120, 12, 'reference'))
      const zs = all(400).map(i => independence(reference, sideOf(gaussian(120, rank, 'noise', `${rank} ${i}`))).z)
      const { mean, deviation } = momentsOf(zs)
      // 400 draws: the mean has a standard error of 0.05, the deviation one of 0.035
      expect(Math.abs(mean)).toBeLessThan(0.25)
      expect(Math.abs(deviation - 1)).toBeLessThan(0.2)
      expect(Math.max(...zs)).toBeLessThan(4.5)
    }
  })

  test('z grows with the rows, and a few of them tell how many are enough', () => {
    const hidden = gaussian(1600, 8, 'causes')
    const sides = (rows: number) => {
      const taken = { ...hidden, rows, data: hidden.data.slice(0, rows * 8) }
      return [sideOf(wide(honest(taken, 24, 2, 'a'))), sideOf(wide(honest(taken, 24, 2, 'b')))] as const
    }
    const few = independence(...sides(200))
    const many = independence(...sides(1600))
    expect(many.z).toBeGreaterThan(few.z)
    const estimate = rowsFor(many.z, few, 200)
    expect(estimate).toBeGreaterThan(1600 / 1.4)
    expect(estimate).toBeLessThan(1600 * 1.4)
    expect(rowsFor(few.z, few, 200)).toBeLessThanOrEqual(201)
    expect(rowsFor(5, { z: -1, excess: -1, freedom: 40 }, 200)).toBe(Infinity)
  })

  test('does not depend on units, rotations or the order of the sides', () => {
    const x = () => wide(honest(gaussian(60, 4, 'c'), 7, 1, 'x'))
    const y = () => wide(honest(gaussian(60, 4, 'c'), 90, 1, 'y'))
    const { z } = independence(sideOf(x()), sideOf(y()))
    expect(independence(sideOf(y()), sideOf(x())).z).toBeCloseTo(z, 10)
    const scaled = x()
    scaled.data.forEach((value, at) => (scaled.data[at] = 1000 * value + 5))
    expect(independence(sideOf(scaled), sideOf(y())).z).toBeCloseTo(z, 8)
    const order = shuffle(60, createRandomStream('test', 'order'))
    expect(independence(sideOf(takeRows(x(), order)), sideOf(takeRows(y(), order))).z).toBeCloseTo(z, 10)
  })

  test('what does not vary has z 0, and too few rows are an error', () => {
    const constant = { rows: 20, columns: 3, data: new Float64Array(60).fill(0.1) }
    expect(independence(sideOf(constant), sideOf(gaussian(20, 3, 'y')))).toMatchObject({ z: 0, excess: 0 })
    expect(() => sideOf(gaussian(3, 3, 'y'))).toThrow(NumericError)
    expect(() => independence(sideOf(gaussian(5, 3, 'x')), sideOf(gaussian(6, 3, 'x')))).toThrow(NumericError)
  })

  test('flattened features have the hat matrix of a ridge regression as their Gram matrix', () => {
    const x = wide(noise(40, 5, 'x'))
    subtractRow(x, columnMeans(x))
    const flat = flattened(x, 0.5)
    // H X = X (X^T X + lambda I)^-1 X^T X: with one direction it is s^2 / (s^2 + lambda) times X
    const one = { rows: 40, columns: 1, data: Float64Array.from(all(40), i => x.data[i * 5] as number) }
    const strength = one.data.reduce((sum, v) => sum + v * v, 0)
    const ratio = (flattened(one, 0.5).data[7] as number) / (one.data[7] as number)
    expect(ratio).toBeCloseTo(1 / Math.sqrt(strength * 1.5), 12)
    expect(flat.rows).toBe(40)
    const trace = sideOf(flat).trace
    expect(trace).toBeLessThan(5)
    expect(trace).toBeGreaterThan(5 / 2)
    expect(() => flattened({ rows: 4, columns: 1, data: new Float64Array(4) }, 1)).toThrow(NumericError)
  })
})
