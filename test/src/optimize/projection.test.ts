import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { multiplyByTranspose, transpose } from '../../../src/gemm.ts'
import { ABSENT, isAbsentRow } from '../../../src/bytes.ts'
import { parseCid, rawCid } from '../../../src/codec.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix } from '../../../src/matrix.ts'
import { isIsometry, MAX_PROJECTION_NUMBERS, project, projection } from '../../../src/optimize/projection.ts'
import { gaussian } from '../../helpers/synthetic-priors.ts'
import { distance, vectors } from '../../helpers/vectors.ts'

const known = vectors<{ swarm: string; cases: Array<{ l: number; n: number; w: number[] }> }>('projection')
const swarm = parseCid(known.swarm)
const dimension = fc.integer({ min: 1, max: 40 })

describe('projection W', () => {
  test.each(known.cases)('W for $l -> $n equals that of numpy', ({ l, n, w }) => {
    const ours = projection(swarm, l, n)
    expect([ours.rows, ours.columns]).toEqual([n, l])
    expect(distance(ours.data, w)).toBeLessThan(1e-12)
  })

  test('the bits of a W of common size are pinned: every peer must get these', () => {
    const { data } = projection(swarm, 96, 128)
    expect(rawCid(new Uint8Array(data.buffer)).toString()).toMatchInlineSnapshot(
      `"bafkreig37ymvgeygyebbuadui4u3tb6oyq432inowcn44gqz2n7elzcbpa"`
    )
    expect(rawCid(new Uint8Array(projection(swarm, 160, 64).data.buffer)).toString()).toMatchInlineSnapshot(
      `"bafkreig7jfigslpfmismplkzimyqirjbhpflb4lumuzr4t2emmttgkoln4"`
    )
  })

  test('columns are orthonormal for n >= l, rows are scaled orthonormal otherwise', () => {
    fc.assert(
      fc.property(dimension, dimension, (l, n) => {
        const w = projection(swarm, l, n)
        const side = isIsometry(l, n) ? transpose(w) : w
        const gram = multiplyByTranspose(side, side)
        const size = isIsometry(l, n) ? 1 : l / n
        for (let i = 0; i < gram.rows; i++) {
          for (let j = 0; j < gram.rows; j++) {
            expect(gram.data[i * gram.rows + j]).toBeCloseTo(i === j ? size : 0, 11)
          }
        }
      })
    )
  })

  test('other swarms, and other shapes, get another W', () => {
    const a = projection(swarm, 4, 6)
    expect(projection(rawCid(Uint8Array.of(1)), 4, 6).data).not.toEqual(a.data)
    expect([...projection(swarm, 4, 7).data.subarray(0, 4)]).not.toEqual([...a.data.subarray(0, 4)])
    expect(projection(swarm, 4, 6).data).toEqual(a.data)
  })

  test('an isometry keeps lengths and angles of features', () => {
    const features = matrix(30, 12, Float32Array.from(gaussian(30, 12, 'features').data))
    const targets = project(projection(swarm, 12, 20), features)
    const before = multiplyByTranspose(
      matrix(30, 12, Float64Array.from(features.data)),
      matrix(30, 12, Float64Array.from(features.data))
    )
    const wide = matrix(30, 20, Float64Array.from(targets.data))
    expect(distance(multiplyByTranspose(wide, wide).data, before.data)).toBeLessThan(1e-6)
  })

  test('an absent row stays absent and leaves the others as they are', () => {
    const w = projection(swarm, 3, 4)
    const features = matrix(3, 3, Float32Array.of(1, 2, 3, 0, 0, 0, 4, 5, 6))
    const whole = project(w, features)
    features.data.set(ABSENT(3), 3)
    const targets = project(w, features)
    expect(isAbsentRow(targets.data.subarray(4, 8))).toBe(true)
    expect(targets.data.subarray(0, 4)).toEqual(whole.data.subarray(0, 4))
    expect(targets.data.subarray(8)).toEqual(whole.data.subarray(8))
  })

  test('a batch gives the same bits as its rows one by one', () => {
    const w = projection(swarm, 7, 9)
    const features = matrix(11, 7, Float32Array.from(gaussian(11, 7, 'batch').data))
    const whole = project(w, features)
    for (let i = 0; i < 11; i++) {
      const single = project(w, matrix(1, 7, features.data.slice(i * 7, i * 7 + 7)))
      expect(single.data).toEqual(whole.data.subarray(i * 9, i * 9 + 9))
    }
  })

  test('wrong shapes, values that are not finite and giant projections are refused', () => {
    const w = projection(swarm, 3, 4)
    expect(() => project(w, matrix(1, 2, new Float32Array(2)))).toThrow(NumericError)
    expect(() => project(w, matrix(1, 3, Float32Array.of(1, NaN, 2)))).toThrow(/row 0 is not finite/)
    expect(() => project(w, matrix(1, 3, Float32Array.of(3e38, 3e38, -3e38)))).toThrow(/row 0 is not finite/)
    expect(() => projection(swarm, MAX_PROJECTION_NUMBERS, 2)).toThrow(/smaller feature/)
    expect(() => projection(swarm, 0, 2)).toThrow(NumericError)
    expect(() => projection(swarm, 2.5, 2)).toThrow(NumericError)
  })
})
