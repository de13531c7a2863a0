import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createExact, type Exact } from '../../../../node/compute/exact/exact.ts'
import { fitTransform } from '../../../../src/align/transform.ts'
import { matrixCid } from '../../../../src/distribute/matrix-cid.ts'
import { NumericError } from '../../../../src/errors.ts'
import { plainGemm, type Gemm } from '../../../../src/gemm.ts'
import type { Matrix32, Matrix64 } from '../../../../src/matrix.ts'
import { testSwarm } from '../../../helpers/signed-swarm.ts'
import { gaussian, honest } from '../../../helpers/synthetic-priors.ts'

const ROWS = 64
const DIMENSION = 8
const hidden = gaussian(ROWS, 4, 'hidden')
const [from, to] = [honest(hidden, DIMENSION, 0.1, 'from'), honest(hidden, DIMENSION, 0.1, 'to')]

let exact: Exact
beforeEach(async () => {
  const { manifest } = await testSwarm()
  const bytes = ROWS * 4 * 4
  const swarm = await testSwarm({
    dimension: DIMENSION,
    shared: { ...manifest.shared, rows: ROWS },
    referenceFeatures: { ...manifest.referenceFeatures, dimension: 4, bytes, dagBytes: bytes }
  })
  exact = await createExact(swarm, { rows: ROWS, columns: 4, data: Float32Array.from(hidden.data) } satisfies Matrix32)
  for (const targets of [from, to]) await exact.assess(matrixCid(targets), 'onnx', targets)
})
afterEach(async () => await exact.close())

const fit = async (gemm: Gemm) => await exact.fit(matrixCid(from), matrixCid(to), gemm)
const counting = (): Gemm & { products: number } => {
  const gemm = {
    products: 0,
    multiply: async (...args: Parameters<Gemm['multiply']>): Promise<Matrix64> => {
      gemm.products++
      return await plainGemm.multiply(...args)
    }
  }
  return gemm
}

describe('the exact thread', () => {
  test('fits with the kernels that each call brings, also when two run at the same time', async () => {
    const [a, b] = [counting(), counting()]
    const [first, second] = await Promise.all([fit(a), fit(b)])
    expect(a.products).toBeGreaterThan(0)
    expect(b.products).toBe(a.products)
    expect(second).toEqual(first)
    expect(first).toEqual(await fitTransform({ from, to, grid: [1], gemm: plainGemm }))
  })

  test('takes products that are a part of larger memory, and leaves that memory to its owner', async () => {
    const memory = new Float64Array(10_000)
    const within: Gemm = {
      multiply: async (...args) => {
        const product = await plainGemm.multiply(...args)
        const data = memory.subarray(0, product.data.length)
        data.set(product.data)
        return { ...product, data }
      }
    }
    expect(await fit(within)).toEqual(await fit(plainGemm))
    expect(memory.byteLength).toBe(80_000)
  })

  test('rejects a fit whose kernels fail, as a verdict only where the numbers are to blame, and goes on', async () => {
    const failing = (error: Error): Gemm => ({
      multiply: async () => {
        throw error
      }
    })
    await expect(fit(failing(new NumericError('too large')))).rejects.toMatchObject({ name: 'NumericError' })
    await expect(fit(failing(new Error('no process')))).rejects.toMatchObject({ name: 'CoOptError' })
    await expect(fit(plainGemm)).resolves.toBeDefined()
  })

  test('rejects what waits when it is closed, and everything asked later', async () => {
    const never: Gemm = { multiply: async () => await new Promise<never>(() => {}) }
    const [waiting] = await Promise.all([fit(never).catch((error: unknown) => error), exact.close()])
    expect(waiting).toMatchObject({ name: 'CoOptError' })
    await expect(exact.uniformValue(from)).rejects.toMatchObject({ name: 'CoOptError' })
  })
})
