/** Recognises image formats by magic bytes, never by name. */

/** Also the extension of the neutral path in a partition. */
export type ImageKind = 'jpg' | 'png' | 'webp' | 'gif' | 'tif' | 'avif'

/** For messages. */
export const IMAGE_FORMATS = 'JPEG, PNG, WebP, GIF, TIFF and AVIF'

/** As many bytes as `imageKind` and `foreignImage` look at. */
export const IMAGE_HEAD_BYTES = 64

/** A larger encoded image is refused, because decoding holds several copies in memory. */
export const MAX_IMAGE_BYTES = 67_108_864

export function imageKind(bytes: Uint8Array): ImageKind | undefined {
  if (begins(bytes, 0, [0xff, 0xd8, 0xff])) return 'jpg'
  if (begins(bytes, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'png'
  if (says(bytes, 0, 'RIFF') && says(bytes, 8, 'WEBP')) return 'webp'
  if (says(bytes, 0, 'GIF87a') || says(bytes, 0, 'GIF89a')) return 'gif'
  // byte order, then 42, or 43 in BigTIFF
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some(magic => says(bytes, 0, magic))) return 'tif'
  return brands(bytes).some(brand => brand === 'avif' || brand === 'avis') ? 'avif' : undefined
}

/** Names a known image format that is not accepted, and the remedy; undefined for other files. */
export function foreignImage(bytes: Uint8Array): string | undefined {
  const convert = (format: string, tool: string): string =>
    `${format} cannot be read here; convert it to JPEG or PNG, for example with ${tool}`
  if (brands(bytes).some(brand => HEIC_BRANDS.has(brand)))
    return convert('HEIC (patented H.265 inside)', '"heif-convert photo.heic photo.jpg"')
  // "BM", the size of the file, two reserved fields that are 0
  if (says(bytes, 0, 'BM') && begins(bytes, 6, [0, 0, 0, 0])) return convert('BMP', '"magick image.bmp image.png"')
  if (begins(bytes, 0, [0xff, 0x0a]) || says(bytes, 4, 'JXL \r\n'))
    return convert('JPEG XL', '"djxl image.jxl image.png"')
  if (says(bytes, 4, 'jP  \r\n') || begins(bytes, 0, [0xff, 0x4f, 0xff, 0x51]))
    return convert('JPEG 2000', '"opj_decompress -i image.jp2 -o image.png"')
  if (says(bytes, 0, '8BPS')) return convert('PSD (Photoshop)', '"magick image.psd[0] image.png"')
  if (/^\s*(<\?xml[^>]*>\s*)?(<!--[^>]*>\s*)?(<!DOCTYPE svg|<svg)/i.test(latin1(bytes)))
    return convert('SVG, which has no pixels,', '"rsvg-convert image.svg -o image.png"')
  if (says(bytes, 0, '%PDF-')) return convert('PDF', '"pdftoppm -png file.pdf page"')
  if (/^P[1-7]\s/.test(latin1(bytes))) return convert('PNM', '"magick image.ppm image.png"')
  if (begins(bytes, 0, [0, 0, 1, 0])) return convert('ICO', '"magick image.ico[0] image.png"')
  return undefined
}

// --- internal ---

/** H.265 in HEIF; in practice a plain `mif1` without `avif` is that, too. */
const HEIC_BRANDS = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs', 'mif1', 'msf1'])

/** Major brand and, as far as `IMAGE_HEAD_BYTES` reach, compatible brands of an ISO base media file (ISO/IEC 14496-12, 4.3). */
function brands(bytes: Uint8Array): string[] {
  if (!says(bytes, 4, 'ftyp')) return []
  const size = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  const text = latin1(bytes).slice(0, Math.min(size, IMAGE_HEAD_BYTES))
  const found = [text.slice(8, 12)]
  for (let at = 16; at + 4 <= text.length; at += 4) found.push(text.slice(at, at + 4))
  return found
}

const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes.subarray(0, IMAGE_HEAD_BYTES))

const says = (bytes: Uint8Array, at: number, text: string): boolean =>
  begins(
    bytes,
    at,
    Array.from(text, c => c.charCodeAt(0))
  )

function begins(bytes: Uint8Array, at: number, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[at + i] === byte)
}
