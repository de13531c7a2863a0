/**
 * Does an author's shard say about its images what the author's S_Y says about the shared ones? Asked by a checker with its own prior on k rows that are
 * drawn after publication (check-rows.ts); anybody can compute the answer again from published bytes.
 *
 * T is the ridge from the checker's S_Y to the author's (align/transform.ts), which is fitted once for all shards of an author. From the k rows, P is
 * T of the checker's targets and Y the author's targets, compared as in agreement.ts:
 *
 *   z          does row i fit row i better than the other rows?
 *   agreement  delta: by how much, for each row; on S the same of the leave-one-out predictions, delta_S with standard deviation s
 *   shortfall  (delta_S - delta) / (s sqrt(1/k + 1/m)), m = rows of S
 *
 * Partitions and S are drawn from one dataset at random, so the rows of an honest author are exchangeable with those of S, and delta estimates delta_S
 * whatever the two priors are worth to each other. Hence a verdict needs no threshold on R2:
 *
 *   implausible  a quarter of the agreement or more is missing, and chance never explains that: Bennett's inequality for rows that agree between -1 and
 *                1 bounds its probability for every distribution. With r = 1 / (1/k + 1/m), b = 1 + delta_S, h(u) = (1 + u) log(1 + u) - u,
 *                P(delta_S - delta > x) <= exp(-r s^2 / b^2 h(b x / s^2)), and less than 1 in 100,000 is asked for. z has no part in it
 *   plausible    z is `MIN_Z` or more; the rows agree as those of S do, no less (by at most `MAX_SHORTFALL`, or a tenth) and no more than
 *                chance explains, as do targets that were predicted from somebody else's; and it is unlikely that only half of them do (`MIN_ABOVE_HALF`)
 *   abstain      everything else. Two priors that have little in common always abstain: `expectedZ` tells it before a row is computed
 *
 * Plain float64 + - * / sqrt (and a log made of them) in a fixed order: every machine reaches the same verdict.
 */
import { presentRows } from '../bytes.ts'
import { NumericError } from '../errors.ts'
import { exactLog } from '../exact-math.ts'
import { multiplyByTranspose, plainGemm, transpose } from '../gemm.ts'
import { zeros, type Matrix, type Matrix64 } from '../matrix.ts'
import { solveGrid } from '../align/ridge.ts'
import { columnMeans, subtractRow, takeRows } from '../align/rows.ts'
import { DEFAULT_GRID, leaveOneOut, MIN_ROWS } from '../align/transform.ts'
import { agreementOf, type Agreement } from './agreement.ts'

/**
 * Least z of praise. Targets of other images have reached 3.9 in 40,000 checks (RESULTS.md, "Checks"); a sum of bounded terms under permutation is
 * nearly normal, and a normal number exceeds 6 once in 10^9.
 */
export const MIN_Z = 6

/** Greatest shortfall of praise: honest rows exceed it once in a few hundred checks and are then left to others. */
export const MAX_SHORTFALL = 3

/** Least distance of praise from what half of the rows would give, in standard deviations: 1 in 100 of such shards would pass. */
const MIN_ABOVE_HALF = 2.33

/** With a lower expected z, praise is a matter of luck: at 8 about nine of ten honest checks reach it. */
export const MIN_EXPECTED_Z = 8

/** Share of the agreement that may be missing however sure it is: people label one set with more care than another. */
const SMALL_LOSS = 0.1

/** Share of the agreement that must be missing for blame. */
const LARGE_LOSS = 0.25

/** ln 100,000: one honest check in so many may be blamed at most. Ten times below what is asked for, because delta_S and s are estimates. */
const FALSE_BLAME_LOG = 11.512925464970229

export type Verdict = 'plausible' | 'implausible' | 'abstain'

/** What one pair of checker and author knows before any shard: T and how well its predictions agree with S. Can be cached and moved between threads. */
export interface PlausibilityFit {
  /** T, n_their x n_own: turned, because rows are multiplied by its rows */
  readonly map: Matrix64
  /** Mean rows on S, n_own and n_their */
  readonly ownMean: Float64Array
  readonly theirMean: Float64Array
  /** m: rows of S that both have */
  readonly rows: number
  /** delta_S */
  readonly agreement: number
  /** s */
  readonly deviation: number
  /** Mean square of a row's agreement, and of the agreement of two different rows: what the variance under permutation consists of */
  readonly ownSquare: number
  readonly otherSquare: number
}

export interface RowPair {
  /** Raw targets of the checker on the drawn rows, k x n_own */
  readonly ownRows: Matrix
  /** Raw targets of the author on the same rows, k x n_their */
  readonly theirRows: Matrix
}

export interface Plausibility {
  readonly z: number
  /** z that honest rows of this pair reach on average, from S alone */
  readonly expected: number
  readonly agreement: number
  readonly shortfall: number
  /** Rows that both have */
  readonly rows: number
  readonly verdict: Verdict
}

/** `fitPlausibility` and `checkRows` in one. */
export async function plausibility({
  ownShared,
  theirShared,
  ...rows
}: RowPair & { readonly ownShared: Matrix; readonly theirShared: Matrix }): Promise<Plausibility> {
  return checkRows(await fitPlausibility(ownShared, theirShared), rows)
}

/**
 * From the raw targets of checker (m x n_own) and author (m x n_their) on S. Where fewer than `MIN_ROWS` rows have both, or one of the two does not
 * vary, the fit expects nothing, and its checks abstain.
 *
 * Throws `NumericError` when the rows differ or a value is not finite.
 */
export async function fitPlausibility(ownShared: Matrix, theirShared: Matrix): Promise<PlausibilityFit> {
  const { own: x, their: y } = commonRows(ownShared, theirShared)
  const ownMean = columnMeans(x)
  const theirMean = columnMeans(y)
  const known = { ownMean, theirMean, rows: x.rows }
  const none = {
    ...known,
    map: zeros(y.columns, x.columns),
    agreement: 0,
    deviation: 0,
    ownSquare: 0,
    otherSquare: 0
  }
  if (x.rows < MIN_ROWS) return none
  subtractRow(x, ownMean)
  subtractRow(y, theirMean)
  const solver = await solveGrid(x, y, plainGemm)
  if (!(solver.scale > 0)) return none
  let best: { lambda: number; residuals: Matrix64; error: number } | undefined
  for (const multiple of DEFAULT_GRID) {
    const lambda = multiple * solver.scale
    const residuals = await leaveOneOut(solver, y, lambda)
    const error = residuals.data.reduce((sum, value) => sum + value * value, 0)
    if (best === undefined || error < best.error) best = { lambda, residuals, error }
  }
  if (best === undefined || !Number.isFinite(best.error)) throw new NumericError('the fit did not give finite numbers')
  const { residuals, lambda } = best
  // less the mean of the rows that were fitted, -y_i / (m - 1), which would always point away from y_i
  const grown = 1 + 1 / (x.rows - 1)
  const predicted = { ...y, data: y.data.map((value, at) => value * grown - (residuals.data[at] as number)) }
  const shared = agreementOf(predicted, y)
  return {
    ...known,
    map: transpose(await solver.map(lambda)),
    agreement: shared.agreement,
    deviation: shared.deviation,
    ownSquare: shared.ownSquare,
    otherSquare: shared.otherSquare
  }
}

/** z that k honest rows of this pair reach on average; below `MIN_EXPECTED_Z` a check is in vain. It grows with the square root of k, and cannot exceed k - 1. */
export function expectedZ({ agreement, ownSquare, otherSquare }: PlausibilityFit, k: number): number {
  const variance = (k * ownSquare + k * (k - 1) * otherSquare) / (k - 1)
  return k > 1 && variance > 0 ? (agreement * (k - 1)) / Math.sqrt(variance) : 0
}

/** Throws `NumericError` when rows or columns do not fit, or a value is not finite. Rows that one of the two lacks are left out. */
export function checkRows(fit: PlausibilityFit, { ownRows, theirRows }: RowPair): Plausibility {
  const { own, their } = commonRows(ownRows, theirRows)
  if (own.columns !== fit.ownMean.length || their.columns !== fit.theirMean.length)
    throw new NumericError(
      `rows of ${own.columns} and ${their.columns} dimensions, S_Y of ${fit.ownMean.length} and ${fit.theirMean.length}`
    )
  const k = own.rows
  const expected = expectedZ(fit, k)
  if (k < MIN_ROWS) return { z: 0, expected, agreement: 0, shortfall: 0, rows: k, verdict: 'abstain' }
  const predicted = multiplyByTranspose(subtractRow(own, fit.ownMean), fit.map)
  const found = agreementOf(predicted, subtractRow(their, fit.theirMean))
  return { ...judge(fit, found, k), z: found.z, expected, agreement: found.agreement, rows: k }
}

// --- internal ---

function judge(
  { agreement, deviation, rows }: PlausibilityFit,
  found: Agreement,
  k: number
): { shortfall: number; verdict: Verdict } {
  const missing = agreement - found.agreement
  const shortfall = deviation > 0 ? missing / (deviation * Math.sqrt(1 / k + 1 / rows)) : 0
  const isUnexplained = explanation(Math.abs(missing), { agreement, deviation, rows }, k) > FALSE_BLAME_LOG
  if (missing > 0 && isUnexplained && missing >= LARGE_LOSS * agreement) return { shortfall, verdict: 'implausible' }
  const agrees = shortfall <= MAX_SHORTFALL || missing <= SMALL_LOSS * agreement
  const aboveHalf = found.agreement - agreement / 2 >= MIN_ABOVE_HALF * deviation * Math.sqrt(1 / k + 1 / (4 * rows))
  const isTooGood = missing < 0 && isUnexplained
  const isPlausible = found.z >= MIN_Z && agrees && aboveHalf && !isTooGood
  return { shortfall, verdict: isPlausible ? 'plausible' : 'abstain' }
}

/** -log of the bound of the probability that honest rows are off by `off` (Bennett 1962). */
function explanation(
  off: number,
  { agreement, deviation, rows }: Pick<PlausibilityFit, 'agreement' | 'deviation' | 'rows'>,
  k: number
): number {
  const variance = deviation * deviation
  if (!(variance > 0)) return off > 0 ? Infinity : 0
  const range = 1 + agreement
  const u = (range * off) / variance
  return (((1 + u) * exactLog(1 + u) - u) * variance) / (range * range * (1 / k + 1 / rows))
}

/** The rows that both have. */
function commonRows(own: Matrix, their: Matrix): { own: Matrix64; their: Matrix64 } {
  if (own.rows !== their.rows)
    throw new NumericError(`${own.rows} rows of the checker cannot be compared with ${their.rows} of the author`)
  const inOwn = new Set(presentRows(own))
  const rows = presentRows(their).filter(i => inOwn.has(i))
  return { own: takeRows(own, rows), their: takeRows(their, rows) }
}
