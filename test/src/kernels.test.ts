import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choleskyFactor, solveLower, solveUpper } from '../../src/align/cholesky.ts'
import { symmetricEigen } from '../../src/align/eigen.ts'
import { gramOfColumns, multiplyByTranspose, plainGemm, transpose } from '../../src/gemm.ts'
import { factorByReflections, reflectFromLast } from '../../src/kernels/blocked-reflections.ts'
import { zeros, type Matrix64 } from '../../src/matrix.ts'
import * as plain from '../helpers/plain-algebra.ts'

/** Numbers as their bits: a zero of the other sign is a difference. */
function bits({ buffer, byteOffset, length }: Float64Array): BigUint64Array {
  return new BigUint64Array(buffer, byteOffset, length)
}

function expectSameBits(actual: Matrix64, expected: Matrix64): void {
  expect([actual.rows, actual.columns]).toEqual([expected.rows, expected.columns])
  expect(Buffer.compare(Buffer.from(bits(actual.data).buffer), Buffer.from(bits(expected.data).buffer))).toBe(0)
}

/** Uniform over [-0.5, 0.5), by mulberry32: the streams of the method would take most of the time. */
function random(rows: number, columns: number, seed: number): Matrix64 {
  const m = zeros(rows, columns)
  let state = seed
  for (let at = 0; at < m.data.length; at++) {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    m.data[at] = ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296 - 0.5
  }
  return m
}

/** Small sizes, and those around the edges of tiles (4), strips (8) and blocks (128, 256, 512) */
const small = fc.integer({ min: 1, max: 40 })
const edge = fc.constantFrom(127, 128, 129, 132, 255, 257, 300)
const size = fc.oneof({ weight: 3, arbitrary: small }, { weight: 1, arbitrary: edge })

function positiveDefinite(n: number, seed: number): Matrix64 {
  const x = random(n + 4, n, seed)
  const gram = gramOfColumns(x)
  for (let i = 0; i < n; i++) gram.data[i * n + i] = (gram.data[i * n + i] as number) + 0.1
  return gram
}

describe('blocked algebra has the bits of the plain loops', () => {
  test('products, with and without transposes', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, size, fc.integer(), async (p, q, k, seed) => {
        const [a, b] = [random(p, k, seed), random(q, k, seed + 1)]
        const expected = plain.multiplyByTranspose(a, b)
        expectSameBits(multiplyByTranspose(a, b), expected)
        expectSameBits(await plainGemm.multiply(transpose(a), transpose(b), { transposeA: true }), expected)
      }),
      { numRuns: 25 }
    )
  })

  test.each([
    [130, 515, 257],
    [129, 1030, 513],
    [3, 513, 1000]
  ])('a product that takes several blocks: %i x %i, depth %i', (p, q, k) => {
    const [a, b] = [random(p, k, 1), random(q, k, 2)]
    expectSameBits(multiplyByTranspose(a, b), plain.multiplyByTranspose(a, b))
  })

  test('a matrix times its own transpose, of which half is computed', () => {
    fc.assert(
      fc.property(size, size, fc.integer(), (n, k, seed) => {
        const x = random(n, k, seed)
        const expected = plain.multiplyByTranspose(x, x)
        expectSameBits(multiplyByTranspose(x, x), expected)
        expectSameBits(gramOfColumns(transpose(x)), expected)
      }),
      { numRuns: 25 }
    )
  })

  test('Cholesky factors and solves', () => {
    fc.assert(
      fc.property(size, size, fc.integer(), (n, q, seed) => {
        const a = positiveDefinite(n, seed)
        const l = choleskyFactor(a)
        expectSameBits(l, plain.choleskyFactor(a))
        const b = random(q, n, seed + 1)
        expectSameBits(solveLower(l, b), plain.solveLower(l, b))
        expectSameBits(solveUpper(l, b), plain.solveUpper(l, b))
      }),
      { numRuns: 25 }
    )
  })

  test('the row at which a matrix is not positive definite, in whatever block', () => {
    for (const row of [0, 3, 127, 128, 200]) {
      const a = positiveDefinite(201, 3)
      a.data[row * 201 + row] = -1
      expect(() => choleskyFactor(a)).toThrow(`a 201 x 201 matrix is not positive definite at row ${row}:`)
    }
  })

  test('eigenvectors, also of deficient rank and of blocks that fall apart', () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 60 }), fc.boolean(), fc.integer(), (n, rank, split, seed) => {
        const x = random(n, rank, seed)
        // rows at right angles: nothing to reflect in some steps
        if (split) for (let i = 0; i < n; i++) for (let c = i % 2; c < rank; c += 2) x.data[i * rank + c] = 0
        const a = multiplyByTranspose(x, x)
        const [actual, expected] = [symmetricEigen(a), plain.symmetricEigen(a)]
        expect(bits(actual.values)).toEqual(bits(expected.values))
        expectSameBits(actual.vectors, expected.vectors)
      }),
      { numRuns: 25 }
    )
  })

  test('orthonormal columns by reflections', () => {
    fc.assert(
      fc.property(size, size, fc.integer(), (a, b, seed) => {
        const [wide, tall] = [Math.min(a, b), Math.max(a, b)]
        const columns = random(wide, tall, seed)
        const copy = { ...columns, data: columns.data.slice() }
        const signs = new Float64Array(wide)
        const reflections = factorByReflections(columns.data, wide, tall, signs)
        if (reflections === undefined) throw new Error('random columns do not depend on each other')
        const q = zeros(wide, tall)
        for (let j = 0; j < wide; j++) q.data[j * tall + j] = 1
        reflectFromLast(q.data, wide, reflections)
        for (let at = 0; at < q.data.length; at++)
          q.data[at] = (q.data[at] as number) * (signs[Math.floor(at / tall)] as number)
        expectSameBits(q, plain.orthonormalise(copy))
      }),
      { numRuns: 25 }
    )
  })

  test('columns that are zero have no directions', () => {
    expect(factorByReflections(new Float64Array(20), 2, 10, new Float64Array(2))).toBeUndefined()
  })
})
