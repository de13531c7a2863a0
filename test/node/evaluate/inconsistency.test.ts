import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifierBound, cosineDistance, variationBound } from '../../../node/evaluate/inconsistency.ts'
import { heldOutClasses } from '../../../node/evaluate/pair-classifier.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'
import { float64, known } from './known.ts'

const [ROWS, COLUMNS] = [400, 8]

function uniformRows(seed: string, { scale = 1, shift = 0 } = {}): Matrix32 {
  const stream = createRandomStream(seed)
  const data = Float32Array.from({ length: ROWS * COLUMNS }, () => scale * (stream.uniform() - 0.5) + shift)
  return matrix(ROWS, COLUMNS, data)
}

describe('the bound of the total variation distance', () => {
  it.each(known.variation)('predicts as the same classifier of scikit-learn does', async one => {
    const predicted = await heldOutClasses({
      rows: float64(one.rows),
      labels: Int32Array.from(one.labels),
      fit: Int32Array.from(one.fit),
      test: Int32Array.from(one.test),
      directions: float64(one.directions)
    })
    expect([...predicted]).toEqual(one.predicted)
  })

  it('is about 0 for a participant and itself, whatever the seed', async () => {
    const own = uniformRows('own')
    for (const seed of [0, 1, 2]) {
      // four standard errors of 400 rows
      expect(Math.abs(await variationBound({ a: own, b: own, seed }))).toBeLessThan(0.2)
    }
  })

  it('is about 1 where every row gives its author away', async () => {
    expect(await variationBound({ a: uniformRows('a'), b: uniformRows('b', { shift: 2 }), seed: 0 })).toBe(1)
  })

  it('sees a difference that no mean shows, and never exceeds the truth by more than noise', async () => {
    // a cube of half the width has 2^-8 of the volume: the true distance is 1 - 2^-8
    const bound = await variationBound({ a: uniformRows('a'), b: uniformRows('b', { scale: 0.5 }), seed: 0 })
    expect(bound).toBeGreaterThan(0.6)
    // uniform on [0, 1] and on [0.2, 1.2] in one of the dimensions: 0.2
    const [a, b] = [uniformRows('a'), uniformRows('b')]
    for (let i = 0; i < ROWS; i++) b.data[i * COLUMNS] = (b.data[i * COLUMNS] as number) + 0.2
    expect(await variationBound({ a, b, seed: 0 })).toBeLessThan(0.2 + 0.15)
  })

  it('says how many rows it needs, and that shapes must agree', async () => {
    const own = uniformRows('own')
    const few = matrix(ROWS, COLUMNS, own.data.slice())
    for (let i = 30; i < ROWS; i++) few.data.set(ABSENT(COLUMNS), i * COLUMNS)
    await expect(variationBound({ a: own, b: few, seed: 0 })).rejects.toThrow('30 rows have targets of both')
    const narrow = { rows: 4, columns: 2, data: new Float64Array(8) }
    await expect(classifierBound(narrow, { ...narrow, columns: 1, rows: 8 }, { seed: 0 })).rejects.toThrow('2 and 1')
  })
})

describe('the cosine distance', () => {
  const rows = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: -9, max: 9 })), { minLength: 1 })
  const of = (list: [number, number][]): Matrix32 => matrix(list.length, 2, Float32Array.from(list.flat()))

  it('is 0 for equal directions, 2 for opposite ones, and the same both ways', () => {
    fc.assert(
      fc.property(rows, rows, (left, right) => {
        const n = Math.min(left.length, right.length)
        const [a, b] = [of(left.slice(0, n)), of(right.slice(0, n))]
        expect(cosineDistance(a, { ...a, data: a.data.map(v => 3 * v) })).toBeCloseTo(0, 6)
        expect(cosineDistance(a, { ...a, data: a.data.map(v => -v) })).toBeCloseTo(2, 6)
        expect(cosineDistance(a, b)).toBeCloseTo(cosineDistance(b, a) ?? 9, 12)
      })
    )
  })

  it('leaves out rows that one of them lacks, and says nothing without any', () => {
    const a = of([
      [1, 0],
      [0, 1]
    ])
    const b = of([
      [0, 2],
      [0, 2]
    ])
    expect(cosineDistance(a, b)).toBeCloseTo(0.5, 12)
    b.data.set(ABSENT(2), 0)
    expect(cosineDistance(a, b)).toBeCloseTo(0, 12)
    b.data.set(ABSENT(2), 2)
    expect(cosineDistance(a, b)).toBeUndefined()
  })
})
