/**
 * Encoded image -> 8-bit pixels, in the worker: bytes of strangers meet a native decoder nowhere else.
 *
 * Only JPEG, PNG and WebP, told by their first bytes and with every other loader of libvips blocked. Pixels are those that Pillow
 * gives: no rotation by EXIF, no colour profile applied, the first frame of an animation; 8 bits per channel.
 */
import type { Sharp, SharpOptions } from 'sharp'
import { InvalidImageError } from '../../../src/errors.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import { checkImage } from './check-image.ts'
import type { DecodeLimits, ImageFacts } from './messages.ts'

export type ImageFormat = 'jpeg' | 'png' | 'webp'

/** 100 megapixels take 3 s on an idle core; the whole worker is killed later if the decoder ignores it. */
const DECODE_SECONDS = 40
const FORMATS = 'JPEG, PNG and WebP are supported'

/** The format by its magic bytes, else undefined. */
export function sniff(bytes: Uint8Array): ImageFormat | undefined {
  const starts = (at: number, ...magic: number[]) => magic.every((m, i) => bytes[at + i] === m)
  if (starts(0, 0xff, 0xd8, 0xff)) return 'jpeg'
  if (starts(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'png'
  if (starts(0, 0x52, 0x49, 0x46, 0x46) && starts(8, 0x57, 0x45, 0x42, 0x50)) return 'webp'
  return undefined
}

export interface ImageDecoder {
  /** Throws `InvalidImageError`. */
  decode(bytes: Uint8Array): Promise<Pixels>
  /** Never throws: a broken image is a fact. */
  inspect(bytes: Uint8Array): Promise<ImageFacts>
}

export async function createImageDecoder(limits: DecodeLimits): Promise<ImageDecoder> {
  const { default: sharp } = await import('sharp')
  sharp.concurrency(1) // a partition's images are decoded two at a time; threads within one would only compete
  sharp.cache(false)
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({ operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'] })
  const options: SharpOptions = {
    limitInputPixels: limits.imagePixels,
    limitInputChannels: 4,
    // decoders' warnings (a stray byte before a marker) are common in real collections and decode like anywhere else; errors and
    // truncation do not
    failOn: 'error',
    sequentialRead: true,
    ignoreIcc: true,
    pages: 1
  }
  const open = (bytes: Uint8Array): Sharp => {
    checkImage(bytes, limits)
    if (sniff(bytes) === undefined) throw new InvalidImageError(`not an image of a known format (${FORMATS})`)
    return sharp(bytes, options).timeout({ seconds: DECODE_SECONDS })
  }
  const decode = async (bytes: Uint8Array): Promise<Pixels> => {
    const image = open(bytes)
    try {
      const { data, info } = await image
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true })
      return { data, height: info.height, width: info.width, channels: info.channels }
    } catch (cause) {
      throw new InvalidImageError(`cannot be decoded: ${reason(cause)}`, { cause })
    }
  }
  return {
    decode,
    async inspect(bytes) {
      try {
        const { width, height } = await decode(bytes)
        return { width, height, format: sniff(bytes) as ImageFormat }
      } catch (error) {
        return { error: reason(error) }
      }
    }
  }
}

/** First line only: libvips appends its whole log. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return (text.split('\n')[0] as string).slice(0, 300)
}
