/**
 * Pillow's resize of 8-bit images, bit for bit: separable convolution, the filter widened by the reduction (antialias), coefficients
 * rounded to 22 bits, each pass rounded to 8 bits, width before height. (Pillow 13 takes the cheaper pass first, which moves some
 * pixels by one level where that is the height; published models were made with the older order, and a fixed one is simpler.)
 *
 * Own arithmetic and not the decoder's: libvips differs from Pillow by up to 2 levels (23 with shrink-on-load), and its result may
 * change with its version, while targets must stay comparable between peers for years.
 */
import type { Filter } from './preprocess.ts'

/** 8-bit interleaved pixels, `data.length === height * width * channels`. */
export interface Pixels {
  readonly data: Uint8Array
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** Bits of a coefficient's fraction: 32 less 8 for the pixel and 2 for the overshoot of negative lobes. */
const PRECISION = 22
const HALF = 1 << (PRECISION - 1)

/** The same pixels in another size. Lossless when the size is the same. */
export function resize(image: Pixels, height: number, width: number, filter: Filter): Pixels {
  if (image.height === height && image.width === width) return image
  if (filter === 'nearest') return nearest(image, height, width)
  const kernel = KERNELS[filter]
  const narrow = image.width === width ? image : resizeRows(image, width, kernel)
  return image.height === height ? narrow : resizeColumns(narrow, height, kernel)
}

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

interface Weights {
  /** First source position of each output position. */
  readonly first: Int32Array
  readonly count: Int32Array
  /** `taps` fixed-point coefficients per output position. */
  readonly values: Int32Array
  readonly taps: number
}

function weightsFor(from: number, to: number, kernel: Kernel): Weights {
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

/** The shift and the clamp of one output value. */
function level(sum: number): number {
  const v = sum >> PRECISION
  return v < 0 ? 0 : v > 255 ? 255 : v
}

function resizeRows(image: Pixels, width: number, kernel: Kernel): Pixels {
  const { height, channels: c, data } = image
  const { first, count, values, taps } = weightsFor(image.width, width, kernel)
  const out = new Uint8Array(height * width * c)
  for (let y = 0; y < height; y++) {
    const source = y * image.width * c
    for (let x = 0; x < width; x++) {
      const n = count[x] as number
      for (let b = 0; b < c; b++) {
        let at = source + (first[x] as number) * c + b
        let sum = HALF
        for (let k = 0; k < n; k++, at += c) sum += (data[at] as number) * (values[x * taps + k] as number)
        out[(y * width + x) * c + b] = level(sum)
      }
    }
  }
  return { data: out, height, width, channels: c }
}

function resizeColumns(image: Pixels, height: number, kernel: Kernel): Pixels {
  const { width, channels: c, data } = image
  const { first, count, values, taps } = weightsFor(image.height, height, kernel)
  const stride = width * c
  const out = new Uint8Array(height * stride)
  const sums = new Int32Array(stride)
  for (let y = 0; y < height; y++) {
    sums.fill(HALF)
    const n = count[y] as number
    for (let k = 0; k < n; k++) {
      const weight = values[y * taps + k] as number
      const source = ((first[y] as number) + k) * stride
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] as number) + (data[source + i] as number) * weight
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = level(sums[i] as number)
  }
  return { data: out, height, width, channels: c }
}

function nearest(image: Pixels, height: number, width: number): Pixels {
  const { channels: c, data } = image
  const out = new Uint8Array(height * width * c)
  const columns = nearestPositions(image.width, width)
  nearestPositions(image.height, height).forEach((row, y) => {
    for (let x = 0; x < width; x++) {
      const from = (row * image.width + (columns[x] as number)) * c
      for (let b = 0; b < c; b++) out[(y * width + x) * c + b] = data[from + b] as number
    }
  })
  return { data: out, height, width, channels: c }
}

/** Centres by repeated addition, as Pillow does: where a centre falls on a border, rounding decides, and must decide alike. */
function nearestPositions(from: number, to: number): Int32Array {
  const step = from / to
  const out = new Int32Array(to)
  for (let i = 0, at = step * 0.5; i < to; i++, at += step) out[i] = Math.min(from - 1, Math.trunc(at))
  return out
}
