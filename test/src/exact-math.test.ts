import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exactExp, exactLog } from '../../src/exact-math.ts'

const EPSILON = Number.EPSILON
const runs = { numRuns: 5000 }

describe('exact exp and log', () => {
  test('exp is within two units in the last place of the engine', () => {
    fc.assert(
      fc.property(fc.double({ min: -700, max: 709, noNaN: true }), x => {
        expect(Math.abs(exactExp(x) / Math.exp(x) - 1)).toBeLessThanOrEqual(2 * EPSILON)
      }),
      runs
    )
  })

  test('log is within two units in the last place of the engine', () => {
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }), x => {
        const expected = Math.log(x)
        expect(Math.abs(exactLog(x) - expected)).toBeLessThanOrEqual(2 * EPSILON * Math.abs(expected))
      }),
      runs
    )
  })

  test('log undoes exp', () => {
    fc.assert(
      fc.property(fc.double({ min: -30, max: 30, noNaN: true }), x => {
        expect(exactLog(exactExp(x))).toBeCloseTo(x, 13)
      })
    )
  })

  test('the ends of the range behave', () => {
    expect([exactExp(0), exactExp(-0), exactExp(1000), exactExp(-1000), exactExp(-Infinity)]).toEqual([
      1,
      1,
      Infinity,
      0,
      0
    ])
    expect([exactExp(NaN), exactLog(-1), exactLog(NaN)]).toEqual([NaN, NaN, NaN])
    expect([exactLog(1), exactLog(0), exactLog(Infinity)]).toEqual([0, -Infinity, Infinity])
    expect(exactExp(-745)).toBe(Number.MIN_VALUE)
    expect(exactLog(Number.MIN_VALUE)).toBe(-744.4400719213812)
  })

  test('the bits of chosen values are pinned', () => {
    const bits = (x: number): string =>
      Buffer.from(new Float64Array([x]).buffer)
        .reverse()
        .toString('hex')
    expect([-0.1, -1, -2, -7.999, 0.3, 20].map(x => bits(exactExp(x)))).toMatchInlineSnapshot(`
      [
        "3fecf46d99d52b3a",
        "3fd78b56362cef38",
        "3fc152aaa3bf81cc",
        "3f3601c2899b70b0",
        "3ff599058c8c1a96",
        "41bceb088b68e804",
      ]
    `)
    expect([0.1, 0.018315638888734, 0.7, 3, 1e-300].map(x => bits(exactLog(x)))).toMatchInlineSnapshot(`
      [
        "c0026bb1bbb55515",
        "c01000000000000b",
        "bfd6d3c324e13f50",
        "3ff193ea7aad030b",
        "c085963447f87fb5",
      ]
    `)
  })
})
