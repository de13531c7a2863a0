/**
 * Pillow's resize of 8-bit images, bit for bit: separable convolution, the filter widened by the reduction (antialias), coefficients
 * rounded to 22 bits, each pass rounded to 8 bits, width before height. (Pillow 13 takes the cheaper pass first. Where that is
 * the height some pixels move by one level, and a few by up to 20 where an overshoot was cut off between the passes. Published models
 * were made with the older order, and a fixed one is simpler.)
 *
 * Our own arithmetic instead of the decoder's: libvips differs from Pillow by up to 2 levels (23 with shrink-on-load), and its result may
 * change with its version, while targets must stay comparable between peers for years.
 */
import type { Filter, Size } from './preprocessing.ts'
import type { Pixels, Region } from './raster.ts'
import { filterBoth } from './resize-passes.ts'
import { nearestPositions, PRECISION, weightsFor, type Weights } from './resize-weights.ts'

export type { Pixels, Region } from './raster.ts'

/** Half of a level: what makes the shift below round. */
const HALF = 1 << (PRECISION - 1)

/** The same pixels in another size. Lossless when the size is the same. */
export function resize(image: Pixels, height: number, width: number, filter: Filter): Pixels {
  return resizeRegion(image, { height, width }, filter, { top: 0, left: 0, height, width })
}

/** The pixels of `region` of the image resized to `size`, and no others computed. The region must lie within the size. */
export function resizeRegion(image: Pixels, size: Size, filter: Filter, region: Region): Pixels {
  const rows = image.height === size.height
  const columns = image.width === size.width
  if (rows && columns && region.height === size.height && region.width === size.width) return image
  if (filter === 'nearest') return nearest(image, size, region)
  const vertical = rows ? undefined : weightsFor(image.height, size.height, filter)
  const horizontal = columns ? undefined : weightsFor(image.width, size.width, filter)
  // rows of the source that the region's rows are made of
  const [first, last] = sourceRows(vertical, region)
  if (horizontal !== undefined && vertical !== undefined) {
    const filtered = filterBoth(image, { horizontal, vertical }, [first, last], region)
    if (filtered !== undefined) return filtered
  }
  const narrow =
    horizontal === undefined ? cut(image, first, last, region) : filterRows(image, horizontal, first, last, region)
  return vertical === undefined ? narrow : filterColumns(narrow, vertical, first, region)
}

function sourceRows(weights: Weights | undefined, { top, height }: Region): [number, number] {
  if (weights === undefined) return [top, top + height]
  let last = 0
  for (let y = top; y < top + height; y++)
    last = Math.max(last, (weights.first[y] as number) + (weights.count[y] as number))
  return [weights.first[top] as number, last]
}

/** Columns of the region from rows `first` to `last`, as they are. */
function cut(image: Pixels, first: number, last: number, { left, width }: Region): Pixels {
  const { channels: c, data } = image
  if (width === image.width && first === 0 && last === image.height) return image
  const out = new Uint8Array((last - first) * width * c)
  for (let y = first; y < last; y++) {
    const at = (y * image.width + left) * c
    out.set(data.subarray(at, at + width * c), (y - first) * width * c)
  }
  return { data: out, height: last - first, width, channels: c }
}

/** The shift and the clamp of one output value. */
function level(sum: number): number {
  const v = sum >> PRECISION
  return v < 0 ? 0 : v > 255 ? 255 : v
}

function filterRows(image: Pixels, weights: Weights, firstRow: number, lastRow: number, region: Region): Pixels {
  const { channels: c, data } = image
  const { first, count, values, taps } = weights
  const { left, width } = region
  const height = lastRow - firstRow
  const out = new Uint8Array(height * width * c)
  let to = 0
  for (let y = 0; y < height; y++) {
    const source = (firstRow + y) * image.width * c
    for (let x = left; x < left + width; x++) {
      const from = source + (first[x] as number) * c
      const w = x * taps
      const end = w + (count[x] as number)
      if (c === 3) {
        let r = HALF
        let g = HALF
        let b = HALF
        for (let k = w, at = from; k < end; k++, at += 3) {
          const weight = values[k] as number
          r += (data[at] as number) * weight
          g += (data[at + 1] as number) * weight
          b += (data[at + 2] as number) * weight
        }
        out[to++] = level(r)
        out[to++] = level(g)
        out[to++] = level(b)
      } else
        for (let i = 0; i < c; i++) {
          let sum = HALF
          for (let k = w, at = from + i; k < end; k++, at += c) sum += (data[at] as number) * (values[k] as number)
          out[to++] = level(sum)
        }
    }
  }
  return { data: out, height, width, channels: c }
}

/** `image` begins with row `firstRow` of the source and has the region's columns alone. */
function filterColumns(image: Pixels, weights: Weights, firstRow: number, { top, height }: Region): Pixels {
  const { width, channels: c, data } = image
  const { first, count, values, taps } = weights
  const stride = width * c
  const out = new Uint8Array(height * stride)
  const sums = new Int32Array(stride)
  for (let y = 0; y < height; y++) {
    sums.fill(HALF)
    const n = count[top + y] as number
    for (let k = 0; k < n; k++) {
      const weight = values[(top + y) * taps + k] as number
      const source = ((first[top + y] as number) - firstRow + k) * stride
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] as number) + (data[source + i] as number) * weight
    }
    const to = y * stride
    for (let i = 0; i < stride; i++) out[to + i] = level(sums[i] as number)
  }
  return { data: out, height, width, channels: c }
}

function nearest(image: Pixels, size: Size, { top, left, height, width }: Region): Pixels {
  const { channels: c, data } = image
  const out = new Uint8Array(height * width * c)
  const columns = nearestPositions(image.width, size.width)
  const rows = nearestPositions(image.height, size.height)
  let to = 0
  for (let y = top; y < top + height; y++)
    for (let x = left; x < left + width; x++) {
      const from = ((rows[y] as number) * image.width + (columns[x] as number)) * c
      for (let i = 0; i < c; i++) out[to++] = data[from + i] as number
    }
  return { data: out, height, width, channels: c }
}
