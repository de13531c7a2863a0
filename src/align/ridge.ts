/**
 * Ridge regression of centred Y (m x q) on centred X (m x n) for many strengths: fitted values, leverages and the map.
 *
 * With G = X^T X (primal, m > n) or K = X X^T (dual, m <= n), p = min(n, m):
 *   primal   fitted = X (G + lambda I)^-1 X^T Y     map = (G + lambda I)^-1 X^T Y
 *   dual     fitted = K (K + lambda I)^-1 Y         map = X^T (K + lambda I)^-1 Y
 * Leverages are the diagonal of the matrix that takes Y to `fitted`. Up to `MAX_EIGEN` all strengths share one eigendecomposition: then
 * fitted = P diag(w) C and leverage_i = sum_k P_ik^2 w_k, with P = X V (primal) or V (dual), C = P^T Y. Above, each strength takes
 * one Cholesky factor A = L L^T: primal with P = X L^-T and w = 1; dual through the residual lambda A^-1 Y.
 */
import { zeros, type Matrix64 } from '../matrix.ts'
import { inverseFactor } from './cholesky.ts'
import { symmetricEigen } from './eigen.ts'
import type { Gemm } from '../gemm.ts'

/** Above, an eigendecomposition in plain code takes longer than a Cholesky factor per strength through fast products (measured). */
export const MAX_EIGEN = 512

export interface RidgeSolver {
  /** trace / min(n, m): the unit in which a grid of strengths is given */
  readonly scale: number
  /** Fitted Y (m x q) and the m leverages, both without the intercept */
  fit(lambda: number): Promise<{ fitted: Matrix64; leverages: Float64Array }>
  /** n x q */
  map(lambda: number): Promise<Matrix64>
}

export async function solveGrid(x: Matrix64, y: Matrix64, gemm: Gemm): Promise<RidgeSolver> {
  const dual = x.rows <= x.columns
  const gram = dual ? await gemm.multiply(x, x, { transposeB: true }) : await gemm.multiply(x, x, { transposeA: true })
  const p = gram.rows
  let trace = 0
  for (let i = 0; i < p; i++) trace += gram.data[i * p + i] as number
  const scale = trace / p
  const solver = p <= MAX_EIGEN ? await eigenSolver(x, y, gram, dual, gemm) : choleskySolver(x, y, gram, dual, gemm)
  return { scale, ...solver }
}

// --- internal ---

async function eigenSolver(
  x: Matrix64,
  y: Matrix64,
  gram: Matrix64,
  dual: boolean,
  gemm: Gemm
): Promise<Omit<RidgeSolver, 'scale'>> {
  const { values, vectors } = symmetricEigen(gram)
  // rows of `vectors` are eigenvectors: V = vectors^T; p x m
  const basis = dual ? vectors : await gemm.multiply(vectors, x, { transposeB: true })
  const m = basis.columns
  const coefficients = await gemm.multiply(basis, y) // p x q
  // rounding makes zero eigenvalues slightly negative
  const positive = values.map(value => (value > 0 ? value : 0))
  return {
    fit: async lambda => {
      const weights = positive.map(value => (dual ? value : 1) / (value + lambda))
      const leverages = new Float64Array(m)
      for (let k = 0; k < weights.length; k++) {
        for (let i = 0; i < m; i++) {
          const value = basis.data[k * m + i] as number
          leverages[i] = (leverages[i] as number) + value * value * (weights[k] as number)
        }
      }
      const fitted = await gemm.multiply(basis, scaleRows(coefficients, weights), { transposeA: true })
      return { fitted, leverages }
    },
    map: async lambda => {
      const weighted = scaleRows(
        coefficients,
        positive.map(value => 1 / (value + lambda))
      )
      const solved = await gemm.multiply(vectors, weighted, { transposeA: true })
      return dual ? await gemm.multiply(x, solved, { transposeA: true }) : solved
    }
  }
}

function choleskySolver(
  x: Matrix64,
  y: Matrix64,
  gram: Matrix64,
  dual: boolean,
  gemm: Gemm
): Omit<RidgeSolver, 'scale'> {
  // the chosen strength is asked for again by `map`: its factor is kept when it was the last one
  let last: { lambda: number; inverse: Matrix64 } | undefined
  const factor = async (lambda: number): Promise<Matrix64> => {
    if (last?.lambda !== lambda) last = { lambda, inverse: await inverseFactor(withRidge(gram, lambda), gemm) }
    return last.inverse
  }
  return {
    fit: async lambda => {
      const inverse = await factor(lambda)
      if (dual) {
        const alpha = await gemm.multiply(inverse, await gemm.multiply(inverse, y), { transposeA: true })
        const diagonal = columnSquares(inverse)
        const fitted = zeros(y.rows, y.columns)
        for (let at = 0; at < fitted.data.length; at++) {
          fitted.data[at] = (y.data[at] as number) - lambda * (alpha.data[at] as number)
        }
        return { fitted, leverages: diagonal.map(value => 1 - lambda * value) }
      }
      const basis = await gemm.multiply(inverse, x, { transposeB: true }) // n x m
      const fitted = await gemm.multiply(basis, await gemm.multiply(basis, y), { transposeA: true })
      return { fitted, leverages: columnSquares(basis) }
    },
    map: async lambda => {
      const inverse = await factor(lambda)
      const right = dual ? y : await gemm.multiply(x, y, { transposeA: true })
      const solved = await gemm.multiply(inverse, await gemm.multiply(inverse, right), { transposeA: true })
      return dual ? await gemm.multiply(x, solved, { transposeA: true }) : solved
    }
  }
}

function withRidge(gram: Matrix64, lambda: number): Matrix64 {
  const data = gram.data.slice()
  for (let i = 0; i < gram.rows; i++) data[i * gram.rows + i] = (data[i * gram.rows + i] as number) + lambda
  return { ...gram, data }
}

function scaleRows(m: Matrix64, factors: Float64Array): Matrix64 {
  const data = m.data.slice()
  for (let i = 0; i < m.rows; i++) {
    for (let c = 0; c < m.columns; c++) {
      data[i * m.columns + c] = (data[i * m.columns + c] as number) * (factors[i] as number)
    }
  }
  return { ...m, data }
}

function columnSquares(m: Matrix64): Float64Array {
  const sums = new Float64Array(m.columns)
  for (let i = 0; i < m.rows; i++) {
    for (let c = 0; c < m.columns; c++) {
      const value = m.data[i * m.columns + c] as number
      sums[c] = (sums[c] as number) + value * value
    }
  }
  return sums
}
