import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { consensus, consensusSize, CONSENSUS_STEPS, MAX_SAMPLE } from '../../../src/align/consensus.ts'
import { NumericError } from '../../../src/errors.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { multiplyByTranspose } from '../../../src/gemm.ts'
import { row, toFloat64, type Matrix, type Matrix32, type Matrix64 } from '../../../src/matrix.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { takeRows } from '../../../src/align/rows.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'
import { distance, float32, vectors } from '../../helpers/vectors.ts'

interface Known {
  seed: string
  rows: number
  columns: number
  targets: Record<string, number[]>
  gram: number[]
  reference: number[]
}

const seed = new Uint8Array(32).fill(7)
const rows = 200
const hidden = gaussian(rows, 8, 'consensus')
const field = ['a', 'b', 'c', 'd', 'e', 'f'].map((id, i) => ({
  id,
  targets: honest(hidden, 24, 0.3 + 0.2 * i, id)
}))

/** Mean cosine of equal rows. */
function meanCosine(a: Matrix, b: Matrix): number {
  let total = 0
  for (let i = 0; i < a.rows; i++) {
    const [x, y] = [row(a, i), row(b, i)]
    let [xy, xx, yy] = [0, 0, 0]
    for (let c = 0; c < x.length; c++) {
      xy += (x[c] as number) * (y[c] as number)
      xx += (x[c] as number) ** 2
      yy += (y[c] as number) ** 2
    }
    total += xy / Math.sqrt(xx * yy)
  }
  return total / a.rows
}

/** Targets under an invertible linear map and a shift: another view of the same prior. */
function mapped({ targets }: { targets: Matrix32 }, name: string): Matrix32 {
  const n = targets.columns
  const map = gaussian(n, n, name)
  for (let i = 0; i < n; i++) map.data[i * n + i] = (map.data[i * n + i] as number) + 12
  const { data } = multiplyByTranspose(toFloat64(targets), map)
  return { rows: targets.rows, columns: n, data: Float32Array.from(data, x => x + 3) }
}

function squares(m: Matrix64): number {
  return m.data.reduce((sum, x) => sum + x * x, 0)
}

describe('consensus', () => {
  test.each(vectors<{ cases: Known[] }>('consensus').cases)('of $rows x $columns equals that of scipy', c => {
    const members = Object.entries(c.targets).map(([id, data]) => ({
      id,
      targets: float32(c.rows, { columns: c.columns, data })
    }))
    const reference = consensus(members, Buffer.from(c.seed, 'hex'))
    expect(
      distance(multiplyByTranspose(reference, reference).data, c.gram),
      'the subspace and its shares'
    ).toBeLessThan(1e-9)
    expect(distance(reference.data, c.reference), 'turned towards the codes').toBeLessThan(1e-9)
  })

  test('the same set gives the same bits in any order, with members named twice', () => {
    const expected = consensus(field, seed)
    fc.assert(
      fc.property(fc.shuffledSubarray(field, { minLength: field.length }), fc.subarray(field), (members, again) => {
        expect(consensus([...members, ...again], seed).data).toEqual(expected.data)
      }),
      { numRuns: 12 }
    )
  })

  test('columns have mean 0 and rows mean square length 1', () => {
    const reference = consensus(field, seed)
    expect(squares(reference) / rows).toBeCloseTo(1, 9)
    for (let c = 0; c < reference.columns; c++) {
      let sum = 0
      for (let i = 0; i < rows; i++) sum += reference.data[i * reference.columns + c] as number
      expect(Math.abs(sum)).toBeLessThan(1e-9)
    }
  })

  test('another seed turns it, and nothing else', () => {
    const [a, b] = [consensus(field, seed), consensus(field, new Uint8Array(32))]
    expect(meanCosine(a, b)).toBeLessThan(0.5)
    expect(distance(multiplyByTranspose(a, a).data, multiplyByTranspose(b, b).data)).toBeLessThan(1e-9)
  })

  test('rotations and scalings of a prior leave the consensus where it is, but for the unit rows', () => {
    const [first, ...rest] = field
    if (first === undefined) throw new Error('no field')
    const turned = { id: first.id, targets: mapped(first, 'turn') }
    expect(meanCosine(consensus([turned, ...rest], seed), consensus(field, seed))).toBeGreaterThan(0.98)
  })

  test('one more prior turns it little, be it honest or noise', () => {
    const before = consensus(field, seed)
    const joined = (id: string, targets: Matrix32): number =>
      meanCosine(before, consensus([...field, { id, targets }], seed))
    expect(joined('g', honest(hidden, 24, 0.5, 'g'))).toBeGreaterThan(0.93)
    expect(joined('n', noise(rows, 24, 'n'))).toBeGreaterThan(0.9)
  })

  test('more dimensions than a shared set has rows', () => {
    const wide = ['x', 'y'].map(id => ({ id, targets: honest(gaussian(20, 3, 'few'), 64, 0.1, id) }))
    const reference = consensus(wide, seed)
    expect([reference.rows, reference.columns]).toEqual([20, 64])
    expect(reference.data.every(Number.isFinite)).toBe(true)
  })

  test('above the sample, the other rows follow from it', () => {
    const many = MAX_SAMPLE + 300
    const causes = gaussian(many, 6, 'many')
    const members = ['a', 'b', 'c'].map(id => ({ id, targets: honest(causes, 12, 0.3, id) }))
    const reference = consensus(members, seed)
    expect(reference.rows).toBe(many)
    expect(squares(reference) / many).toBeGreaterThan(0.9)
    expect(squares(reference) / many).toBeLessThan(1.1)

    // on the sample it is the consensus of the sample alone, but for the mean of all rows about which they were scaled
    const sample = shuffle(many, createRandomStream('coopt/1/consensus', seed)).slice(0, MAX_SAMPLE).sort()
    const take = (m: Matrix): Matrix64 => takeRows(m, sample)
    const alone = consensus(
      members.map(({ id, targets }) => {
        const { data } = take(targets)
        return { id, targets: { rows: MAX_SAMPLE, columns: 12, data: Float32Array.from(data) } }
      }),
      seed
    )
    expect(meanCosine(take(reference), alone)).toBeGreaterThan(0.995)
  })

  test('what it cannot be made of', () => {
    const [a] = field
    if (a === undefined) throw new Error('no field')
    const lacking = { rows, columns: 24, data: a.targets.data.slice() }
    lacking.data.set(ABSENT(24), 48)
    const flat = { rows, columns: 24, data: new Float32Array(rows * 24).fill(1) }
    const other = { rows, columns: 8, data: new Float32Array(rows * 8) }
    for (const members of [
      [],
      [a, { id: 'l', targets: lacking }],
      [{ id: 'f', targets: flat }],
      [a, { id: 'o', targets: other }]
    ])
      expect(() => consensus(members, seed)).toThrow(NumericError)
  })

  test('membership grows in steps', () => {
    expect([0, 1, 5, 8, 9, 11, 12, 13, 31, 32, 63, 64, 999].map(consensusSize)).toEqual([
      0, 1, 5, 8, 8, 8, 12, 12, 24, 32, 48, 64, 64
    ])
    expect(CONSENSUS_STEPS.map(step => consensusSize(step))).toEqual([...CONSENSUS_STEPS])
  })
})
