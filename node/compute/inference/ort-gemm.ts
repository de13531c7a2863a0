/** `Gemm` through the inference worker: the heavy float64 products of the alignment, without blocking the node. */
import type { Gemm } from '../../../src/gemm.ts'
import { NumericError } from '../../../src/errors.ts'
import { matrix } from '../../../src/matrix.ts'
import type { InferenceHost } from './host.ts'

/** Both operands travel in one message, which Node holds in a buffer; 1 GiB of float64 is far above what an alignment needs. */
const MAX_NUMBERS = 134_217_728

/** Equal to the plain product up to the order of the sums (1e-12 relative). `host` is not closed. */
export function createOrtGemm(host: InferenceHost, options: { threads?: number } = {}): Gemm {
  return {
    async multiply(a, b, { transposeA = false, transposeB = false } = {}) {
      const [rows, inner] = transposeA ? [a.columns, a.rows] : [a.rows, a.columns]
      const [depth, columns] = transposeB ? [b.columns, b.rows] : [b.rows, b.columns]
      if (inner !== depth)
        throw new NumericError(`a ${rows} x ${inner} matrix cannot be multiplied by a ${depth} x ${columns} one`)
      if (a.data.length + b.data.length + rows * columns > MAX_NUMBERS) {
        throw new NumericError(`a product of ${rows} x ${inner} by ${depth} x ${columns} is too large for the worker`)
      }
      if (rows * columns * inner === 0) return matrix(rows, columns, new Float64Array(rows * columns))
      const { data } = await host.request({ type: 'gemm', a, b, transposeA, transposeB, threads: options.threads ?? 1 })
      return matrix(rows, columns, data)
    }
  }
}
