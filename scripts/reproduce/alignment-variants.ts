/**
 * Compares ways to fit T, each judged on rows that were not used in the fit, to choose the defaults of a manifest's `alignment`. The node uses
 * `fitTransform`; the others are here for comparison only.
 *
 * Uses every prior's own targets of all rows (from a swarm of one without alignment). The first `shared` rows are S; the others are assigned to the
 * priors in turn, mapped, merged, and classified by the ridge probe.
 */
import { DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { symmetricEigen } from '../../src/align/eigen.ts'
import { solveGrid } from '../../src/align/ridge.ts'
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../src/align/rows.ts'
import { multiplyByTranspose, plainGemm, transpose } from '../../src/gemm.ts'
import { toFloat64, zeros, type Matrix32, type Matrix64 } from '../../src/matrix.ts'
import { ridgeProbe } from '../../node/evaluate/ridge-probe.ts'

/** Maps any number of rows, rows x n_from -> rows x n_to */
type Mapping = (raw: Matrix64) => Matrix64

interface Variant {
  readonly name: string
  /** `from` and `to` are the rows of S */
  fit(from: Matrix64, to: Matrix64): Promise<Mapping>
}

/** The first is the node's. */
export const VARIANTS: readonly Variant[] = [
  { name: 'ridge, intercept, strength by leave-one-out (the node)', fit: async (from, to) => await ridge(from, to) },
  { name: 'without intercept', fit: async (from, to) => await withoutIntercept(from, to) },
  {
    name: 'rows of both scaled to length 1 first',
    fit: async (from, to) => {
      const map = await ridge(unit(from), unit(to))
      return raw => map(unit(raw))
    }
  },
  { name: 'rows of the reference scaled to length 1', fit: async (from, to) => await ridge(from, unit(to)) },
  { name: 'finer grid, 1e-5 to 10', fit: async (from, to) => await ridge(from, to, FINE_GRID) },
  { name: 'strength fixed at 0.001', fit: async (from, to) => await ridge(from, to, [0.001]) },
  { name: 'strength fixed at 0.1', fit: async (from, to) => await ridge(from, to, [0.1]) },
  { name: 'strength fixed at 1', fit: async (from, to) => await ridge(from, to, [1]) },
  { name: 'least squares (strength 1e-9)', fit: async (from, to) => await ridge(from, to, [1e-9]) },
  { name: 'orthogonal Procrustes with a scale', fit: async (from, to) => procrustes(from, to) }
]

const FINE_GRID = Array.from({ length: 25 }, (_, i) => 10 ** (-5 + i / 4))

export interface VariantResult {
  readonly name: string
  /** Mean cosine of mapped rows and the reference prior's own targets, over the priors but the reference and the rows outside S */
  readonly cosine: number
  /** 1 - residual / variance, likewise */
  readonly r2: number
  /** Ridge probe of the merged rows, 0 to 1 */
  readonly accuracy: number
}

export interface VariantsInit {
  /** Raw targets of all rows, one matrix a prior, the same rows in the same order */
  readonly priors: ReadonlyMap<string, Matrix32>
  /** Name of the reference */
  readonly reference: string
  /** Of every row */
  readonly labels: Int32Array
  readonly classes: number
  /** m */
  readonly shared: number
  readonly seed: number
}

export async function compareVariants(init: VariantsInit): Promise<VariantResult[]> {
  const results: VariantResult[] = []
  for (const variant of VARIANTS) results.push(await judge(variant, init))
  return results
}

// --- internal ---

async function judge(variant: Variant, init: VariantsInit): Promise<VariantResult> {
  const { priors, reference, labels, classes, shared, seed } = init
  const target = priors.get(reference)
  if (target === undefined) throw new Error(`${reference} is not among the priors`)
  const to = part(target, 0, shared)
  const held = part(target, shared, target.rows)
  const merged = zeros(held.rows, held.columns)
  let cosine = 0
  let r2 = 0
  const names = [...priors.keys()]
  for (const [turn, name] of names.entries()) {
    const raw = priors.get(name) as Matrix32
    const map = await variant.fit(part(raw, 0, shared), to)
    const mapped = map(part(raw, shared, raw.rows))
    for (let i = turn; i < held.rows; i += names.length)
      merged.data.set(mapped.data.subarray(i * held.columns, (i + 1) * held.columns), i * held.columns)
    if (name === reference) continue
    cosine += meanCosine(mapped, held)
    r2 += explained(mapped, held)
  }
  const probe = await ridgeProbe({
    features: merged,
    labels: labels.subarray(shared),
    classes,
    seed,
    gemm: plainGemm
  })
  return {
    name: variant.name,
    cosine: cosine / (names.length - 1),
    r2: r2 / (names.length - 1),
    accuracy: probe.accuracy
  }
}

async function ridge(from: Matrix64, to: Matrix64, grid = DEFAULT_GRID): Promise<Mapping> {
  const { map, offset } = await fitTransform({ from, to, grid, gemm: plainGemm })
  return raw => shifted(multiplyByTranspose(raw, transpose(map)), offset)
}

async function withoutIntercept(from: Matrix64, to: Matrix64): Promise<Mapping> {
  const solver = await solveGrid(from, to, plainGemm)
  let best = { error: Infinity, lambda: 0 }
  for (const multiple of DEFAULT_GRID) {
    const lambda = multiple * solver.scale
    const { fitted, leverages } = await solver.fit(lambda)
    let error = 0
    for (let at = 0; at < to.data.length; at++) {
      const free = 1 - (leverages[Math.floor(at / to.columns)] as number)
      error += (((to.data[at] as number) - (fitted.data[at] as number)) / free) ** 2
    }
    if (error < best.error) best = { error, lambda }
  }
  const across = transpose(await solver.map(best.lambda))
  return raw => multiplyByTranspose(raw, across)
}

/** min ||s X Q + b - Y|| over orthogonal Q and s: Q = M (M^T M)^(-1/2), M = X^T Y of centred X and Y. */
function procrustes(from: Matrix64, to: Matrix64): Mapping {
  const [fromMeans, toMeans] = [columnMeans(from), columnMeans(to)]
  const x = subtractRow(copy(from), fromMeans)
  const y = subtractRow(copy(to), toMeans)
  const moment = multiplyByTranspose(transpose(x), transpose(y))
  const { values, vectors } = symmetricEigen(multiplyByTranspose(transpose(moment), transpose(moment)))
  const largest = Math.max(...values)
  let trace = 0
  // directions without a singular value have no counterpart: they are left out
  const scaled = copy(vectors)
  values.forEach((value, k) => {
    const singular = value > 1e-12 * largest ? Math.sqrt(value) : 0
    trace += singular
    for (let c = 0; c < scaled.columns; c++) {
      const at = k * scaled.columns + c
      scaled.data[at] = singular === 0 ? 0 : (scaled.data[at] as number) / singular
    }
  })
  const inverseRoot = multiplyByTranspose(transpose(scaled), transpose(vectors))
  const rotation = multiplyByTranspose(moment, transpose(inverseRoot))
  const scale = trace / squares(x)
  return raw => {
    const turned = multiplyByTranspose(subtractRow(copy(raw), fromMeans), transpose(rotation))
    for (let at = 0; at < turned.data.length; at++) turned.data[at] = (turned.data[at] as number) * scale
    return shifted(turned, toMeans)
  }
}

function part(m: Matrix32, start: number, end: number): Matrix64 {
  return takeRows(
    m,
    Array.from({ length: end - start }, (_, i) => start + i)
  )
}

function unit(m: Matrix64): Matrix64 {
  return normaliseRows(copy(m))
}

function copy(m: Matrix64): Matrix64 {
  return { ...toFloat64(m), data: m.data.slice() }
}

function shifted(m: Matrix64, by: Float64Array): Matrix64 {
  return subtractRow(
    m,
    by.map(value => -value)
  )
}

function squares(m: Matrix64): number {
  let sum = 0
  for (const value of m.data) sum += value * value
  return sum
}

function meanCosine(a: Matrix64, b: Matrix64): number {
  const [u, v] = [unit(a), unit(b)]
  let sum = 0
  for (let at = 0; at < u.data.length; at++) sum += (u.data[at] as number) * (v.data[at] as number)
  return sum / u.rows
}

/** Compares unit rows, because some variants change the reference's lengths. */
function explained(a: Matrix64, b: Matrix64): number {
  const [u, v] = [unit(a), unit(b)]
  const centred = subtractRow(copy(v), columnMeans(v))
  let residual = 0
  for (let at = 0; at < u.data.length; at++) residual += ((u.data[at] as number) - (v.data[at] as number)) ** 2
  return 1 - residual / squares(centred)
}
