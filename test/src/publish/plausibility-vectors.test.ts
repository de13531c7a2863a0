import { describe, expect, test } from 'vitest'
import { checkRows, fitPlausibility } from '../../../src/publish/plausibility.ts'
import { float32, vectors } from '../../helpers/vectors.ts'

interface Numbers {
  columns: number
  data: number[]
}

interface Case {
  rows: number
  drawn: number
  ownShared: Numbers
  theirShared: Numbers
  ownRows: number[]
  shared: { agreement: number; deviation: number; ownSquare: number; otherSquare: number }
  checks: Array<{ theirRows: number[]; z: number; agreement: number; shortfall: number; expected: number }>
}

const { cases } = vectors<{ cases: Case[] }>('plausibility')

/** z and shortfall of every check, to the last bit. */
const BITS = [
  5.8040314463062606, 0.24280802773803994, -1.241965784339076, 12.519164872688043, 5.815014630707237,
  0.5013130109797501, -1.5884745327684517, 12.493122922498028, 0.9816892612053933, -0.30148039375217806,
  -0.9487515738391281, 1.3073120283328965
]

const judged = async (c: Case) => {
  const fit = await fitPlausibility(float32(c.rows, c.ownShared), float32(c.rows, c.theirShared))
  const rows = (columns: number, data: number[]) => float32(c.drawn, { columns, data })
  const ownRows = rows(c.ownShared.columns, c.ownRows)
  const found = c.checks.map(({ theirRows }) =>
    checkRows(fit, { ownRows, theirRows: rows(c.theirShared.columns, theirRows) })
  )
  return { fit, found }
}

describe('plausibility, against an independent implementation', () => {
  test.each(cases.map(c => [c.rows, c.ownShared.columns, c.theirShared.columns, c] as const))(
    '%i shared rows, %i and %i columns',
    async (_m, _n, _q, c) => {
      const { fit, found } = await judged(c)
      for (const field of ['agreement', 'deviation', 'ownSquare', 'otherSquare'] as const)
        expect(fit[field]).toBeCloseTo(c.shared[field], 9)
      for (const [i, expected] of c.checks.entries())
        for (const field of ['z', 'agreement', 'shortfall', 'expected'] as const)
          expect(found[i]?.[field]).toBeCloseTo(expected[field], 8)
    }
  )

  test('the bits are the same on every machine', async () => {
    const all = await Promise.all(cases.map(judged))
    expect(all.flatMap(({ found }) => found.flatMap(({ z, shortfall }) => [z, shortfall]))).toEqual(BITS)
  })
})
