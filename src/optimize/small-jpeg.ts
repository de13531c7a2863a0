/**
 * Baseline JPEG -> pixels, bit for bit those of libjpeg-turbo (accurate integer DCT, fancy upsampling), for images so small that calling a native decoder takes
 * longer than decoding: a thumbnail of 32 px takes a twentieth.
 *
 * Decodes the plain case alone: one scan, Huffman, 8 bits, grey or YCbCr with 4:4:4, 4:2:2 or 4:2:0, nothing odd in the file. Undefined for everything else,
 * be it unusual or broken: the general decoder judges it. Bytes of strangers: every index is checked or masked, work is bounded by the pixels.
 *
 * ITU-T T.81; libjpeg's jidctint.c (Loeffler, Ligtenberg, Moschytz), jdsample.c, jdcolor.c.
 */
import { createBitReader, type BitReader } from './jpeg-bits.ts'
import { addBlock, MAX_EXACT } from './jpeg-dct.ts'
import { readJpegHeader, type JpegComponent, type JpegHeader } from './jpeg-header.ts'
import type { Pixels } from './resize.ts'

/** 96 x 96: from there on a native decoder with vector instructions is as fast. */
export const SMALL_PIXELS = 9216

export function decodeSmallJpeg(bytes: Uint8Array): Pixels | undefined {
  const header = readJpegHeader(bytes, SMALL_PIXELS)
  if (header === undefined) return undefined
  const planes = decodeScan(bytes, header)
  if (planes === undefined) return undefined
  const { width, height, components } = header
  const [luma, blue, red] = planes
  if (luma === undefined) return undefined
  if (blue === undefined || red === undefined) return { data: cropped(luma, width, height), width, height, channels: 1 }
  const [across, down] = [components[0]?.across ?? 1, components[0]?.down ?? 1]
  const chroma = (plane: Plane): Plane => upsampled(plane, width, height, across, down)
  return { data: toRgb(luma, chroma(blue), chroma(red), width, height), width, height, channels: 3 }
}

// --- internal ---

/** Samples of one component, whole blocks */
interface Plane {
  readonly data: Uint8Array
  readonly stride: number
}

/** Order in which coefficients are coded (T.81, figure A.6) */
const NATURAL = Uint8Array.from(
  Array.from({ length: 15 }, (_, diagonal) => {
    const first = Math.max(0, diagonal - 7)
    const cells = Array.from({ length: 8 - Math.abs(diagonal - 7) }, (_, i) => (first + i) * 7 + diagonal)
    return diagonal % 2 === 0 ? cells.toReversed() : cells
  }).flat()
)

function decodeScan(bytes: Uint8Array, header: JpegHeader): Plane[] | undefined {
  const { width, height, components, restart, scan } = header
  const [across, down] = [components[0]?.across ?? 1, components[0]?.down ?? 1]
  const unitsAcross = Math.ceil(width / (8 * across))
  const unitsDown = Math.ceil(height / (8 * down))
  const planes = components.map(component => {
    const stride = unitsAcross * component.across * 8
    return { data: new Uint8Array(stride * unitsDown * component.down * 8), stride }
  })
  const reader = createBitReader(bytes, scan)
  const before = new Int32Array(components.length)
  const block = new Int32Array(64)
  let marker = 0
  for (let unit = 0; unit < unitsAcross * unitsDown; unit++) {
    if (restart > 0 && unit > 0 && unit % restart === 0) {
      if (!reader.restart(0xd0 + (marker++ & 7))) return undefined
      before.fill(0)
    }
    const [x, y] = [unit % unitsAcross, Math.floor(unit / unitsAcross)]
    for (let c = 0; c < components.length; c++) {
      const component = components[c] as JpegComponent
      const { data, stride } = planes[c] as Plane
      for (let v = 0; v < component.down; v++)
        for (let h = 0; h < component.across; h++) {
          const level = readBlock(reader, component, before[c] as number, block)
          if (level === undefined) return undefined
          before[c] = level
          const at = (y * component.down + v) * 8 * stride + (x * component.across + h) * 8
          if (!addBlock(block, data, at, stride)) return undefined
        }
    }
  }
  return reader.isAtEnd() ? planes : undefined
}

/** Dequantised coefficients in their natural order; gives the DC level, undefined for a code that is none. */
function readBlock(
  reader: BitReader,
  { dc, ac, quantisers }: JpegComponent,
  before: number,
  block: Int32Array
): number | undefined {
  block.fill(0)
  const size = reader.symbol(dc)
  if (size < 0 || size > MAX_DC_BITS) return undefined
  const level = before + (size === 0 ? 0 : reader.signed(size))
  if (level < -MAX_EXACT || level > MAX_EXACT) return undefined
  block[0] = level * (quantisers[0] as number)
  for (let k = 1; k < 64; k++) {
    const symbol = reader.symbol(ac)
    if (symbol < 0) return undefined
    const bits = symbol & 15
    const run = symbol >> 4
    if (bits === 0) {
      if (run !== 15) break
      k += 15
      continue
    }
    k += run
    if (k > 63 || bits > MAX_AC_BITS) return undefined
    block[NATURAL[k] as number] = reader.signed(bits) * (quantisers[k] as number)
  }
  return level
}

/** T.81, F.1.2.1 and F.1.2.2 for 8 bits */
const MAX_DC_BITS = 11
const MAX_AC_BITS = 10

function cropped({ data, stride }: Plane, width: number, height: number): Uint8Array {
  const out = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) out.set(data.subarray(y * stride, y * stride + width), y * width)
  return out
}

/** libjpeg's triangle filter: 3/4 of the nearer sample, 1/4 of the farther one, in each direction that is halved. */
function upsampled(plane: Plane, width: number, height: number, across: number, down: number): Plane {
  if (across === 1) return plane
  const columns = Math.ceil(width / 2)
  const rows = Math.ceil(height / down)
  const out = new Uint8Array(columns * 2 * height)
  const sums = new Int32Array(columns)
  for (let y = 0; y < height; y++) {
    const row = down === 1 ? y : y >> 1
    const beside = Math.min(rows - 1, Math.max(0, (y & 1) === 0 ? row - 1 : row + 1))
    const [at, other] = [row * plane.stride, beside * plane.stride]
    for (let x = 0; x < columns; x++)
      sums[x] =
        down === 1
          ? (plane.data[at + x] as number)
          : (plane.data[at + x] as number) * 3 + (plane.data[other + x] as number)
    // one direction: quarters, rounded down and up in turn; two: sixteenths
    const [shift, low, high] = down === 1 ? [2, 1, 2] : [4, 8, 7]
    const to = y * columns * 2
    for (let x = 0; x < columns; x++) {
      const sum = sums[x] as number
      const left = x === 0 ? sum : (sums[x - 1] as number)
      const right = x === columns - 1 ? sum : (sums[x + 1] as number)
      out[to + 2 * x] = (sum * 3 + left + low) >> shift
      out[to + 2 * x + 1] = (sum * 3 + right + high) >> shift
    }
  }
  return { data: out, stride: columns * 2 }
}

/** ITU-R BT.601, full range, in 16 bits of fraction (JFIF) */
const [RED, BLUE, GREEN_RED, GREEN_BLUE] = [91_881, 116_130, 46_802, 22_554] as const
const HALF = 32_768

function toRgb(luma: Plane, blue: Plane, red: Plane, width: number, height: number): Uint8Array {
  const out = new Uint8ClampedArray(width * height * 3)
  let to = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const level = luma.data[y * luma.stride + x] as number
      const cb = (blue.data[y * blue.stride + x] as number) - 128
      const cr = (red.data[y * red.stride + x] as number) - 128
      out[to++] = level + ((RED * cr + HALF) >> 16)
      out[to++] = level + ((HALF - GREEN_BLUE * cb - GREEN_RED * cr) >> 16)
      out[to++] = level + ((BLUE * cb + HALF) >> 16)
    }
  return new Uint8Array(out.buffer)
}
