import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../../src/align/transform.ts'
import { ABSENT } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { testDistribution } from '../../../src/publish/distribution.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { gaussian, honest, noise } from '../../helpers/synthetic-priors.ts'

const [M, R, N] = [300, 200, 24]
const causes = gaussian(M + R, 8, 'causes')
const own = honest(causes, N, 2, 'own')
const other = honest(causes, N, 1, 'other')
const slice = (m: Matrix32, from: number, to: number): Matrix32 => ({
  rows: to - from,
  columns: m.columns,
  data: m.data.slice(from * m.columns, to * m.columns)
})
const [S, rows] = [slice(own, 0, M), slice(own, M, M + R)]
const z = (shared: Matrix32, targets: Matrix32): number => testDistribution(shared, targets)?.z ?? NaN

describe('distribution of a partition’s targets', () => {
  test('is that of S_Y for an honest author, however the rows are drawn', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 16, max: 250 }), (seed, r) => {
        const order = shuffle(M + R, createRandomStream('test', seed))
        const data = new Float32Array(own.data.length)
        order.forEach((from, to) => data.set(own.data.subarray(from * N, (from + 1) * N), to * N))
        const mixed = { ...own, data }
        const found = testDistribution(slice(mixed, 0, M + R - r), slice(mixed, M + R - r, M + R))
        expect(found?.isOther).toBe(false)
        expect(Math.abs(found?.z ?? NaN)).toBeLessThan(6)
      }),
      { numRuns: 40 }
    )
  })

  test('is that of S_Y where S has some or all of the images of the partition', () => {
    const all = slice(own, 0, M + R)
    for (const shared of [all, slice(own, 0, M + R / 2)]) {
      const found = testDistribution(shared, rows)
      expect(found?.isOther).toBe(false)
      expect(Math.abs(found?.z ?? NaN)).toBeLessThan(4)
    }
    // nothing is left to compare with
    expect(testDistribution(rows, rows)).toBeUndefined()
    const noisy = { ...rows, data: rows.data.map((v, at) => v * (1 + 1e-4 * Math.sin(at))) }
    expect(testDistribution(all, noisy)?.isOther).toBe(false)
  })

  test('is not asked for where many images have the same targets, as with labels', () => {
    const labels = (count: number): Matrix32 => {
      const data = new Float32Array(count * N)
      for (let i = 0; i < count; i++) data[i * N + (i % 5)] = 1
      return { rows: count, columns: N, data }
    }
    expect(testDistribution(labels(M), labels(R))).toBeUndefined()
  })

  test('is another one for targets mapped onto a copied S_Y, scaled back or not', async () => {
    const copied = slice(other, 0, M)
    const transform = await fitTransform({ from: S, to: copied, grid: DEFAULT_GRID, gemm: plainGemm })
    const mapped = await applyTransform(transform, rows, plainGemm)
    expect(testDistribution(copied, mapped)?.isOther).toBe(true)
    const mean = Float64Array.from({ length: N }, (_, c) => {
      let sum = 0
      for (let i = 0; i < M; i++) sum += copied.data[i * N + c] ?? 0
      return sum / M
    })
    const squares = (m: Matrix32): number =>
      m.data.reduce((sum, v, at) => sum + (v - (mean[at % N] ?? 0)) ** 2, 0) / m.rows
    const scale = Math.sqrt(squares(copied) / squares(mapped))
    const scaled = mapped.data.map((v, at) => (mean[at % N] ?? 0) + scale * (v - (mean[at % N] ?? 0)))
    expect(testDistribution(copied, { ...mapped, data: scaled })?.isOther).toBe(true)
  })

  test.each([
    ['targets of another prior', slice(other, M, M + R)],
    ['noise', noise(R, N, 'garbage')],
    ['a constant', { ...rows, data: rows.data.map(() => 0.5) }]
  ])('%s have another one', (_, garbage) => {
    expect(testDistribution(S, garbage)?.isOther).toBe(true)
  })

  test('the order of the rows does not matter, nor do shifts and scales of all targets', () => {
    const plain = z(S, rows)
    const order = shuffle(R, createRandomStream('test', 'order'))
    const turned = { ...rows, data: new Float32Array(rows.data.length) }
    order.forEach((from, to) => turned.data.set(rows.data.subarray(from * N, (from + 1) * N), to * N))
    expect(z(S, turned)).toBeCloseTo(plain, 8)
    const change = (m: Matrix32): Matrix32 => ({ ...m, data: m.data.map(v => 64 * v + 16) })
    expect(z(change(S), change(rows))).toBeCloseTo(plain, 2)
  })

  test('is not asked for where rows are absent or few, or nothing varies', () => {
    const some = { ...rows, data: rows.data.slice() }
    some.data.set(ABSENT(N), 3 * N)
    expect(testDistribution(S, some)).toBeUndefined()
    expect(testDistribution(S, slice(rows, 0, 15))).toBeUndefined()
    const flat = (m: Matrix32): Matrix32 => ({ ...m, data: m.data.map(() => 0.1) })
    expect(testDistribution(flat(S), flat(rows))).toBeUndefined()
    expect(() => testDistribution(S, noise(R, N + 1, 'x'))).toThrow(NumericError)
  })
})
