/**
 * k-nearest-neighbour classification by cosine: the most frequent class among the k nearest known rows; ties go to the class with the nearest row. k
 * is chosen by the accuracy on the validation rows (the smaller one in case of a tie); the test rows are used once, with fit and validation rows
 * known.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { takeRows } from '../../src/align/rows.ts'
import type { Gemm } from '../../src/gemm.ts'
import type { Matrix64 } from '../../src/matrix.ts'
import {
  checkRows,
  scored,
  takeLabels,
  unitRows,
  type LabelledRows,
  type ProbeResult,
  type RidgeProbeInit
} from './ridge-probe.ts'
import { splitForTest, stratifiedSplit } from './splits.ts'

export const NEIGHBOUR_COUNTS: readonly number[] = [1, 5, 20]

/** Rows classified at a time: 20 MiB of cosines against 10,000 known rows. */
const CHUNK_ROWS = 256

export interface NeighbourProbe extends ProbeResult {
  readonly k: number
}

/** Throws as `ridgeProbe`. */
export async function neighbourProbe(init: RidgeProbeInit): Promise<NeighbourProbe> {
  const { features, labels, classes, seed, gemm, test } = init
  checkRows(init)
  const rows = unitRows(features)
  const { fit, validate, ...rest } =
    test === undefined ? stratifiedSplit(labels, classes, seed) : splitForTest(labels, classes, seed)
  const some = { features: takeRows(rows, fit), labels: takeLabels(labels, fit) }
  const held = takeRows(rows, validate)
  let best = { k: 1, accuracy: -1 }
  const votes = await neighbourClasses(some, held, NEIGHBOUR_COUNTS, classes, gemm)
  for (const [i, k] of NEIGHBOUR_COUNTS.entries()) {
    const { accuracy } = scored(validate, votes[i] as Int32Array, labels)
    if (accuracy > best.accuracy) best = { k, accuracy }
  }
  const all = Int32Array.from([...fit, ...validate])
  const known = { features: takeRows(rows, all), labels: takeLabels(labels, all) }
  const { k } = best
  if (test === undefined) {
    const asked = 'test' in rest ? (rest.test as Int32Array) : new Int32Array(0)
    const [predicted] = await neighbourClasses(known, takeRows(rows, asked), [k], classes, gemm)
    return { ...scored(asked, predicted as Int32Array, labels), k }
  }
  checkRows(test)
  const [predicted] = await neighbourClasses(known, unitRows(test.features), [k], classes, gemm)
  const asked = Int32Array.from(test.labels, (_, i) => i)
  return { ...scored(asked, predicted as Int32Array, test.labels), k }
}

/** The voted class of every row of `asked`, for each k (cut to the known rows). All rows have length 1. */
export async function neighbourClasses(
  known: LabelledRows & { features: Matrix64 },
  asked: Matrix64,
  counts: readonly number[],
  classes: number,
  gemm: Gemm
): Promise<Int32Array[]> {
  const most = Math.min(Math.max(...counts), known.features.rows)
  const out = counts.map(() => new Int32Array(asked.rows))
  for (let from = 0; from < asked.rows; from += CHUNK_ROWS) {
    const to = Math.min(asked.rows, from + CHUNK_ROWS)
    const part = {
      rows: to - from,
      columns: asked.columns,
      data: asked.data.subarray(from * asked.columns, to * asked.columns)
    }
    const cosines = await gemm.multiply(part, known.features, { transposeB: true })
    await turn()
    for (let i = 0; i < part.rows; i++) {
      const near = nearest(cosines.data.subarray(i * cosines.columns, (i + 1) * cosines.columns), most)
      for (const [at, k] of counts.entries())
        (out[at] as Int32Array)[from + i] = vote(near.slice(0, k), known.labels, classes)
    }
  }
  return out
}

// --- internal ---

/** Indices of the `k` largest values, largest first; ties in index order. */
function nearest(values: Float64Array, k: number): number[] {
  const names: number[] = []
  for (let j = 0; j < values.length; j++) {
    const value = values[j] as number
    if (names.length === k && value <= (values[names[k - 1] as number] as number)) continue
    let at = names.length < k ? names.push(j) - 1 : k - 1
    for (; at > 0 && (values[names[at - 1] as number] as number) < value; at--) names[at] = names[at - 1] as number
    names[at] = j
  }
  return names
}

function vote(near: readonly number[], labels: Int32Array, classes: number): number {
  const counts = new Int32Array(classes)
  for (const j of near) counts[labels[j] as number] = (counts[labels[j] as number] as number) + 1
  const most = Math.max(...counts)
  // nearest first: the first neighbour of a winning class decides a tie
  return labels[near.find(j => counts[labels[j] as number] === most) as number] as number
}
