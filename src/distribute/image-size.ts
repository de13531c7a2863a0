/**
 * Reads width and height of an encoded image from its header, without decoding pixels. They decide whether it is decoded at all, and together with
 * how many others. As stored, before any rotation.
 */
import { imageKind } from './image-kind.ts'

export interface ImageSize {
  /** Pixels */
  readonly width: number
  readonly height: number
}

/** Undefined for other formats and damaged headers: the decoder has the last word. */
export function imageSize(bytes: Uint8Array): ImageSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const readers = { jpg: jpegSize, png: pngSize, webp: webpSize, gif: gifSize, tif: unknown, avif: unknown }
  const kind = imageKind(bytes)
  const size = kind === undefined ? undefined : readers[kind](view)
  return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined
}

// --- internal ---

/** ISO/IEC 10918-1, B.2: a frame header (SOF) after any number of other segments. */
function jpegSize(view: DataView): ImageSize | undefined {
  for (let at = 2; at + 9 <= view.byteLength;) {
    if (view.getUint8(at) !== 0xff) return undefined
    const marker = view.getUint8(at + 1)
    // any number of fill bytes before a marker
    if (marker === 0xff) at++
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
    else at += 2 + (hasNoLength(marker) ? 0 : view.getUint16(at + 2))
  }
  return undefined
}

/** TEM, and restart markers, which do not belong before the frame and do no harm there. */
const hasNoLength = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)

/** https://www.w3.org/TR/png-3/#11IHDR, always the first chunk */
function pngSize(view: DataView): ImageSize | undefined {
  return view.byteLength < 24 ? undefined : { width: view.getUint32(16), height: view.getUint32(20) }
}

/** The logical screen: https://www.w3.org/Graphics/GIF/spec-gif89a.txt, section 18 */
function gifSize(view: DataView): ImageSize | undefined {
  return view.byteLength < 10 ? undefined : { width: view.getUint16(6, true), height: view.getUint16(8, true) }
}

/** TIFF and AVIF keep it anywhere in the file. */
const unknown = (): undefined => undefined

/** RFC 9649: a frame of VP8 (RFC 6386, 9.1), of VP8L, or an extended header with the canvas. */
function webpSize(view: DataView): ImageSize | undefined {
  if (view.byteLength < 30) return undefined
  const chunk = view.getUint32(12)
  if (chunk === 0x56503820)
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff }
  if (chunk === 0x5650384c) {
    const bits = view.getUint32(21, true)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  const three = (at: number): number => view.getUint16(at, true) + (view.getUint8(at + 2) << 16)
  return chunk === 0x56503858 ? { width: three(24) + 1, height: three(27) + 1 } : undefined
}
