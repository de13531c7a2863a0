/** The header of a small, plain JPEG: what small-jpeg.ts needs to decode it, or undefined for any other file (ITU-T T.81, annex B). */
import { huffmanCode, type Code } from './jpeg-bits.ts'

export interface JpegComponent {
  /** Blocks of a unit in each direction */
  readonly across: number
  readonly down: number
  /** In the order in which coefficients are coded */
  readonly quantisers: Uint8Array
  readonly dc: Code
  readonly ac: Code
}

export interface JpegHeader {
  readonly width: number
  readonly height: number
  /** Y, or Y, Cb, Cr */
  readonly components: readonly JpegComponent[]
  /** Units between restart markers, 0: none */
  readonly restart: number
  /** Where the entropy-coded data begins */
  readonly scan: number
}

export function readJpegHeader(bytes: Uint8Array, maxPixels: number): JpegHeader | undefined {
  const tables: Tables = { quantisers: [], dc: [], ac: [], restart: 0 }
  let frame: Frame | undefined
  let at = 2
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  for (let markers = 0; markers < MAX_MARKERS; markers++) {
    const marker = bytes[at + 1]
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
    const end = at + 2 + length
    if (bytes[at] !== 0xff || marker === undefined || length < 2 || end > bytes.byteLength) return undefined
    const segment = bytes.subarray(at + 4, end)
    at = end
    if (marker === SCAN) return frame === undefined ? undefined : headerOf(frame, segment, tables, at)
    if (marker === FRAME) {
      if (frame !== undefined) return undefined
      frame = readFrame(segment, maxPixels)
      if (frame === undefined) return undefined
    } else if (!readOther(marker, segment, tables)) return undefined
  }
  return undefined
}

// --- internal ---

/** A thumbnail has about eight. */
const MAX_MARKERS = 64
const FRAME = 0xc0
const HUFFMAN = 0xc4
const SCAN = 0xda
const QUANTISERS = 0xdb
const RESTART = 0xdd
const COMMENT = 0xfe
/** APP14 of Adobe may say that the colours are not YCbCr. */
const ADOBE = 0xee

interface Tables {
  readonly quantisers: Uint8Array[]
  readonly dc: Code[]
  readonly ac: Code[]
  restart: number
}

interface Frame {
  readonly width: number
  readonly height: number
  readonly components: readonly { readonly id: number; across: number; down: number; quantisers: number }[]
}

/** False for what is not understood. */
function readOther(marker: number, segment: Uint8Array, tables: Tables): boolean {
  if (marker === QUANTISERS) return readQuantisers(segment, tables)
  if (marker === HUFFMAN) return readCodes(segment, tables)
  if (marker === RESTART) {
    tables.restart = ((segment[0] ?? 0) << 8) | (segment[1] ?? 0)
    return segment.byteLength === 2
  }
  return marker === COMMENT || (marker >= 0xe0 && marker <= 0xef && marker !== ADOBE)
}

function readFrame(segment: Uint8Array, maxPixels: number): Frame | undefined {
  const [bits, h1 = 0, h0 = 0, w1 = 0, w0 = 0, count = 0] = segment
  const [height, width] = [(h1 << 8) | h0, (w1 << 8) | w0]
  if (bits !== 8 || (count !== 1 && count !== 3) || segment.byteLength !== 6 + 3 * count) return undefined
  if (height === 0 || width === 0 || width * height > maxPixels) return undefined
  const components = Array.from({ length: count }, (_, i) => {
    const [id = 0, sampling = 0, quantisers = 0] = segment.subarray(6 + 3 * i)
    return { id, across: sampling >> 4, down: sampling & 15, quantisers }
  })
  const [first, ...others] = components
  const is = (across: number, down: number): boolean => first?.across === across && first.down === down
  // 1, 2, 3 are YCbCr to everybody, with a JFIF marker or without
  if (count === 3 && components.some(({ id }, i) => id !== i + 1)) return undefined
  if (others.some(({ across, down }) => across !== 1 || down !== 1)) return undefined
  if (count === 1 ? !is(1, 1) : !is(1, 1) && !is(2, 1) && !is(2, 2)) return undefined
  // libjpeg repeats samples instead of blending where there are two or fewer
  if (!is(1, 1) && width < 5) return undefined
  return { width, height, components }
}

function headerOf(frame: Frame, segment: Uint8Array, tables: Tables, scan: number): JpegHeader | undefined {
  const { width, height } = frame
  const count = frame.components.length
  const [first, last, approximation] = segment.subarray(1 + 2 * count)
  if (segment[0] !== count || segment.byteLength !== 4 + 2 * count) return undefined
  if (first !== 0 || last !== 63 || approximation !== 0) return undefined
  const components: JpegComponent[] = []
  for (const [i, { id, across, down, quantisers: table }] of frame.components.entries()) {
    const [of, codes = 0] = segment.subarray(1 + 2 * i)
    const quantisers = tables.quantisers[table]
    const [dc, ac] = [tables.dc[codes >> 4], tables.ac[codes & 15]]
    if (of !== id || quantisers === undefined || dc === undefined || ac === undefined) return undefined
    components.push({ across, down, quantisers, dc, ac })
  }
  return { width, height, components, restart: tables.restart, scan }
}

function readQuantisers(segment: Uint8Array, tables: Tables): boolean {
  if (segment.byteLength % 65 !== 0) return false
  for (let at = 0; at < segment.byteLength; at += 65) {
    const which = segment[at] as number
    if (which > 3) return false // of 16 bits
    const values = segment.slice(at + 1, at + 65)
    if (values.includes(0)) return false
    tables.quantisers[which] = values
  }
  return true
}

function readCodes(segment: Uint8Array, tables: Tables): boolean {
  for (let at = 0; at < segment.byteLength;) {
    const which = segment[at] as number
    const counts = segment.subarray(at + 1, at + 17)
    const symbols = counts.reduce((sum, count) => sum + count, 0)
    const end = at + 17 + symbols
    if (end > segment.byteLength || symbols > 256 || (which & 15) > 3 || which > 0x13) return false
    const values = segment.slice(at + 17, end)
    const isDc = which >> 4 === 0
    const code = huffmanCode(counts, values)
    if (code === undefined || (isDc && values.some(size => size > 15))) return false
    const list = isDc ? tables.dc : tables.ac
    list[which & 15] = code
    at = end
  }
  return true
}
