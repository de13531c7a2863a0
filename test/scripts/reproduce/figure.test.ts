import { describe, expect, it } from 'vitest'
import { falling, plusMinus, scored, spread } from '../../../scripts/reproduce/figure.ts'

describe('spread', () => {
  it('is the mean and the deviation of a sample', () => {
    expect(spread([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: 1.291 })
  })

  it('has no deviation with one value', () => {
    expect(spread([7])).toEqual({ mean: 7, deviation: 0 })
  })
})

describe('falling', () => {
  const row = (mean: number, deviation = 1) => ({ name: '', mean, deviation })

  it('holds where each is above the next by more than two standard errors', () => {
    expect(falling('', [row(60), row(55), row(50)], 3).outcome).toBe('holds')
  })

  it('holds within the spread where one is above by less', () => {
    expect(falling('', [row(60), row(59.5), row(50)], 3).outcome).toBe('holds within the spread')
  })

  it('holds within the spread at best where there is one seed', () => {
    expect(falling('', [row(60, 0), row(50, 0)], 1).outcome).toBe('holds within the spread')
  })

  it('does not hold where one is not above, and then says why', () => {
    expect(falling('', [row(60), row(50), row(50)], 3, 'because')).toEqual({
      claim: '',
      outcome: 'does not hold',
      why: 'because'
    })
  })

  it('does not hold where a figure is missing', () => {
    expect(falling('', [row(60), { name: '' }], 3).outcome).toBe('does not hold')
    expect(falling('', [row(60), row(NaN)], 3).outcome).toBe('does not hold')
  })
})

describe('rows', () => {
  it('show mean and deviation', () => {
    expect(plusMinus(scored('a', [50, 52]))).toBe('51.0 ± 1.4')
    expect(plusMinus({})).toBe('–')
  })
})
