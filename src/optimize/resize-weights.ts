/** Which source positions make up a position of a resized row or column, and by how much: Pillow's `precompute_coeffs`. */
import type { Filter } from './preprocessing.ts'

export interface Weights {
  /** First source position of each output position. */
  readonly first: Int32Array
  readonly count: Int32Array
  /** `taps` fixed-point coefficients per output position. */
  readonly values: Int32Array
  readonly taps: number
}

/** Bits of a coefficient's fraction: 32 less 8 for the pixel and 2 for the overshoot of negative lobes. */
export const PRECISION = 22

interface Kernel {
  /** Half width, in source pixels at scale 1. */
  readonly support: number
  readonly at: (x: number) => number
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

const KERNELS: Record<Exclude<Filter, 'nearest'>, Kernel> = {
  box: { support: 0.5, at: x => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: x => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    at: x => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)))
  },
  bicubic: { support: 2, at: x => cubic(Math.abs(x)) },
  lanczos: { support: 3, at: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) }
}

/** Keys' cubic with a = -0.5 (Pillow's; OpenCV and Photoshop use others). */
function cubic(x: number): number {
  const a = -0.5
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a
  return 0
}

/** Weights of `from` positions resized to `to`; the same ones again while they are among those used last. */
export function weightsFor(from: number, to: number, filter: Exclude<Filter, 'nearest'>): Weights {
  const key = `${from} ${to} ${filter}`
  const weights = recent.get(key) ?? computeWeights(from, to, filter)
  recent.delete(key)
  recent.set(key, weights)
  const [oldest] = recent.keys()
  if (recent.size > MOST_RECENT && oldest !== undefined) recent.delete(oldest)
  return weights
}

/** Photos come in a few sizes. One entry for 4,000 positions reduced to 224 by bicubic takes 66 kB. */
const MOST_RECENT = 64
const recent = new Map<string, Weights>()

function computeWeights(from: number, to: number, filter: Exclude<Filter, 'nearest'>): Weights {
  const kernel = KERNELS[filter]
  const scale = from / to
  const stretch = Math.max(1, scale)
  const support = kernel.support * stretch
  const taps = Math.ceil(support) * 2 + 1
  const first = new Int32Array(to)
  const count = new Int32Array(to)
  const values = new Int32Array(to * taps)
  const row = new Float64Array(taps)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - support + 0.5))
    const n = Math.min(from, Math.trunc(centre + support + 0.5)) - start
    let sum = 0
    for (let k = 0; k < n; k++) sum += row[k] = kernel.at((k + start - centre + 0.5) * (1 / stretch))
    for (let k = 0; k < n; k++) {
      const w = (sum === 0 ? (row[k] as number) : (row[k] as number) / sum) * (1 << PRECISION)
      values[i * taps + k] = Math.trunc(w < 0 ? w - 0.5 : w + 0.5)
    }
    first[i] = start
    count[i] = n
  }
  return { first, count, values, taps }
}

/** Centres by repeated addition, as Pillow does: where a centre falls on a border, rounding decides, and must decide alike. */
export function nearestPositions(from: number, to: number): Int32Array {
  const step = from / to
  const out = new Int32Array(to)
  for (let i = 0, at = step * 0.5; i < to; i++, at += step) out[i] = Math.min(from - 1, Math.trunc(at))
  return out
}
