/** The steps of the alignment that algebra.ts measures on synthetic targets, each with a figure to compare. */
import { choleskyFactor } from '../../src/align/cholesky.ts'
import { consensus } from '../../src/align/consensus.ts'
import { symmetricEigen } from '../../src/align/eigen.ts'
import { assess, DEFAULT_GATE } from '../../src/align/gate.ts'
import { predictivity } from '../../src/align/predictivity.ts'
import { ridgeStrength, ridgeSystem } from '../../src/align/ridge-system.ts'
import { DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { uniformValue } from '../../src/align/uniformity.ts'
import { rawCid } from '../../src/codec.ts'
import { gramOfColumns, multiplyByTranspose, plainGemm } from '../../src/gemm.ts'
import { toFloat64, zeros, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { projection } from '../../src/optimize/projection.ts'

export interface Step {
  /** Name of the step in algebra.py */
  readonly name: string
  /** Shapes at which it is measured */
  readonly shapes: 'square' | 'pairs' | 'candidates' | 'projections'
  /** Runs the step on these targets; returns a figure that both sides must agree on, if the step has one */
  run(targets: readonly Matrix32[]): Promise<number | undefined>
}

const SEED = new Uint8Array(32).fill(5)
const UNIFORMITY = { t: 2, centred: false }
const RULES = { gate: DEFAULT_GATE, seed: SEED, uniformity: UNIFORMITY }

const prepared = new WeakMap<readonly Matrix32[], Matrix64>()

export const STEPS: readonly Step[] = [
  {
    name: 'product',
    shapes: 'square',
    run: async ([a, b]) => void multiplyByTranspose(toFloat64(taken(a)), toFloat64(taken(b)))
  },
  {
    name: 'cholesky',
    shapes: 'square',
    run: async targets => void choleskyFactor(cached(targets, ridged))
  },
  {
    name: 'eigenvectors',
    shapes: 'square',
    run: async targets => void symmetricEigen(cached(targets, ([a]) => gramOfColumns(toFloat64(taken(a)))))
  },
  {
    name: 'W',
    shapes: 'projections',
    run: async ([a]) => {
      const { rows, columns } = taken(a)
      projection(rawCid(SEED), rows, columns)
      return undefined
    }
  },
  { name: 'uniform value', shapes: 'pairs', run: async ([a]) => uniformValue(taken(a), UNIFORMITY) },
  {
    name: 'gate',
    shapes: 'pairs',
    run: async ([a, b]) => assess(RULES, { targets: taken(a), kind: 'onnx' }, taken(b)).uniformValue
  },
  {
    name: 'ridge',
    shapes: 'pairs',
    run: async ([a, b]) =>
      (await fitTransform({ from: taken(a), to: taken(b), grid: DEFAULT_GRID, gemm: plainGemm })).looR2
  },
  {
    name: 'predictivity',
    shapes: 'candidates',
    run: async targets => {
      predictivity(
        named(targets).map(candidate => ({ ...candidate, votes: true })),
        SEED
      )
      return undefined
    }
  },
  {
    name: 'consensus',
    shapes: 'candidates',
    run: async targets => {
      const gram = gramOfColumns(consensus(named(targets), SEED))
      return Math.sqrt(gram.data.reduce((sum, value) => sum + value * value, 0))
    }
  }
]

/** `count` honest priors: random ReLU maps of common hidden causes, with noise. The same numbers in every run. */
export function syntheticTargets(rows: number, columns: number, count: number): Matrix32[] {
  const random = generator(rows * 31 + columns)
  const fill = (m: Matrix64): Matrix64 => ({ ...m, data: m.data.map(() => random() + random() - 1) })
  const causes = fill(zeros(rows, 32))
  return Array.from({ length: count }, () => {
    const seen = multiplyByTranspose(causes, fill(zeros(columns, 32)))
    return { rows, columns, data: Float32Array.from(seen.data, value => Math.max(value, 0) + random()) }
  })
}

// --- internal ---

/** Cached over repetitions, so that only the step itself is timed. */
function cached(targets: readonly Matrix32[], make: (targets: readonly Matrix32[]) => Matrix64): Matrix64 {
  const known = prepared.get(targets)
  if (known !== undefined) return known
  const made = make(targets)
  prepared.set(targets, made)
  return made
}

function ridged([a]: readonly Matrix32[]): Matrix64 {
  const system = ridgeSystem(toFloat64(taken(a)))
  const { gram } = system
  const lambda = ridgeStrength(system, 0.01)
  for (let i = 0; i < gram.rows; i++) gram.data[i * gram.rows + i] = (gram.data[i * gram.rows + i] as number) + lambda
  return gram
}

function taken(matrix: Matrix32 | undefined): Matrix32 {
  if (matrix === undefined) throw new Error('a step lacks its targets')
  return matrix
}

function named(targets: readonly Matrix32[]): Array<{ id: string; targets: Matrix32 }> {
  return targets.map((m, k) => ({ id: String(k).padStart(4, '0'), targets: m }))
}

/** mulberry32: good enough for noise, and a hundred times as fast as the streams of the method */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
