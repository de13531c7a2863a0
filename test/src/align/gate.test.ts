import { describe, expect, test } from 'vitest'
import { assess, DEFAULT_GATE } from '../../../src/align/gate.ts'
import { splitRows } from '../../../src/align/held-out.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'
import { float32, vectors } from '../../helpers/vectors.ts'

type Sheet = { columns: number; data: number[] }
interface Known {
  cases: Array<{ kind: string; rows: number; features: Sheet; targets: Sheet; z: number; effectiveRank: number }>
}

const uniformity = { t: 2, centred: false }
const seed = new Uint8Array(32).fill(3)
const rules = { gate: DEFAULT_GATE, uniformity }

describe('eligibility gate', () => {
  test.each(vectors<Known>('independence').cases)(
    'figures of $kind targets of $rows rows equal those of an independent implementation',
    c => {
      const targets = float32(c.rows, c.targets)
      const found = assess(rules, { targets, kind: 'onnx' }, float32(c.rows, c.features))
      expect(Math.abs(found.z - c.z)).toBeLessThan(1e-6)
      expect(Math.abs(found.effectiveRank - c.effectiveRank)).toBeLessThan(1e-6)
    }
  )

  // 400 causes rows: enough for honest targets to be plain, few enough that noise strays visibly
  const hidden = gaussian(400, 8, 'causes')
  const features = honest(hidden, 48, 0.3, 'features')

  const mostUniform = uniformValue(honest(hidden, 64, 0.3, 'prior'), uniformity)

  test.each([0, 1, 2, 3, 4, 5])('honest targets pass (prior %i)', i => {
    const found = assess(
      rules,
      { targets: honest(hidden, 16 + 16 * i, 0.3 + 0.2 * i, `prior ${i}`), kind: 'onnx' },
      features
    )
    expect(found).toMatchObject({ admissible: true, refusals: [] })
  })

  test.each([...Array(20).keys()])('pure noise is refused although it is the most uniform (seed %i)', i => {
    for (const columns of [8, 64, 256]) {
      const found = assess(rules, { targets: noise(400, columns, `${i}`), kind: 'onnx' }, features)
      expect(found.admissible).toBe(false)
      expect(found.refusals.join()).toMatch(/cannot be told from noise/)
      if (columns > 8) expect(found.uniformValue).toBeLessThan(mostUniform)
    }
  })

  test.each([1, 2, 3, 16])('noise of rank %i is refused', rank => {
    const mix = gaussian(rank, 32, 'mix', `${rank}`)
    for (let i = 0; i < 40; i++) {
      const factors = gaussian(400, rank, 'factors', `${rank} ${i}`)
      const data = new Float32Array(400 * 32)
      for (let row = 0; row < 400; row++)
        for (let c = 0; c < 32; c++)
          for (let k = 0; k < rank; k++)
            data[row * 32 + c] =
              (data[row * 32 + c] as number) +
              (factors.data[row * rank + k] as number) * (mix.data[k * 32 + c] as number)
      expect(assess(rules, { targets: matrix(400, 32, data), kind: 'onnx' }, features).admissible).toBe(false)
    }
  })

  test('an honest prior with too few rows is told how many would be enough, and they are', () => {
    const blurred = (rows: number) => {
      const causes = { rows, columns: 8, data: gaussian(2000, 8, 'many causes').data.slice(0, rows * 8) }
      const targets = honest(causes, 64, 6, 'blurred')
      return assess(rules, { targets, kind: 'onnx' }, honest(causes, 48, 3, 'reference'))
    }
    const few = blurred(200)
    expect(few).toMatchObject({ admissible: false })
    expect(few.z).toBeGreaterThan(2)
    expect(few.refusals.join()).toContain(`about ${few.rowsNeeded} rows`)
    expect(few.rowsNeeded).toBeGreaterThan(200)
    expect(blurred(Math.ceil(1.5 * few.rowsNeeded))).toMatchObject({ admissible: true, rowsNeeded: 0, refusals: [] })
    // where z says nothing, nothing is promised
    const silent = assess(rules, { targets: noise(400, 64, 'silent'), kind: 'onnx' }, features)
    expect(silent).toMatchObject({ admissible: false, rowsNeeded: 0 })
    expect(silent.refusals.join()).not.toContain('coopt publish')
  })

  test('a hash of the image gains nothing from images that occur twice', () => {
    const twice = (m: Matrix32): Matrix32 => matrix(400, m.columns, Float32Array.from([...m.data, ...m.data]))
    const once = { rows: 200, columns: 8, data: gaussian(200, 8, 'half').data }
    const found = assess(
      rules,
      { targets: twice(noise(200, 32, 'hash')), kind: 'onnx' },
      twice(honest(once, 24, 0.3, 'features'))
    )
    expect(found.admissible).toBe(false)
    expect(found.z).toBeLessThan(3.5)
    expect(found.present).toBe(400)
  })

  test('equal rows are refused for having nothing to say', () => {
    const constant = matrix(400, 3, new Float32Array(1200).fill(2))
    expect(assess(rules, { targets: constant, kind: 'onnx' }, features)).toMatchObject({
      admissible: false,
      refusals: ['the targets are the same on every shared row']
    })
  })

  const labels = (classOf: (i: number) => number): Matrix32 => {
    const y = matrix(400, 4, new Float32Array(1600))
    for (let i = 0; i < 400; i++) {
      if (i % 10 === 0) y.data.set(ABSENT(4), i * 4)
      else y.data[i * 4 + classOf(i)] = 1
    }
    return y
  }

  test('labels of people pass when they are about the images, with rows missing', () => {
    const honestLabels = labels(
      i => 2 * Number((hidden.data[i * 8] as number) > 0) + Number((hidden.data[i * 8 + 1] as number) > 0)
    )
    const found = assess(rules, { targets: honestLabels, kind: 'human' }, features)
    expect(found).toMatchObject({ admissible: true, present: 360 })
    expect(assess(rules, { targets: honestLabels, kind: 'onnx' }, features).refusals.join()).toMatch(
      /40 of 400 shared rows/
    )
    const random = labels(i => (i * 2654435761) % 4)
    expect(assess(rules, { targets: random, kind: 'human' }, features).admissible).toBe(false)
  })

  test('hostile matrices are refused and never throw', () => {
    const broken = honest(hidden, 5, 0.3, 'broken')
    broken.data[7] = Infinity
    expect(assess(rules, { targets: broken, kind: 'onnx' }, features).refusals.join()).toMatch(/finite/)
    const empty = matrix(
      400,
      5,
      new Float32Array(2000).map(() => NaN)
    )
    expect(assess(rules, { targets: empty, kind: 'human' }, features).admissible).toBe(false)
    const few = labels(() => 1)
    for (let i = 0; i < 395; i++) few.data.set(ABSENT(4), i * 4)
    expect(assess(rules, { targets: few, kind: 'human' }, features).refusals.join()).toMatch(/too few/)
    const huge = matrix(
      400,
      2,
      new Float32Array(800).fill(3e38).map((x, i) => (i % 3 === 0 ? -x : x))
    )
    expect(Number.isFinite(assess(rules, { targets: huge, kind: 'onnx' }, features).z)).toBe(true)
  })

  test('reference features that cannot judge are the fault of the publisher', () => {
    const targets = honest(hidden, 5, 0.3, 'x')
    expect(() => assess(rules, { targets, kind: 'onnx' }, matrix(400, 2, new Float32Array(800)))).toThrow(NumericError)
    expect(() => assess(rules, { targets, kind: 'onnx' }, matrix(399, 2, new Float32Array(798)))).toThrow(NumericError)
  })

  test('the halves follow the seed, are disjoint, and bounded', () => {
    const { fit, test: held } = splitRows(seed, 101, 1000)
    expect([...fit, ...held].sort((a, b) => a - b)).toEqual([...Array(101).keys()])
    expect(splitRows(seed, 101, 1000)).toEqual({ fit, test: held })
    expect(splitRows(new Uint8Array(32), 101, 1000).fit).not.toEqual(fit)
    expect(splitRows(seed, 101, 20).fit).toEqual(fit.slice(0, 20))
    expect(splitRows(seed, 101, 20).test).toEqual(held.slice(0, 20))
  })
})
