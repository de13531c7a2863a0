/**
 * Spearman's rank correlation with average ranks for ties, as in scipy.stats.spearmanr, and its two-sided p value: for few pairs the exact share of
 * all orders that are at least as extreme, for more the t approximation (df = n - 2), which scipy uses for any number. For three pairs in the same
 * order the approximation gives 0, although two of the six orders are as extreme.
 */

/** 40,320 orders take a few milliseconds; above, the approximation is off by less than 0.01 (with four pairs by 0.05). */
export const MAX_EXACT_PAIRS = 8

export interface RankCorrelation {
  /** -1 to 1 */
  readonly rho: number
  /** Two-sided */
  readonly p: number
  readonly pairs: number
}

/** Undefined with fewer than three pairs, or when one side is constant. Throws `RangeError` when the lengths differ. */
export function rankCorrelation(x: readonly number[], y: readonly number[]): RankCorrelation | undefined {
  if (x.length !== y.length) throw new RangeError(`${x.length} and ${y.length} values cannot be paired`)
  const pairs = x.length
  if (pairs < 3) return undefined
  const [a, b] = [ranks(x), ranks(y)]
  const rho = correlation(a, b)
  if (rho === undefined) return undefined
  if (pairs <= MAX_EXACT_PAIRS) return { rho, p: shareOfOrders(a, b), pairs }
  const rest = (1 - rho) * (1 + rho)
  const freedom = pairs - 2
  const t2 = (rho * rho * freedom) / rest
  return { rho, p: rest <= 0 ? 0 : incompleteBeta(freedom / (freedom + t2), freedom / 2, 0.5), pairs }
}

/** 1 for the lowest; equal values share the mean of their ranks. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[a] as number) - (values[b] as number))
  const out = Array.from<number>({ length: values.length })
  for (let from = 0; from < order.length;) {
    let to = from
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++
    for (let i = from; i < to; i++) out[order[i] as number] = (from + to + 1) / 2
    from = to
  }
  return out
}

/** I_x(a, b), the regularised incomplete beta function: its continued fraction by Lentz's method (DLMF 8.17.22). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  // the fraction converges fast on this side only; the other side follows by symmetry
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  const tiny = 1e-300
  let [c, d] = [1, 1 / guard(1 - ((a + b) * x) / (a + 1), tiny)]
  let sum = d
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / guard(1 + even * d, tiny)
    c = guard(1 + even / c, tiny)
    sum *= c * d
    d = 1 / guard(1 + odd * d, tiny)
    c = guard(1 + odd / c, tiny)
    sum *= c * d
    if (Math.abs(c * d - 1) < 1e-15) break
  }
  return front * sum
}

// --- internal ---

function correlation(x: readonly number[], y: readonly number[]): number | undefined {
  const mean = (x.length + 1) / 2 // of ranks, ties or not
  let [both, own, other] = [0, 0, 0]
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [(x[i] as number) - mean, (y[i] as number) - mean]
    both += a * b
    own += a * a
    other += b * b
  }
  if (own === 0 || other === 0) return undefined
  return Math.max(-1, Math.min(1, both / Math.sqrt(own * other)))
}

/** The share of all orders of `y` whose correlation with `x` is at least as far from 0 as that of this one. Both are ranks. */
function shareOfOrders(x: readonly number[], y: readonly number[]): number {
  const mean = (x.length + 1) / 2
  const [a, b] = [x.map(v => v - mean), y.map(v => v - mean)]
  // products of deviations are multiples of 1/4, so sums are exact and can be compared for equality
  const far = Math.abs(a.reduce((sum, v, i) => sum + v * (b[i] as number), 0))
  let [all, reached] = [0, 0]
  const place = (at: number, sum: number): void => {
    if (at === b.length) {
      all++
      if (Math.abs(sum) >= far) reached++
      return
    }
    for (let i = at; i < b.length; i++) {
      swap(b, at, i)
      place(at + 1, sum + (a[at] as number) * (b[at] as number))
      swap(b, at, i)
    }
  }
  place(0, 0)
  return reached / all
}

function swap(values: number[], i: number, j: number): void {
  const kept = values[i] as number
  values[i] = values[j] as number
  values[j] = kept
}

const guard = (value: number, tiny: number): number => (Math.abs(value) < tiny ? tiny : value)

/** Stirling's series (DLMF 5.11.1) from 10 up, where its terms give 1e-15; below by recurrence. For x > 0. */
function logGamma(x: number): number {
  let [shift, z] = [0, x]
  for (; z < 10; z++) shift += Math.log(z)
  const r = 1 / (z * z)
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r * (1 / 1188 - (r * 691) / 360_360))))) / z
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - shift
}
