import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowWeights } from '../../../src/align/row-weight.ts'
import { fitTransform, applyTransform, DEFAULT_GRID } from '../../../src/align/transform.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../../src/matrix.ts'
import { distance, float32, vectors } from '../../helpers/vectors.ts'

interface Case {
  rows: number
  shared: number
  targets: { columns: number; data: number[] }
  reference: { columns: number; data: number[] }
  weights: number[]
}

/** Small multiples of 1/1024: scaled by a power of two they stay exact. */
const value = fc.integer({ min: -100_000, max: 100_000 }).map(k => k / 1024)

/** A matrix of 1 to 12 rows. */
const some = (columns: number, minRows = 1): fc.Arbitrary<Matrix32> =>
  fc
    .array(fc.array(value, { minLength: columns, maxLength: columns }), { minLength: minRows, maxLength: 12 })
    .map(rows => matrix(rows.length, columns, Float32Array.from(rows.flat())))

/** Whose rows differ by more than rounding. */
const reference = (columns: number): fc.Arbitrary<Matrix32> =>
  some(columns, 2).filter(
    ({ data }) => Math.max(...data.subarray(0, columns)) - Math.max(...data.subarray(columns)) > 1
  )

const absentAt = (m: Matrix32, i: number): Matrix32 => {
  const data = m.data.slice()
  data.set(ABSENT(m.columns), i * m.columns)
  return { ...m, data }
}

describe('rowWeights', () => {
  test.each(vectors<{ cases: Case[] }>('row-weight').cases.map((c, i) => [i, c] as const))(
    'equals numpy, case %i',
    (_, { rows, shared, targets, reference: star, weights }) => {
      expect(distance(rowWeights(float32(rows, targets), float32(shared, star)), weights)).toBeLessThan(1e-6)
    }
  )

  test('lies in [0, 1], is 0 for an absent row, and that of a row whatever the others are', () => {
    fc.assert(
      fc.property(some(3), reference(3), fc.nat(), (targets, star, pick) => {
        const weights = rowWeights(targets, star)
        expect(weights.every(w => w >= 0 && w <= 1)).toBe(true)
        const i = pick % targets.rows
        const alone = matrix(1, 3, row(targets, i).slice())
        expect(rowWeights(alone, star)[0]).toBe(weights[i])
        const gone = rowWeights(absentAt(targets, i), star)
        expect([...gone]).toEqual([...weights].map((w, k) => (k === i ? 0 : w)))
      })
    )
  })

  test('does not depend on the order of the reference beyond rounding, nor on its absent rows at all', () => {
    fc.assert(
      fc.property(some(3), reference(3), (targets, star) => {
        const back = new Float32Array(star.data.length)
        for (let i = 0; i < star.rows; i++) back.set(row(star, i), (star.rows - 1 - i) * 3)
        const weights = rowWeights(targets, star)
        expect(distance(rowWeights(targets, { ...star, data: back }), weights)).toBeLessThan(1e-6)
        const more = matrix(star.rows + 1, 3, Float32Array.from([...star.data, 0, 0, 0]))
        expect(rowWeights(targets, absentAt(more, star.rows))).toEqual(weights)
      })
    )
  })

  test('grows with the distance from the mean of the reference, up to 1, and is 0 there', () => {
    const star = matrix(2, 2, Float32Array.of(1, 0, -1, 4)) // mean (0, 2), mean squared distance 5
    const steps = Float32Array.from({ length: 40 }, (_, i) => i / 10)
    const data = Float32Array.from([...steps].flatMap(step => [step, 2]))
    const weights = rowWeights(matrix(40, 2, data), star)
    expect(weights[0]).toBe(0)
    for (let i = 1; i < 40; i++) expect(weights[i]).toBeGreaterThanOrEqual(weights[i - 1] as number)
    expect(weights[10]).toBe(Math.fround(1 / 5))
    expect(weights[39]).toBe(1)
  })

  test('is the same when targets and reference are scaled together by a power of two', () => {
    fc.assert(
      fc.property(some(3), reference(3), fc.integer({ min: -8, max: 8 }), (targets, star, power) => {
        const scaled = (m: Matrix32): Matrix32 => ({ ...m, data: m.data.map(x => x * 2 ** power) })
        expect(rowWeights(scaled(targets), scaled(star))).toEqual(rowWeights(targets, star))
      })
    )
  })

  test('of a prior that knows nothing of the reference is near 0, of one that knows all of it near 1', async () => {
    const m = 400
    const noise = (seed: number): Matrix32 =>
      matrix(
        m,
        8,
        Float32Array.from({ length: m * 8 }, (_, i) => ((Math.sin((i + 1) * seed) * 43758.5453) % 1) - 0.5)
      )
    const star = noise(12.9898)
    const mean = async (from: Matrix32): Promise<number> => {
      const transform = await fitTransform({ from, to: star, grid: DEFAULT_GRID, gemm: plainGemm })
      const weights = rowWeights(await applyTransform(transform, from, plainGemm), star)
      return weights.reduce((sum, w) => sum + w, 0) / m
    }
    expect(await mean(noise(78.233))).toBeLessThan(0.1)
    expect(await mean(star)).toBeGreaterThan(0.8)
  })

  test('refuses what has no weight', () => {
    const star = matrix(2, 2, Float32Array.of(1, 0, -1, 4))
    const one = (...values: number[]): Matrix32 => matrix(1, values.length, Float32Array.from(values))
    expect(() => rowWeights(one(1), star)).toThrow(NumericError)
    expect(() => rowWeights(one(1, Infinity), star)).toThrow('row 0')
    expect(() => rowWeights(one(1, 2), matrix(2, 2, Float32Array.of(3, 4, 3, 4)))).toThrow('the same on every')
    expect(() => rowWeights(one(1, 2), absentAt(one(1, 2), 0))).toThrow(NumericError)
  })
})
