/**
 * Ridge regression of centred Y (m x q) on centred X (m x n) for many strengths: fitted values, leverages and the map.
 *
 * With G = X^T X (primal, m > n) or K = X X^T (dual, m <= n), p = min(n, m):
 *   primal   fitted = X (G + lambda I)^-1 X^T Y     map = (G + lambda I)^-1 X^T Y
 *   dual     fitted = K (K + lambda I)^-1 Y         map = X^T (K + lambda I)^-1 Y
 * Leverages are the diagonal of the matrix that takes Y to `fitted`. Up to `MAX_EIGEN` all strengths share one eigendecomposition: then
 * fitted = P diag(w) C and leverage_i = sum_k P_ik^2 w_k, with P = X V (primal) or V (dual), C = P^T Y. Above, each strength takes
 * one Cholesky factor A = L L^T: primal with P = X L^-T, C = L^-1 X^T Y and w = 1; dual through the residual lambda A^-1 Y.
 *
 * Only products go to `gemm`. Decompositions and triangular solves are exact and synchronous.
 */
import { transpose, type Gemm } from '../gemm.ts'
import { zeros, type Matrix64 } from '../matrix.ts'
import { solveLower, solveUpper } from './cholesky.ts'
import { symmetricEigen } from './eigen.ts'
import { ridgeFactor, ridgeStrength, ridgeSystemBy, type RidgeSystem } from './ridge-system.ts'

/** Above this size, eigenvectors take longer than the Cholesky factors of a whole grid and block their thread for a second. */
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
  const system = await ridgeSystemBy(gemm, x)
  const { isDual, gram } = system
  const scale = ridgeStrength(system, 1)
  if (gram.rows <= MAX_EIGEN) return { scale, ...(await eigenSolver(x, y, system, gemm)) }
  return { scale, ...(isDual ? dualSolver(x, y, system, gemm) : await primalSolver(x, y, system, gemm)) }
}

// --- internal ---

type Solver = Omit<RidgeSolver, 'scale'>

async function eigenSolver(x: Matrix64, y: Matrix64, { gram, isDual }: RidgeSystem, gemm: Gemm): Promise<Solver> {
  const { values, vectors } = symmetricEigen(gram)
  // rows of `vectors` are eigenvectors: V = vectors^T; p x m
  const basis = isDual ? vectors : await gemm.multiply(vectors, x, { transposeB: true })
  const m = basis.columns
  const coefficients = await gemm.multiply(basis, y) // p x q
  // rounding makes zero eigenvalues slightly negative
  const positive = values.map(value => (value > 0 ? value : 0))
  return {
    fit: async lambda => {
      const weights = positive.map(value => (isDual ? value : 1) / (value + lambda))
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
      return isDual ? await gemm.multiply(x, solved, { transposeA: true }) : solved
    }
  }
}

async function primalSolver(x: Matrix64, y: Matrix64, system: RidgeSystem, gemm: Gemm): Promise<Solver> {
  const factorOf = keepLast(lambda => ridgeFactor(system, lambda))
  const right = await gemm.multiply(y, x, { transposeA: true }) // q x n
  return {
    fit: async lambda => {
      const factor = factorOf(lambda)
      const basis = solveLower(factor, x) // m x n
      const fitted = await gemm.multiply(basis, solveLower(factor, right), { transposeB: true })
      return { fitted, leverages: rowSquares(basis) }
    },
    map: async lambda => {
      const factor = factorOf(lambda)
      return transpose(solveUpper(factor, solveLower(factor, right)))
    }
  }
}

function dualSolver(x: Matrix64, y: Matrix64, system: RidgeSystem, gemm: Gemm): Solver {
  const factorOf = keepLast(lambda => ridgeFactor(system, lambda))
  const right = transpose(y) // q x m
  const unit = zeros(x.rows, x.rows)
  for (let i = 0; i < x.rows; i++) unit.data[i * x.rows + i] = 1
  const solve = (lambda: number): Matrix64 => {
    const factor = factorOf(lambda)
    return transpose(solveUpper(factor, solveLower(factor, right)))
  }
  return {
    fit: async lambda => {
      const alpha = solve(lambda)
      const fitted = zeros(y.rows, y.columns)
      for (let at = 0; at < fitted.data.length; at++) {
        fitted.data[at] = (y.data[at] as number) - lambda * (alpha.data[at] as number)
      }
      // row i of L^-1, turned, is L^-1 e_i: its square is the diagonal of the inverse
      const diagonal = rowSquares(solveLower(factorOf(lambda), unit))
      return { fitted, leverages: diagonal.map(value => 1 - lambda * value) }
    },
    map: async lambda => await gemm.multiply(x, solve(lambda), { transposeA: true })
  }
}

/** Caches the last factor: `map` asks for that of the chosen strength again. */
function keepLast(factor: (lambda: number) => Matrix64): (lambda: number) => Matrix64 {
  let last: { lambda: number; value: Matrix64 } | undefined
  return lambda => {
    if (last?.lambda !== lambda) last = { lambda, value: factor(lambda) }
    return last.value
  }
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

function rowSquares(m: Matrix64): Float64Array {
  return Float64Array.from({ length: m.rows }, (_, i) => {
    let sum = 0
    for (let c = 0; c < m.columns; c++) {
      const value = m.data[i * m.columns + c] as number
      sum += value * value
    }
    return sum
  })
}
