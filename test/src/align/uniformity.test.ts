import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { multiplyByTranspose } from '../../../src/gemm.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { rawCid } from '../../../src/codec.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix } from '../../../src/matrix.ts'
import { projection } from '../../../src/optimize/projection.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { gaussian } from '../../helpers/synthetic-priors.ts'
import { float32, vectors } from '../../helpers/vectors.ts'

interface Known {
  cases: Array<{
    rows: number
    columns: number
    targets: number[]
    values: Array<{ t: number; centred: boolean; value: number }>
  }>
}
const paper = { t: 2, centred: false }

describe('uniform value', () => {
  const cases = vectors<Known>('uniformity').cases.flatMap(({ values, ...c }) => values.map(v => ({ ...c, ...v })))
  test.each(cases)('V of $rows x $columns, t = $t, centred $centred equals that of scipy', c => {
    expect(Math.abs(uniformValue(float32(c.rows, { columns: c.columns, data: c.targets }), c) - c.value)).toBeLessThan(
      1e-12
    )
  })

  test('the bits of V are pinned: every peer must get these', () => {
    expect([
      uniformValue(gaussian(700, 32, 'pinned'), paper),
      uniformValue(gaussian(90, 5, 'pinned'), { t: 2, centred: true })
    ]).toMatchInlineSnapshot(`
      [
        -3.753281918076455,
        -2.6845418418360154,
      ]
    `)
  })

  const shape = fc.tuple(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 12 }), fc.string())

  test('V stays within the bounds of method and Jensen, and does not change with scale', () => {
    fc.assert(
      fc.property(shape, fc.constantFrom(0.5, 2, 16), fc.boolean(), ([rows, columns, seed], t, centred) => {
        const y = gaussian(rows, columns, seed)
        const v = uniformValue(y, { t, centred })
        expect(v).toBeLessThanOrEqual(0)
        expect(v).toBeGreaterThanOrEqual((-2 * t * rows) / (rows - 1) - 1e-6)
        const bigger = matrix(
          rows,
          columns,
          y.data.map(x => 8 * x)
        )
        expect(uniformValue(bigger, { t, centred })).toBeCloseTo(v, 12)
      })
    )
  })

  test('V does not change under rotation, under W, or with the order of the rows', () => {
    fc.assert(
      fc.property(shape, fc.boolean(), ([rows, columns, seed], centred) => {
        const y = gaussian(rows, columns, seed)
        const v = uniformValue(y, { t: 2, centred })
        for (const n of [columns, columns + 5]) {
          const turned = multiplyByTranspose(y, projection(rawCid(Uint8Array.of(n)), columns, n))
          expect(uniformValue(turned, { t: 2, centred })).toBeCloseTo(v, 10)
        }
        const order = shuffle(rows, createRandomStream(seed))
        const mixed = matrix(
          rows,
          columns,
          Float64Array.from([...order].flatMap(i => [...y.data.subarray(i * columns, (i + 1) * columns)]))
        )
        expect(uniformValue(mixed, { t: 2, centred })).toBeCloseTo(v, 12)
      })
    )
  })

  test('centring on S makes V ignore a common offset', () => {
    const y = gaussian(50, 6, 'offset')
    const shifted = matrix(
      50,
      6,
      y.data.map((x, i) => x + (i % 6))
    )
    expect(uniformValue(shifted, { t: 2, centred: true })).toBeCloseTo(uniformValue(y, { t: 2, centred: true }), 10)
    expect(uniformValue(shifted, paper)).toBeGreaterThan(uniformValue(y, paper) + 0.5)
  })

  test('rows beyond one tile are all counted', () => {
    const y = gaussian(1100, 3, 'tiles')
    let sum = 0
    const unit = Array.from({ length: 1100 }, (_, i) => {
      const r = [...y.data.subarray(3 * i, 3 * i + 3)]
      const length = Math.hypot(...r)
      return r.map(x => x / length)
    })
    for (const [i, a] of unit.entries()) {
      for (const b of unit.slice(i + 1)) sum += Math.exp(-2 * a.reduce((s, x, c) => s + (x - (b[c] ?? 0)) ** 2, 0))
    }
    expect(uniformValue(y, paper)).toBeCloseTo(Math.log(sum / ((1100 * 1099) / 2)), 11)
  })

  test('balanced one-hot labels score what the method says', () => {
    for (const classes of [2, 10, 100]) {
      const y = matrix(1000, classes, new Float32Array(1000 * classes))
      for (let i = 0; i < 1000; i++) y.data[i * classes + (i % classes)] = 1
      const same = (1000 / classes - 1) / 999
      // two classes are at squared distance 2; method.md quotes the limit of many rows: -2.15 for 10 classes, -3.57 for 100
      expect(uniformValue(y, paper)).toBeCloseTo(Math.log(same + (1 - same) * Math.exp(-4)), 11)
    }
  })

  test('absent rows are left out', () => {
    const y = float32(6, { columns: 2, data: [1, 0, 0, 0, 0, 1, 0, 0, -1, 0, 1, 1] })
    const present = float32(4, { columns: 2, data: [1, 0, 0, 1, -1, 0, 1, 1] })
    y.data.set(ABSENT(2), 2)
    y.data.set(ABSENT(2), 6)
    expect(uniformValue(y, paper)).toBe(uniformValue(present, paper))
  })

  test('equal rows have V = 0; a zero row counts as the zero vector', () => {
    expect(uniformValue(float32(3, { columns: 2, data: [3, 4, 3, 4, 3, 4] }), paper)).toBe(0)
    expect(uniformValue(float32(2, { columns: 2, data: [3, 4, 0, 0] }), paper)).toBeCloseTo(-2, 14)
  })

  test.each<[string, Matrix]>([
    ['one row', float32(1, { columns: 2, data: [1, 2] })],
    ['an infinite value', float32(2, { columns: 2, data: [1, 2, Infinity, 1] })],
    ['half a row of NaN', float32(2, { columns: 2, data: [1, 2, 3, NaN] })]
  ])('%s is an error', (_, y) => {
    expect(() => uniformValue(y, paper)).toThrow(NumericError)
  })
})
