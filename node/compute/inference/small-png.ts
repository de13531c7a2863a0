/**
 * PNG -> pixels for images so small that calling libvips takes longer than decoding: 8 bits, grey, RGB, RGBA or a palette, neither interlaced nor animated
 * nor with transparent colours. Undefined for everything else, be it unusual or broken: libvips judges it.
 *
 * Bytes of strangers: checksums are checked, and no more is inflated than the pixels need. (PNG, third edition: W3C, 2025.)
 */
import { crc32, inflateSync } from 'node:zlib'
import type { Pixels } from '../../../src/optimize/resize.ts'
import { SMALL_PIXELS } from '../../../src/optimize/small-jpeg.ts'

/** Channels by colour type; a palette is looked up afterwards. */
const CHANNELS: Readonly<Partial<Record<number, number>>> = { 0: 1, 2: 3, 3: 1, 6: 4 }
const PALETTE = 3
const SIGNATURE_BYTES = 8
/** Length, type and checksum of a chunk */
const CHUNK_BYTES = 12
/** A thumbnail has three to eight. */
const MAX_CHUNKS = 64
/** What else may be in a file without a change to the pixels: colour spaces and profiles, which are not applied, texts, times, sizes. */
const PASSED_OVER = new Set(['cHRM', 'gAMA', 'iCCP', 'sRGB', 'tEXt', 'zTXt', 'iTXt', 'pHYs', 'tIME', 'eXIf', 'bKGD'])

export function decodeSmallPng(bytes: Uint8Array): Pixels | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const parts = readChunks(file)
  if (parts === undefined) return undefined
  const { header, palette, data } = parts
  const [width, height, type] = [header.readUInt32BE(0), header.readUInt32BE(4), header[9] as number]
  const channels = CHANNELS[type]
  const isPlain = header[8] === 8 && header[10] === 0 && header[11] === 0 && header[12] === 0
  if (!isPlain || channels === undefined || (type === PALETTE && palette === undefined)) return undefined
  if (width === 0 || height === 0 || width * height > SMALL_PIXELS) return undefined
  const stride = width * channels
  const rows = inflated(data, height * (stride + 1))
  if (rows === undefined) return undefined
  const pixels = unfiltered(rows, height, stride, channels)
  if (pixels === undefined) return undefined
  if (palette === undefined || type !== PALETTE) return { data: pixels, height, width, channels }
  const colours = lookedUp(pixels, palette)
  return colours === undefined ? undefined : { data: colours, height, width, channels: 3 }
}

// --- internal ---

interface Chunks {
  readonly header: Buffer
  readonly palette: Buffer | undefined
  readonly data: Buffer
}

function readChunks(file: Buffer): Chunks | undefined {
  let header: Buffer | undefined
  let palette: Buffer | undefined
  const data: Buffer[] = []
  let at = SIGNATURE_BYTES
  for (let count = 0; count < MAX_CHUNKS && at + CHUNK_BYTES <= file.byteLength; count++) {
    const length = file.readUInt32BE(at)
    const end = at + CHUNK_BYTES + length
    if (end > file.byteLength) return undefined
    const type = file.toString('latin1', at + 4, at + 8)
    const body = file.subarray(at + 8, end - 4)
    if (crc32(file.subarray(at + 4, end - 4)) !== file.readUInt32BE(end - 4)) return undefined
    if ((count === 0) !== (type === 'IHDR')) return undefined
    at = end
    if (type === 'IHDR') {
      if (length !== 13) return undefined
      header = body
    } else if (type === 'PLTE') {
      if (palette !== undefined || data.length > 0 || length % 3 !== 0 || length > 768) return undefined
      palette = body
    } else if (type === 'IDAT') data.push(body)
    else if (type === 'IEND')
      return header === undefined || length !== 0 ? undefined : { header, palette, data: Buffer.concat(data) }
    else if (!PASSED_OVER.has(type)) return undefined
  }
  return undefined
}

function inflated(data: Buffer, bytes: number): Buffer | undefined {
  try {
    const rows = inflateSync(data, { maxOutputLength: bytes })
    return rows.byteLength === bytes ? rows : undefined
  } catch {
    return undefined // damaged or longer: the reason is libvips's to give
  }
}

/** Section 9 of the specification. Undefined for a filter that is none. */
function unfiltered(rows: Buffer, height: number, stride: number, channels: number): Uint8Array | undefined {
  const out = new Uint8Array(height * stride)
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)] as number
    if (filter > 4) return undefined
    const from = y * (stride + 1) + 1
    const to = y * stride
    for (let i = 0; i < stride; i++) {
      const left = i < channels ? 0 : (out[to + i - channels] as number)
      const above = y === 0 ? 0 : (out[to + i - stride] as number)
      const corner = y === 0 || i < channels ? 0 : (out[to + i - stride - channels] as number)
      out[to + i] = (rows[from + i] as number) + predicted(filter, left, above, corner)
    }
  }
  return out
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 0) return 0
  if (filter === 1) return left
  if (filter === 2) return above
  if (filter === 3) return (left + above) >> 1
  const guess = left + above - corner
  const a = Math.abs(guess - left)
  const b = Math.abs(guess - above)
  const c = Math.abs(guess - corner)
  return a <= b && a <= c ? left : b <= c ? above : corner
}

/** Undefined where a pixel has a colour that is not in the palette. */
function lookedUp(pixels: Uint8Array, palette: Buffer): Uint8Array | undefined {
  const out = new Uint8Array(pixels.length * 3)
  for (let i = 0; i < pixels.length; i++) {
    const at = (pixels[i] as number) * 3
    if (at >= palette.byteLength) return undefined
    out[3 * i] = palette[at] as number
    out[3 * i + 1] = palette[at + 1] as number
    out[3 * i + 2] = palette[at + 2] as number
  }
  return out
}
