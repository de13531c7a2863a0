import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NumericError } from '../../src/errors.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { vectors } from '../helpers/vectors.ts'

interface Known {
  cases: Array<{ parts: string[]; uint32: number[]; uniform: number[]; below: [number, number][]; shuffle: number[] }>
  late: { parts: string[]; skip: number; uint32: number }
}
const known = vectors<Known>('random')

describe('random stream', () => {
  test.each(known.cases)(
    'the stream of $parts equals that of hashlib',
    ({ parts, uint32, uniform, below, shuffle: order }) => {
      const stream = createRandomStream(...parts)
      expect(uint32.map(() => stream.uint32())).toEqual(uint32)
      expect(uniform.map(() => stream.uniform())).toEqual(uniform)
      expect(below.map(([n]) => stream.below(n))).toEqual(below.map(([, value]) => value))
      expect([...shuffle(order.length, stream)]).toEqual(order)
    }
  )

  test('the stream goes on beyond its first buffer', () => {
    const stream = createRandomStream(...known.late.parts)
    for (let i = 0; i < known.late.skip; i++) stream.uint32()
    expect(stream.uint32()).toBe(known.late.uint32)
  })

  test('parts that only join to the same bytes give other streams', () => {
    expect(createRandomStream('ab', 'c').uint32()).not.toBe(createRandomStream('a', 'bc').uint32())
    expect(createRandomStream('abc').uint32()).not.toBe(createRandomStream('abc', '').uint32())
  })

  test('every shuffle is a permutation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.string(), (n, seed) => {
        expect([...shuffle(n, createRandomStream(seed))].sort((a, b) => a - b)).toEqual([...Array(n).keys()])
      })
    )
  })

  test('the 24 orders of four things come up equally often', () => {
    const stream = createRandomStream('fair')
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const order = shuffle(4, stream).join()
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    // chi-squared with 23 degrees of freedom: 49.7 is the 99.9 % point
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(counts.size).toBe(24)
    expect(chi).toBeLessThan(49.7)
  })

  test.each([0, -1, 1.5, 2 ** 32 + 1, NaN])('below(%s) is an error', n => {
    expect(() => createRandomStream('x').below(n)).toThrow(NumericError)
  })
})
