/**
 * Are published targets those that come out when somebody computes them again? Two rules with a tolerance, because neither models nor fast matrix
 * kernels give the same last bits on every machine.
 */
import { applyTransform, type Transform } from '../align/transform.ts'
import { isAbsentRow } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import type { Gemm } from '../gemm.ts'
import { row, type Matrix32 } from '../matrix.ts'
import type { TargetDtype } from './target-dtype.ts'

/**
 * Aligned targets, of a row's length. Targets are float32 (6e-8); ill-conditioned fits by other kernels lose three digits of that, garbage all. Equality
 * cannot be asked for: authors fit and apply T with the kernels of their machine, and only decisions use exact ones.
 */
const ALIGNED_TOLERANCE = 1e-4

/** What rounding to float16 adds: at most 2^-11 of every number. */
const FLOAT16_TOLERANCE = 2 ** -11

/**
 * Targets of a model run again, of a row's length. Features of other machines differ by 1e-6 (1e-3 in 8-bit models), which an ill-conditioned map onto
 * the reference may enlarge tenfold; targets of another image or model are off by about 1.
 */
export const RERUN_TOLERANCE = 0.01

/** The row that differs most. */
export interface Difference {
  readonly row: number
  /** Distance relative to the row's length; Infinity if only one of the two has the row, or it is not finite */
  readonly off: number
}

/**
 * Where a shard's targets differ most from T of the raw ones; undefined if no row is present. `shardRows` and `rawRows` are the same rows; `transform` is
 * fitted again from the published S_Y and reference. With `plainGemm` for the fit and here, the answer is the same on every machine.
 *
 * Throws `NumericError` when shapes differ or a result is not finite.
 */
export async function alignmentDifference(
  shardRows: Matrix32,
  rawRows: Matrix32,
  { transform, gemm }: Pick<AlignmentMap, 'transform' | 'gemm'>
): Promise<Difference | undefined> {
  return greatestDifference(shardRows, await applyTransform(transform, rawRows, gemm))
}

export interface AlignmentMap {
  readonly transform: Transform
  /** Of the shard's targets, `shardRows` */
  readonly dtype: TargetDtype
  readonly gemm: Gemm
}

/** The greatest difference, relative to a row's length, that rounding explains. */
export function alignmentTolerance(dtype: TargetDtype): number {
  return ALIGNED_TOLERANCE + (dtype === 'float16' ? FLOAT16_TOLERANCE : 0)
}

/** Are a shard's targets T of the raw ones? Throws as `alignmentDifference`. */
export async function alignmentHolds(shardRows: Matrix32, rawRows: Matrix32, map: AlignmentMap): Promise<boolean> {
  return ((await alignmentDifference(shardRows, rawRows, map))?.off ?? 0) <= alignmentTolerance(map.dtype)
}

/**
 * Where published targets differ most from what the bundle gives for the same images; undefined if no row is present. Both raw, or both aligned.
 *
 * Throws `NumericError` when shapes differ.
 */
export function rerunDifference(published: Matrix32, rerun: Matrix32): Difference | undefined {
  return greatestDifference(published, rerun)
}

/** Are published targets those of the bundle? Throws as `rerunDifference`. */
export function rerunHolds(published: Matrix32, rerun: Matrix32): boolean {
  return (rerunDifference(published, rerun)?.off ?? 0) <= RERUN_TOLERANCE
}

// --- internal ---

function greatestDifference(published: Matrix32, computed: Matrix32): Difference | undefined {
  if (published.rows !== computed.rows || published.columns !== computed.columns)
    throw new NumericError(
      `${published.rows} x ${published.columns} targets cannot be compared with ${computed.rows} x ${computed.columns}`
    )
  let worst: Difference | undefined
  for (let i = 0; i < published.rows; i++) {
    const [a, b] = [row(published, i), row(computed, i)]
    const [inA, inB] = [!isAbsentRow(a), !isAbsentRow(b)]
    if (!inA && !inB) continue
    const off = inA && inB ? relative(distance(a, b), distance(b)) : Infinity
    if (worst === undefined || off > worst.off) worst = { row: i, off }
  }
  return worst
}

function relative(off: number, length: number): number {
  if (off === 0) return 0
  const share = off / length
  return Number.isNaN(share) ? Infinity : share
}

/** Euclidean, to the origin without `b`. */
function distance(a: Float32Array, b?: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    const off = (a[i] as number) - (b?.[i] ?? 0)
    sum += off * off
  }
  return Math.sqrt(sum)
}
