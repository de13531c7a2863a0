/**
 * Are the raw targets of a partition distributed as the author's S_Y? Needs no prior and no image: published bytes alone.
 *
 * It sees what no prior of a checker can: an S_Y that is a copy of somebody else's, or of the consensus, with own targets that were mapped onto it. Such
 * targets agree with every other prior about as well as the copied ones would, but a map returns only what it can predict, so they fill less of the
 * space. It does not see targets in the wrong order: those are for plausibility.ts.
 *
 * Partitions and S are drawn from one dataset at random. So whether a row is from S or from the partition must be independent of what the row is:
 * the test of independence of align/independence.ts, between the mark of S and the features (c, c^2), c the rows whitened over both sets together. Exact
 * moments under permutation, since the whitening does not know the marks.
 *
 * S and a partition may share images, in a small dataset all. What occurs twice has less weight in the whitened space, and would tell the two apart:
 * rows of S that recur in the partition are left out of S, and the rest of it and the partition are disjoint random parts of the dataset again.
 *
 * Plain float64 + - * / sqrt in a fixed order.
 */
import { choleskyFactor, solveLower } from '../align/cholesky.ts'
import { independence, sideOf } from '../align/independence.ts'
import { columnMeans, subtractRow, takeRows } from '../align/rows.ts'
import { presentRows } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import { gramOfColumns, multiplyByTranspose } from '../gemm.ts'
import { zeros, type Matrix, type Matrix64 } from '../matrix.ts'

/**
 * Least z of another distribution. Of 3,800 honest partitions of 32 to 250 rows none was above 4.2; own targets mapped onto somebody else's S_Y have 36 and
 * more with 250 rows (RESULTS.md, "Checks"), and with 64 rows and their lengths restored at least 6.7.
 */
export const MIN_OTHER_Z = 8

/** Fewer rows say too little. */
const MIN_ROWS = 16

/** Rows of each set that are looked at, the first ones: their order is random. More would only cost time. */
const MAX_ROWS = 1024

/** Distance at which rows are the same image's, of a row's distance from the mean: features of two runs differ by up to 1e-3 (publish/recomputed.ts). */
const SAME_ROW = 0.01

/** Share of the rows that may recur more than once: a few images occur twice, but the labels of people are the same for many, and tell nothing. */
const MOST_AMBIGUOUS = 0.05

/** Of the mean variance: directions with less are float32 rounding, which whitening would enlarge. */
const RIDGE = 1e-6

export interface DistributionTest {
  /** Near a standard normal number for an honest author */
  readonly z: number
  readonly isOther: boolean
}

/**
 * `shared` is the author's S_Y (m x n), `rows` its raw targets of a partition (r x n). Undefined where that cannot be told: when a row is absent, because
 * people who choose what they label do not choose at random, where the targets of many images are the same, or with fewer than `MIN_ROWS` rows of
 * either that the other has not.
 *
 * Throws `NumericError` when columns differ or a value is not finite.
 */
export function testDistribution(shared: Matrix, rows: Matrix): DistributionTest | undefined {
  if (shared.columns !== rows.columns)
    throw new NumericError(`targets of ${rows.columns} dimensions, S_Y of ${shared.columns}`)
  if ([shared, rows].some(m => m.rows < MIN_ROWS || presentRows(m).length !== m.rows)) return undefined
  const theirs = takeRows(rows, firstRows(Math.min(rows.rows, MAX_ROWS)))
  const others = withoutThoseOf(takeRows(shared, firstRows(Math.min(shared.rows, MAX_ROWS))), theirs)
  if (others === undefined || others.rows < MIN_ROWS) return undefined
  const [m, r] = [others.rows, theirs.rows]
  const both = zeros(m + r, shared.columns)
  both.data.set(others.data)
  both.data.set(theirs.data, m * shared.columns)
  const features = featuresOf(both)
  if (features === undefined) return { z: 0, isOther: false }
  const mark = { rows: m + r, columns: 1, data: new Float64Array(m + r).fill(1, 0, m) }
  const { z } = independence(sideOf(mark), sideOf(features))
  return { z, isOther: z >= MIN_OTHER_Z }
}

// --- internal ---

/** The rows of `shared` that do not recur in `rows`; undefined where too many recur more than once. */
function withoutThoseOf(shared: Matrix64, rows: Matrix64): Matrix64 | undefined {
  const mean = columnMeans(shared)
  const [s, t] = [subtractRow(copyOf(shared), mean), subtractRow(copyOf(rows), mean)]
  const products = multiplyByTranspose(t, s)
  const [ofS, ofT] = [squaredLengths(s), squaredLengths(t)]
  const recurring = new Set<number>()
  let ambiguous = 0
  for (let j = 0; j < t.rows; j++) {
    const length = ofT[j] as number
    let times = 0
    for (let i = 0; i < s.rows; i++) {
      const off = length + (ofS[i] as number) - 2 * (products.data[j * s.rows + i] as number)
      if (off > SAME_ROW * SAME_ROW * length) continue
      recurring.add(i)
      times++
    }
    if (times > 1) ambiguous++
  }
  if (ambiguous > MOST_AMBIGUOUS * t.rows) return undefined
  return takeRows(
    shared,
    firstRows(shared.rows).filter(i => !recurring.has(i))
  )
}

const copyOf = (m: Matrix64): Matrix64 => ({ ...m, data: m.data.slice() })

function squaredLengths({ rows, columns, data }: Matrix64): Float64Array {
  const out = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    let sum = 0
    for (let c = 0; c < columns; c++) sum += (data[i * columns + c] as number) ** 2
    out[i] = sum
  }
  return out
}

/** (c, c^2), c = x L^-T of the centred rows with L L^T = X^T X / rows + ridge; undefined if nothing varies. */
function featuresOf(x: Matrix64): Matrix64 | undefined {
  const n = x.columns
  subtractRow(x, columnMeans(x))
  const gram = gramOfColumns(x)
  let trace = 0
  for (let i = 0; i < n; i++) trace += gram.data[i * n + i] as number
  if (!(trace > 0)) return undefined
  for (let i = 0; i < n; i++) gram.data[i * n + i] = (gram.data[i * n + i] as number) + (RIDGE * trace) / n
  const white = solveLower(choleskyFactor(gram), x)
  const features = zeros(x.rows, 2 * n)
  const scale = Math.sqrt(x.rows)
  for (let i = 0; i < x.rows; i++) {
    for (let c = 0; c < n; c++) {
      const value = (white.data[i * n + c] as number) * scale
      features.data[i * 2 * n + c] = value
      features.data[i * 2 * n + n + c] = value * value
    }
  }
  return features
}

const firstRows = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
