/** Figures of one simulated swarm that need labels or several participants' targets. They are for evaluation; a real swarm cannot compute them. */
import { applyTransform } from '../../../src/align/transform.ts'
import { round6 } from '../../../src/align/gate.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { presentRows } from '../../../src/bytes.ts'
import { cosineDistance } from '../../evaluate/inconsistency.ts'
import { ridgeProbe, unitRows } from '../../evaluate/ridge-probe.ts'
import { MIN_CLASS_ROWS } from '../../evaluate/splits.ts'
import type { ImageLabels } from './image-set.ts'

export type Probe =
  | { readonly accuracy: number; readonly standardError: number; readonly rows: number }
  | { readonly skipped: string }

/** Ridge probe of rows against their images' labels; rows or images without one are left out. */
export async function probeOf(
  targets: Matrix32,
  images: Uint32Array,
  labels: ImageLabels,
  seed: number
): Promise<Probe> {
  const usable = presentRows(targets).filter(row => (labels.classes[images[row] as number] ?? -1) >= 0)
  const classes = labels.names.length
  const known = Int32Array.from(usable, row => labels.classes[images[row] as number] as number)
  const counts = new Uint32Array(classes)
  for (const label of known) counts[label] = (counts[label] as number) + 1
  const few = counts.findIndex(count => count > 0 && count < MIN_CLASS_ROWS)
  if (few >= 0)
    return { skipped: `class ${labels.names[few]} has ${counts[few]} rows; a probe needs ${MIN_CLASS_ROWS}` }
  if (counts.filter(count => count > 0).length < 2) return { skipped: 'a probe needs rows of two classes' }
  const { columns } = targets
  const data = new Float32Array(usable.length * columns)
  usable.forEach((from, to) => data.set(targets.data.subarray(from * columns, (from + 1) * columns), to * columns))
  const features = matrix(usable.length, columns, data)
  const { accuracy, standardError, rows } = await ridgeProbe({
    features,
    labels: known,
    classes,
    seed,
    gemm: plainGemm
  })
  return { accuracy: round6(accuracy), standardError: round6(standardError), rows: rows.length }
}

/** Mean over pairs of participants of 1 - mean cosine on the shared set; absent with fewer than two. */
export function meanDistance(targets: readonly Matrix32[]): number | undefined {
  const [first] = targets
  if (first !== undefined && targets.length > 1 && targets.every(isWhole)) return round6(distanceOfAll(targets, first))
  const distances: number[] = []
  for (const [i, a] of targets.entries()) {
    for (const b of targets.slice(i + 1)) {
      const distance = cosineDistance(a, b)
      if (distance !== undefined) distances.push(distance)
    }
  }
  if (distances.length === 0) return undefined
  return round6(distances.reduce((sum, d) => sum + d, 0) / distances.length)
}

/** S_Y mapped onto the reference. */
export async function alignedShared(
  transform: Parameters<typeof applyTransform>[0],
  targets: Matrix32
): Promise<Matrix32> {
  return await applyTransform(transform, targets, plainGemm)
}

// --- internal ---

const isWhole = (m: Matrix32): boolean => presentRows(m).length === m.rows

/** With K unit vectors per row the cosines of all pairs are (|sum|^2 - K) / (K (K - 1)) on average: one pass instead of one per pair. */
function distanceOfAll(targets: readonly Matrix32[], { rows, columns }: Matrix32): number {
  const units = targets.map(unitRows)
  let total = 0
  for (let i = 0; i < rows; i++) {
    let square = 0
    for (let c = 0; c < columns; c++) {
      let sum = 0
      for (const { data } of units) sum += data[i * columns + c] as number
      square += sum * sum
    }
    total += (square - units.length) / (units.length * (units.length - 1))
  }
  return 1 - total / rows
}
