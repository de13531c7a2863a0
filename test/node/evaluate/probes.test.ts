import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitLogistic, logisticOutputs, logisticProbe } from '../../../node/evaluate/logistic-probe.ts'
import { neighbourClasses, neighbourProbe } from '../../../node/evaluate/nearest-neighbours.ts'
import { classesOf, crossRidgeProbe, fitRidge, ridgeProbe, unitRows } from '../../../node/evaluate/ridge-probe.ts'
import { crossSplits, stratifiedSplit } from '../../../node/evaluate/splits.ts'
import { plainGemm as gemm } from '../../../src/gemm.ts'
import { matrix } from '../../../src/matrix.ts'
import { createRandomStream } from '../../../src/random.ts'
import { distance } from '../../helpers/vectors.ts'
import { float64, known } from './known.ts'

/** Rows around a corner of a simplex for each class, or nowhere in particular with `apart` 0. */
function clouds(rows: number, columns: number, classes: number, apart: number, seed = 'clouds') {
  const stream = createRandomStream(seed)
  const labels = Int32Array.from({ length: rows }, (_, i) => i % classes)
  const data = Float64Array.from({ length: rows * columns }, (_, at) => {
    const own = at % columns === (labels[Math.floor(at / columns)] as number) ? apart : 0
    return own + stream.uniform() - 0.5
  })
  return { features: matrix(rows, columns, data), labels, classes }
}

describe('the ridge probe', () => {
  it.each(known.ridge)('gives the outputs of scikit-learn for $x.rows x $x.columns', async one => {
    const model = await fitRidge(float64(one.x), Int32Array.from(one.labels), one.classes, one.multiple, gemm)
    const outputs = await model(float64(one.test))
    expect(distance(outputs.data, one.outputs.data)).toBeLessThan(1e-9)
  })

  it('is right where classes are apart and at chance where labels mean nothing', async () => {
    const apart = await ridgeProbe({ ...clouds(300, 8, 3, 4), seed: 1, gemm })
    expect(apart.accuracy).toBe(1)
    expect(apart.standardError).toBe(0)
    expect(apart.rows).toHaveLength(60)
    const chance = await crossRidgeProbe({ ...clouds(900, 8, 3, 0), seed: 1, gemm })
    expect(Math.abs(chance.accuracy - 1 / 3)).toBeLessThan(0.08)
    expect(chance.rows).toHaveLength(900)
  })

  it('tests on other rows where they are given', async () => {
    const train = clouds(200, 6, 4, 3)
    const other = clouds(40, 6, 4, 3, 'others')
    const wrong = { ...other, labels: other.labels.map(label => (label + 1) % 4) }
    expect((await ridgeProbe({ ...train, seed: 0, gemm, test: other })).accuracy).toBe(1)
    expect((await ridgeProbe({ ...train, seed: 0, gemm, test: wrong })).accuracy).toBe(0)
  })

  it('does not see scale: every row may be multiplied by its own factor', async () => {
    const { features, labels, classes } = clouds(150, 6, 3, 0.5)
    const scaled = matrix(
      150,
      6,
      features.data.map((value, at) => value * (1 + (Math.floor(at / 6) % 7)))
    )
    const [a, b] = [
      await ridgeProbe({ features, labels, classes, seed: 3, gemm }),
      await ridgeProbe({ features: scaled, labels, classes, seed: 3, gemm })
    ]
    expect([...a.predicted]).toEqual([...b.predicted])
  })

  it('names a class with too few rows, and refuses labels that are no rows', async () => {
    const { features, labels } = clouds(30, 4, 2, 1)
    labels[0] = 2
    await expect(ridgeProbe({ features, labels, classes: 3, seed: 0, gemm })).rejects.toThrow('class 2 has 1 rows')
    await expect(ridgeProbe({ features, labels: labels.subarray(1), classes: 3, seed: 0, gemm })).rejects.toThrow(
      '30 rows of features have 29 labels'
    )
  })
})

describe('the logistic probe', () => {
  it.each(known.logistic)('finds the minimum of scikit-learn for $classes classes and C $c', async one => {
    const options = { c: one.c, tolerance: 1e-10 }
    const model = await fitLogistic(float64(one.x), Int32Array.from(one.labels), one.classes, options)
    expect(Math.abs(model.loss - one.loss)).toBeLessThan(1e-6 * one.loss)
    expect([...classesOf(logisticOutputs(model, float64(one.test)))]).toEqual(one.predicted)
  })

  it('is right where classes are apart, in its own rows and in others', async () => {
    const train = clouds(200, 6, 4, 3)
    expect((await logisticProbe({ ...train, seed: 0 })).accuracy).toBe(1)
    expect((await logisticProbe({ ...train, seed: 0, test: clouds(40, 6, 4, 3, 'others') })).accuracy).toBe(1)
  })
})

describe('the nearest-neighbour probe', () => {
  it('votes as scikit-learn does', async () => {
    const { x, labels, test, votes } = known.neighbours
    const [rows, asked] = [unitRows(float64(x)), unitRows(float64(test))]
    const some = { features: rows, labels: Int32Array.from(labels) }
    const counts = votes.map(({ k }) => k)
    const found = await neighbourClasses(some, asked, counts, 2, gemm)
    expect(found.map(classes => [...classes])).toEqual(votes.map(({ predicted }) => predicted))
  })

  it('knows a row again: the class of a duplicate is that of its original, for every set of rows', async () => {
    const value = fc.integer({ min: -50, max: 50 })
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(value, value), { minLength: 2, maxLength: 20, selector: direction }),
        async rows => {
          const features = unitRows(matrix(rows.length, 3, Float64Array.from(rows.flatMap(([a, b]) => [a, b, 7]))))
          const labels = Int32Array.from(rows, (_, i) => i % 2)
          const [found] = await neighbourClasses({ features, labels }, features, [1], 2, gemm)
          expect([...(found as Int32Array)]).toEqual([...labels])
        }
      )
    )
  })

  it('chooses k on rows that it does not test on', async () => {
    const probe = await neighbourProbe({ ...clouds(300, 8, 3, 3), seed: 2, gemm })
    expect(probe.accuracy).toBe(1)
    expect(probe.k).toBe(1)
  })
})

describe('splits', () => {
  const labels = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 }).map(tail =>
    // five of every class, so that each can be split
    Int32Array.from([...Array.from({ length: 20 }, (_, i) => i % 4), ...tail])
  )

  it('deal every row to one part, and every class in equal shares', () => {
    fc.assert(
      fc.property(labels, fc.nat(), (given, seed) => {
        const { fit, validate, test } = stratifiedSplit(given, 4, seed)
        expect([...fit, ...validate, ...test].sort((a, b) => a - b)).toEqual([...given.keys()])
        for (let c = 0; c < 4; c++) {
          const all = given.filter(label => label === c).length
          const tested = test.filter(row => given[row] === c).length
          expect(Math.abs(tested - all / 5)).toBeLessThan(1)
        }
      })
    )
  })

  it('test every row once when crossed, and never on a row that was fitted or chose', () => {
    fc.assert(
      fc.property(labels, fc.nat(), (given, seed) => {
        const splits = crossSplits(given, 4, seed)
        expect(splits.flatMap(({ test }) => [...test]).sort((a, b) => a - b)).toEqual([...given.keys()])
        for (const { fit, validate, test } of splits)
          expect(new Set([...fit, ...validate, ...test]).size).toBe(given.length)
      })
    )
  })
})

const direction = ([a, b]: [number, number]): string => `${a} ${b}`
