/** How well targets that were aligned on the shared set agree with the reference prior's own on rows that nobody shared. */
import { columnMeans, normaliseRows, subtractRow, takeRows } from '../../src/align/rows.ts'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../src/align/transform.ts'
import { multiplyByTranspose, plainGemm } from '../../src/gemm.ts'
import type { Matrix, Matrix32, Matrix64 } from '../../src/matrix.ts'
import { drawRows, targetsOf, type Dataset } from './datasets.ts'

const NEIGHBOURS = 10

export interface Agreement {
  /** Exact leave-one-out R2 on the shared set, which a node states */
  readonly looR2: number
  /** R2 of aligned targets on the held-out rows; rows of both are scaled to length 1 */
  readonly r2: number
  /** Of the ten nearest held-out rows (cosine), the share that both have */
  readonly neighbours: number
}

export interface AgreementInit {
  readonly dataset: Dataset
  readonly prior: string
  readonly reference: string
  readonly m: number
  readonly n: number
  /** The same rows for every m and n */
  readonly held: number
}

/** Throws `NumericError` from the fit. */
export async function agreement({ dataset, prior, reference, m, n, held }: AgreementInit): Promise<Agreement> {
  const order = drawRows(dataset, dataset.reference.rows, 0)
  const test = order.slice(0, held)
  const shared = order.slice(held, held + m)
  const gemm = plainGemm
  const transform = await fitTransform({
    from: targetsOf(dataset, prior, shared, n),
    to: targetsOf(dataset, reference, shared, n),
    grid: DEFAULT_GRID,
    gemm
  })
  const mapped = unit(await applyTransform(transform, targetsOf(dataset, prior, test, n), gemm))
  const own = unit(targetsOf(dataset, reference, test, n))
  return { looR2: transform.looR2, r2: explained(mapped, own), neighbours: overlap(mapped, own) }
}

/** For each row the rows with the greatest cosine, without itself; rows have length 1. */
export function nearest(rows: Matrix64, count: number): Int32Array[] {
  const cosines = multiplyByTranspose(rows, rows)
  return Array.from({ length: rows.rows }, (_, i) => {
    const own = cosines.data.subarray(i * rows.rows, (i + 1) * rows.rows)
    const order = Int32Array.from({ length: rows.rows }, (_row, k) => k).filter(k => k !== i)
    return order.sort((a, b) => (own[b] as number) - (own[a] as number)).slice(0, count)
  })
}

export function unit(m: Matrix32): Matrix64 {
  return normaliseRows(takeRows(m, allRows(m)))
}

// --- internal ---

function allRows({ rows }: Matrix): number[] {
  return Array.from({ length: rows }, (_, i) => i)
}

function overlap(a: Matrix64, b: Matrix64): number {
  const [first, second] = [nearest(a, NEIGHBOURS), nearest(b, NEIGHBOURS)]
  let both = 0
  for (const [i, list] of first.entries()) {
    const others = new Set(second[i])
    for (const k of list) if (others.has(k)) both++
  }
  return both / (a.rows * NEIGHBOURS)
}

function explained(predicted: Matrix64, own: Matrix64): number {
  const means = columnMeans(own)
  const centred = subtractRow({ ...own, data: own.data.slice() }, means)
  let residual = 0
  let total = 0
  for (let at = 0; at < own.data.length; at++) {
    residual += ((predicted.data[at] as number) - (own.data[at] as number)) ** 2
    total += (centred.data[at] as number) ** 2
  }
  return 1 - residual / total
}
