import { describe, expect, test } from 'vitest'
import { assess, DEFAULT_GATE, defaultGate, NOISE_SIGMAS } from '../../../src/align/gate.ts'
import { splitRows } from '../../../src/align/held-out.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'
import { float32, vectors } from '../../helpers/vectors.ts'

type Sheet = { columns: number; data: number[] }
interface Known {
  cases: Array<{
    kind: string
    seed: string
    rows: number
    neighbours: number
    ridge: number
    features: Sheet
    targets: Sheet
    r2: number
    neighbourOverlap: number
    effectiveRank: number
    chanceR2: number
    noiseDeviation: number
  }>
}

const uniformity = { t: 2, centred: false }
const seed = new Uint8Array(32).fill(3)
const rules = (rows: number) => ({ gate: defaultGate(rows), seed, uniformity })

describe('eligibility gate', () => {
  test.each(vectors<Known>('gate').cases)('figures of $kind targets of $rows rows equal those of scikit-learn', c => {
    const found = assess(
      {
        gate: { ...DEFAULT_GATE, neighbours: c.neighbours, ridge: c.ridge },
        seed: Buffer.from(c.seed, 'hex'),
        uniformity
      },
      { targets: float32(c.rows, c.targets), kind: 'onnx' },
      float32(c.rows, c.features)
    )
    for (const figure of ['r2', 'neighbourOverlap', 'effectiveRank', 'chanceR2', 'noiseDeviation'] as const) {
      expect(Math.abs(found[figure] - c[figure]), figure).toBeLessThan(1e-6)
    }
  })

  // 400 causes rows: enough for honest targets to be plain, few enough that noise strays visibly
  const hidden = gaussian(400, 8, 'causes')
  const features = honest(hidden, 48, 0.3, 'features')

  const mostUniform = uniformValue(honest(hidden, 64, 0.3, 'prior'), uniformity)

  test.each([0, 1, 2, 3, 4, 5])('honest targets pass (prior %i)', i => {
    const found = assess(
      rules(400),
      { targets: honest(hidden, 16 + 16 * i, 0.3 + 0.2 * i, `prior ${i}`), kind: 'onnx' },
      features
    )
    expect(found).toMatchObject({ admissible: true, refusals: [] })
  })

  test.each([...Array(20).keys()])('pure noise is refused although it is the most uniform (seed %i)', i => {
    for (const columns of [8, 64, 256]) {
      const found = assess(rules(400), { targets: noise(400, columns, `${i}`), kind: 'onnx' }, features)
      expect(found.admissible).toBe(false)
      expect(found.refusals.join()).toMatch(/cannot be told from noise/)
      if (columns > 8) expect(found.uniformValue).toBeLessThan(mostUniform)
    }
  })

  test('chance R2 and its deviation describe what noise really gets', () => {
    const scores = [...Array(60).keys()].map(i => {
      const f = assess(rules(400), { targets: noise(400, 12, `z ${i}`), kind: 'onnx' }, features)
      return (f.r2 - f.chanceR2) / f.noiseDeviation
    })
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length
    const deviation = Math.sqrt(scores.reduce((a, b) => a + (b - mean) ** 2, 0) / (scores.length - 1))
    // 60 draws: the mean has a standard error of 0.13, the deviation one of 0.09
    expect(Math.abs(mean)).toBeLessThan(0.4)
    expect(deviation).toBeGreaterThan(0.7)
    expect(deviation).toBeLessThan(1.3)
    expect(Math.max(...scores)).toBeLessThan(NOISE_SIGMAS)
  })

  test('targets of one direction are refused for their rank, equal rows for having nothing to say', () => {
    const wide = honest(hidden, 6, 0, 'flat')
    const line = matrix(
      400,
      6,
      Float32Array.from(wide.data, (_, at) => wide.data[at - (at % 6)] as number)
    )
    expect(assess(rules(400), { targets: line, kind: 'onnx' }, features).refusals.join()).toMatch(/effective rank/)
    const constant = matrix(400, 3, new Float32Array(1200).fill(2))
    expect(assess(rules(400), { targets: constant, kind: 'onnx' }, features)).toMatchObject({
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
    const found = assess(rules(400), { targets: honestLabels, kind: 'human' }, features)
    expect(found).toMatchObject({ admissible: true, present: 360, neighbourOverlap: 0 })
    expect(assess(rules(400), { targets: honestLabels, kind: 'onnx' }, features).refusals.join()).toMatch(
      /40 of 400 shared rows/
    )
    const random = labels(i => (i * 2654435761) % 4)
    expect(assess(rules(400), { targets: random, kind: 'human' }, features).admissible).toBe(false)
  })

  test('hostile matrices are refused and never throw', () => {
    const broken = honest(hidden, 5, 0.3, 'broken')
    broken.data[7] = Infinity
    expect(assess(rules(400), { targets: broken, kind: 'onnx' }, features).refusals.join()).toMatch(/finite/)
    const empty = matrix(
      400,
      5,
      new Float32Array(2000).map(() => NaN)
    )
    expect(assess(rules(400), { targets: empty, kind: 'human' }, features).admissible).toBe(false)
    const few = labels(() => 1)
    for (let i = 0; i < 395; i++) few.data.set(ABSENT(4), i * 4)
    expect(assess(rules(400), { targets: few, kind: 'human' }, features).refusals.join()).toMatch(/too few/)
    const huge = matrix(
      400,
      2,
      new Float32Array(800).fill(3e38).map((x, i) => (i % 3 === 0 ? -x : x))
    )
    expect(Number.isFinite(assess(rules(400), { targets: huge, kind: 'onnx' }, features).r2)).toBe(true)
  })

  test('reference features that cannot judge are the fault of the publisher', () => {
    const targets = honest(hidden, 5, 0.3, 'x')
    expect(() => assess(rules(400), { targets, kind: 'onnx' }, matrix(400, 2, new Float32Array(800)))).toThrow(
      NumericError
    )
    expect(() => assess(rules(400), { targets, kind: 'onnx' }, matrix(399, 2, new Float32Array(798)))).toThrow(
      NumericError
    )
  })

  test('the halves follow the seed, are disjoint, and bounded', () => {
    const { fit, test: held } = splitRows(seed, 101, 1000)
    expect([...fit, ...held].sort((a, b) => a - b)).toEqual([...Array(101).keys()])
    expect(splitRows(seed, 101, 1000)).toEqual({ fit, test: held })
    expect(splitRows(new Uint8Array(32), 101, 1000).fit).not.toEqual(fit)
    expect(splitRows(seed, 101, 20).fit).toEqual(fit.slice(0, 20))
    expect(splitRows(seed, 101, 20).test).toEqual(held.slice(0, 20))
  })

  test('thresholds by rows stay within the manifest schema', () => {
    for (const rows of [16, 250, 800, 16_384]) {
      const gate = defaultGate(rows)
      expect(gate.neighbours).toBeGreaterThanOrEqual(1)
      expect(gate.minR2).toBeGreaterThan(0)
    }
    expect(defaultGate(1000)).toEqual(DEFAULT_GATE)
  })
})
