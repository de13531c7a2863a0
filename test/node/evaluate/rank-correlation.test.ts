import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { incompleteBeta, MAX_EXACT_PAIRS, rankCorrelation, ranks } from '../../../node/evaluate/rank-correlation.ts'
import { known } from './known.ts'

const pairs = fc
  .array(fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })), {
    minLength: 3,
    maxLength: 40
  })
  .map(list => ({ x: list.map(([a]) => a), y: list.map(([, b]) => b) }))

describe('the rank correlation', () => {
  it.each(known.spearman)('is that of scipy for $x.length pairs', ({ x, y, rho, p }) => {
    const found = rankCorrelation(x, y)
    expect(Math.abs((found?.rho ?? 9) - rho)).toBeLessThan(1e-12)
    if (x.length > MAX_EXACT_PAIRS) expect(Math.abs((found?.p ?? 9) - p)).toBeLessThan(1e-10)
  })

  it('does not change under increasing maps, and changes its sign under decreasing ones', () => {
    fc.assert(
      fc.property(pairs, ({ x, y }) => {
        const found = rankCorrelation(x, y)
        expect(
          rankCorrelation(
            x.map(v => v ** 3 + 5),
            y
          )
        ).toEqual(found)
        const turned = rankCorrelation(
          x,
          y.map(v => -2 * v)
        )
        if (found === undefined) expect(turned).toBeUndefined()
        else {
          expect(turned?.rho).toBeCloseTo(-found.rho, 12)
          expect(turned?.p).toBeCloseTo(found.p, 9)
        }
      })
    )
  })

  it('does not see which side is which, nor the order of the pairs', () => {
    fc.assert(
      fc.property(pairs, ({ x, y }) => {
        const found = rankCorrelation(x, y)
        expect(rankCorrelation(y, x)?.rho).toBe(found?.rho)
        expect(rankCorrelation(x.toReversed(), y.toReversed())?.rho ?? 9).toBeCloseTo(found?.rho ?? 9, 12)
      })
    )
  })

  it('counts the orders of few pairs, as the tables of its distribution do', () => {
    const one = (y: number[]) => rankCorrelation([...y.keys()], y)
    expect(one([1, 2, 3])).toEqual({ rho: 1, p: 2 / 6, pairs: 3 })
    expect(one([4, 3, 2, 1])).toEqual({ rho: -1, p: 2 / 24, pairs: 4 })
    // rho 0.9 of five: 10 of 120 orders; 0.886 of six: 24 of 720
    expect(one([1, 2, 3, 5, 4])?.p).toBeCloseTo(10 / 120, 12)
    expect(one([1, 3, 2, 4, 6, 5])?.rho).toBeCloseTo(0.886, 3)
    expect(one([1, 3, 2, 4, 6, 5])?.p).toBeCloseTo(24 / 720, 12)
  })

  it('is 1 for a series and itself, and nothing for constants or two pairs', () => {
    const many = Array.from({ length: 9 }, (_, i) => i)
    expect(rankCorrelation(many, many)).toEqual({ rho: 1, p: 0, pairs: 9 })
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeUndefined()
    expect(rankCorrelation([1, 2], [1, 2])).toBeUndefined()
    expect(() => rankCorrelation([1, 2], [1])).toThrow(RangeError)
  })

  it('gives equal values the mean of their places', () => {
    expect(ranks([30, 10, 20, 10])).toEqual([4, 1.5, 3, 1.5])
    fc.assert(
      fc.property(fc.array(fc.integer()), values => {
        const sum = ranks(values).reduce((total, rank) => total + rank, 0)
        expect(sum).toBeCloseTo((values.length * (values.length + 1)) / 2, 6)
      })
    )
  })

  it('knows the beta function where it is elementary: I_x(1, b) = 1 - (1 - x)^b', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.integer({ min: 1, max: 30 }), (x, b) => {
        expect(incompleteBeta(x, 1, b)).toBeCloseTo(1 - (1 - x) ** b, 12)
      })
    )
  })
})
