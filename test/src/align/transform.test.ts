import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { symmetricEigen } from '../../../src/align/eigen.ts'
import { multiplyByTranspose, plainGemm, transpose, type Gemm } from '../../../src/gemm.ts'
import { solveGrid } from '../../../src/align/ridge.ts'
import {
  applyTransform,
  DEFAULT_GRID,
  DEFAULT_MIN_LOO_Z,
  fitTransform,
  MIN_ROWS
} from '../../../src/align/transform.ts'
import { ABSENT, isAbsentRow } from '../../../src/bytes.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix, zeros, type Matrix32 } from '../../../src/matrix.ts'
import { gaussian, honest } from '../../helpers/synthetic-priors.ts'
import { distance, float32, vectors } from '../../helpers/vectors.ts'

type Sheet = { columns: number; data: number[] }
interface Known {
  cases: Array<{
    rows: number
    from: Sheet
    to: Sheet
    grid: number[]
    lambda: number
    looR2: number
    looCosine: number
    map: number[]
    offset: number[]
  }>
}

describe('alignment', () => {
  test.each(vectors<Known>('ridge').cases)(
    'figures for $rows rows equal those of refitting without each row',
    async ({ rows, from, to, grid, ...expected }) => {
      const fit = await fitTransform({ from: float32(rows, from), to: float32(rows, to), grid, gemm: plainGemm })
      expect(Math.abs(fit.lambda / expected.lambda - 1)).toBeLessThan(1e-12)
      expect(Math.abs(fit.looR2 - expected.looR2)).toBeLessThan(1e-10)
      expect(Math.abs(fit.looCosine - expected.looCosine)).toBeLessThan(1e-10)
      expect(distance(fit.map.data, expected.map)).toBeLessThan(1e-10)
      expect(distance(fit.offset, expected.offset)).toBeLessThan(1e-10)
    }
  )

  test('z is near a normal number where there is nothing to carry, and grows where R2 is hardly above 0', async () => {
    const hidden = gaussian(300, 12, 'causes')
    const zs: number[] = []
    for (let i = 0; i < 40; i++) {
      const to = honest({ ...hidden, rows: 60, data: hidden.data.slice(0, 60 * 12) }, 8, 0.5, 'to')
      const { looZ } = await fitTransform({ from: gaussian(60, 6, `n${i}`), to, grid: [0.1, 1], gemm: plainGemm })
      zs.push(looZ)
    }
    const mean = zs.reduce((a, b) => a + b, 0) / zs.length
    expect(Math.abs(mean)).toBeLessThan(0.7) // 40 draws: a standard error of 0.16
    expect(Math.max(...zs)).toBeLessThan(DEFAULT_MIN_LOO_Z)
    const weak = { from: honest(hidden, 40, 6, 'from'), to: honest(hidden, 60, 6, 'to'), grid: DEFAULT_GRID }
    const found = await fitTransform({ ...weak, gemm: plainGemm })
    expect(found.looR2).toBeLessThan(0.05)
    expect(found.looZ).toBeGreaterThan(DEFAULT_MIN_LOO_Z)
  })

  test('z does not depend on units and offsets, with more rows than columns and with fewer', async () => {
    for (const columns of [3, 9]) {
      const from = gaussian(8, 2, 'x')
      const to = gaussian(8, columns, 'y')
      const { looZ, looR2 } = await fitTransform({ from, to, grid: [0.3], gemm: plainGemm })
      expect(Number.isFinite(looZ)).toBe(true)
      expect(looR2).toBeLessThanOrEqual(1)
      const turned = matrix(
        8,
        columns,
        to.data.map(value => 3 * value + 1)
      )
      expect((await fitTransform({ from, to: turned, grid: [0.3], gemm: plainGemm })).looZ).toBeCloseTo(looZ, 9)
    }
  })

  test('leave-one-out figures equal the prediction of a fit that never saw the row', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: MIN_ROWS + 1, max: 20 }),
        fc.integer({ min: 1, max: 24 }),
        fc.string(),
        async (rows, columns, seed) => {
          const from = gaussian(rows, columns, 'x', seed)
          const to = gaussian(rows, 3, 'y', seed)
          const whole = await fitTransform({ from, to, grid: [0.3], gemm: plainGemm })
          let error = 0
          for (let out = 0; out < rows; out++) {
            const rest = [...Array(rows).keys()].filter(i => i !== out)
            const x = matrix(
              rows - 1,
              columns,
              Float64Array.from(rest.flatMap(i => [...from.data.subarray(i * columns, (i + 1) * columns)]))
            )
            const y = matrix(rows - 1, 3, Float64Array.from(rest.flatMap(i => [...to.data.subarray(i * 3, i * 3 + 3)])))
            // the same absolute strength: the grid is in units of the remaining rows' scale
            const unit = (await solveGrid(centred(x), centred(y), plainGemm)).scale
            const part = await fitTransform({ from: x, to: y, grid: [whole.lambda / unit], gemm: plainGemm })
            for (let c = 0; c < 3; c++) {
              let value = part.offset[c] as number
              for (let k = 0; k < columns; k++)
                value += (from.data[out * columns + k] as number) * (part.map.data[k * 3 + c] as number)
              error += (value - (to.data[out * 3 + c] as number)) ** 2
            }
          }
          const total = centred(to).data.reduce((sum, value) => sum + value * value, 0)
          expect(whole.looR2).toBeCloseTo(1 - error / total, 8)
        }
      ),
      { numRuns: 25 }
    )
  })

  test('a rotated and shifted copy is mapped back', async () => {
    const hidden = gaussian(200, 6, 'hidden')
    const to = honest(hidden, 10, 0.1, 'reference')
    const turn = gaussian(10, 10, 'turn')
    const turned = multiplyByTranspose(matrix(200, 10, Float64Array.from(to.data)), turn)
    const from = matrix(
      200,
      10,
      Float32Array.from(turned.data, x => x + 5)
    )
    const fit = await fitTransform({ from, to, grid: [1e-9], gemm: plainGemm })
    expect(fit.looR2).toBeGreaterThan(0.999)
    expect(distance((await applyTransform(fit, from, plainGemm)).data, to.data)).toBeLessThan(1e-3)
  })

  test('noise has no leave-one-out R2, and the strongest ridge is chosen for it', async () => {
    const from = gaussian(100, 20, 'noise x')
    const fit = await fitTransform({ from, to: gaussian(100, 5, 'noise y'), grid: DEFAULT_GRID, gemm: plainGemm })
    expect(fit.looR2).toBeLessThan(0.05)
    expect(fit.lambda).toBeCloseTo((await solveGrid(centred(from), centred(from), plainGemm)).scale, 8)
  })

  test('rows that one side lacks are left out, and stay absent when mapped', async () => {
    const hidden = gaussian(40, 4, 'absent')
    const from = honest(hidden, 6, 0.1, 'from')
    const to = honest(hidden, 5, 0.1, 'to')
    const kept = [...Array(40).keys()].filter(i => i !== 3 && i !== 17)
    const take = (m: Matrix32): Matrix32 =>
      matrix(
        38,
        m.columns,
        Float32Array.from(kept.flatMap(i => [...m.data.subarray(i * m.columns, (i + 1) * m.columns)]))
      )
    const expected = await fitTransform({ from: take(from), to: take(to), grid: DEFAULT_GRID, gemm: plainGemm })
    from.data.set(ABSENT(6), 3 * 6)
    to.data.set(ABSENT(5), 17 * 5)
    const fit = await fitTransform({ from, to, grid: DEFAULT_GRID, gemm: plainGemm })
    expect(fit).toEqual(expected)
    const mapped = await applyTransform(fit, from, plainGemm)
    expect(isAbsentRow(mapped.data.subarray(15, 20))).toBe(true)
    expect(mapped.data.every((value, at) => Number.isFinite(value) || (at >= 15 && at < 20))).toBe(true)
  })

  test('mapping in chunks gives the bits of mapping row by row', async () => {
    const hidden = gaussian(2100, 3, 'chunks')
    const raw = honest(hidden, 4, 0.1, 'raw')
    const fit = await fitTransform({ from: raw, to: honest(hidden, 3, 0.1, 'to'), grid: [0.1], gemm: plainGemm })
    const whole = await applyTransform(fit, raw, plainGemm)
    for (const i of [0, 2047, 2048, 2099]) {
      const single = await applyTransform(fit, matrix(1, 4, raw.data.slice(i * 4, i * 4 + 4)), plainGemm)
      expect(single.data).toEqual(whole.data.slice(i * 3, i * 3 + 3))
    }
  })

  test('unusable input is an error that says why', async () => {
    const x = gaussian(20, 3, 'x')
    const fit = (from: typeof x, to: typeof x, grid: number[] = [1]) =>
      fitTransform({ from, to, grid, gemm: plainGemm })
    await expect(fit(x, gaussian(19, 3, 'y'))).rejects.toThrow(NumericError)
    await expect(fit(gaussian(7, 3, 'x'), gaussian(7, 3, 'y'))).rejects.toThrow(/7 rows/)
    await expect(fit(zeros(20, 3), x)).rejects.toThrow(/same on every shared row/)
    await expect(fit(x, zeros(20, 3))).rejects.toThrow(/reference is the same/)
    await expect(fit(x, x, [])).rejects.toThrow(/grid/)
    await expect(fit(x, x, [0])).rejects.toThrow(/grid/)
    const broken = { ...x, data: x.data.slice() }
    broken.data[4] = Infinity
    await expect(fit(broken, x)).rejects.toThrow(/finite/)
    await expect(applyTransform(await fit(x, x), matrix(1, 2, new Float32Array(2)), plainGemm)).rejects.toThrow(
      /3 dimensions/
    )
  })

  test('the cosine of a perfect fit is 1 at most, whatever rounding makes of it', async () => {
    // a mean a billion times longer than what differs between rows: every cosine is 1 but for rounding, which takes two of these above it
    const cosines = []
    for (let seed = 0; seed < 60; seed++) {
      const targets = gaussian(8, 2, 'perfect', `${seed}`)
      const mean = gaussian(1, 2, 'mean', `${seed}`).data
      targets.data.forEach((value, i) => (targets.data[i] = 1e9 * (mean[i % 2] as number) + value))
      const { looCosine } = await fitTransform({ from: targets, to: targets, grid: DEFAULT_GRID, gemm: plainGemm })
      cosines.push(looCosine)
    }
    expect(Math.max(...cosines)).toBeLessThanOrEqual(1)
    expect(Math.min(...cosines)).toBeGreaterThan(0.99999)
  })
})

describe('the two ways to solve the ridge', () => {
  // 520 is over MAX_EIGEN: the Cholesky form
  test.each([
    ['primal', 560, 520],
    ['dual', 520, 560]
  ])('the Cholesky form agrees with the definition, %s', async (_, rows, columns) => {
    const x = centred(gaussian(rows, columns, 'x'))
    const y = centred(gaussian(rows, 2, 'y'))
    const solver = await solveGrid(x, y, plainGemm)
    const lambda = 0.2 * solver.scale
    const { fitted, leverages } = await solver.fit(lambda)
    const map = await solver.map(lambda)
    // normal equations: X^T (Y - X B) = lambda B
    const predicted = await plainGemm.multiply(x, map)
    expect(distance(fitted.data, predicted.data)).toBeLessThan(1e-9)
    const residual = { ...y, data: y.data.map((value, at) => value - (predicted.data[at] as number)) }
    const left = await plainGemm.multiply(x, residual, { transposeA: true })
    expect(
      distance(
        left.data,
        map.data.map(value => value * lambda)
      )
    ).toBeLessThan(1e-9)
    // leverages are the fitted values of unit vectors
    const unit = zeros(rows, 1)
    unit.data[7] = 1
    const single = await (await solveGrid(x, unit, plainGemm)).fit(lambda)
    expect(single.fitted.data[7]).toBeCloseTo(leverages[7] as number, 9)
  })

  test('eigenvectors are orthonormal and rebuild the matrix, also of deficient rank', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), fc.string(), (n, rank, seed) => {
        const x = gaussian(n, rank, seed)
        const a = multiplyByTranspose(x, x)
        const { values, vectors: v } = symmetricEigen(a)
        const gram = multiplyByTranspose(v, v)
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) expect(gram.data[i * n + j]).toBeCloseTo(i === j ? 1 : 0, 11)
        const scaled = { ...v, data: v.data.map((value, at) => value * (values[Math.floor(at / n)] as number)) }
        expect(distance(multiplyByTranspose(transpose(scaled), transpose(v)).data, a.data)).toBeLessThan(1e-11)
      })
    )
  })

  test('products of every shape and transposition equal the definition', async () => {
    const size = fc.integer({ min: 0, max: 11 })
    await fc.assert(
      fc.asyncProperty(size, size, size, fc.boolean(), fc.boolean(), async (p, k, q, transposeA, transposeB) => {
        const a = gaussian(transposeA ? k : p, transposeA ? p : k, 'a')
        const b = gaussian(transposeB ? q : k, transposeB ? k : q, 'b')
        const c = await plainGemm.multiply(a, b, { transposeA, transposeB })
        const at = (m: typeof a, i: number, j: number, t: boolean): number =>
          m.data[t ? j * m.columns + i : i * m.columns + j] as number
        expect([c.rows, c.columns]).toEqual([p, q])
        for (let i = 0; i < p; i++) {
          for (let j = 0; j < q; j++) {
            let sum = 0
            for (let x = 0; x < k; x++) sum += at(a, i, x, transposeA) * at(b, x, j, transposeB)
            expect(c.data[i * q + j]).toBe(sum)
          }
        }
      })
    )
    const wrong: Parameters<Gemm['multiply']> = [zeros(2, 3), zeros(2, 3)]
    await expect(plainGemm.multiply(...wrong)).rejects.toThrow(NumericError)
  })
})

function centred(m: { rows: number; columns: number; data: Float64Array }): {
  rows: number
  columns: number
  data: Float64Array
} {
  const data = m.data.slice()
  for (let c = 0; c < m.columns; c++) {
    let mean = 0
    for (let i = 0; i < m.rows; i++) mean += (data[i * m.columns + c] as number) / m.rows
    for (let i = 0; i < m.rows; i++) data[i * m.columns + c] = (data[i * m.columns + c] as number) - mean
  }
  return { ...m, data }
}
