/**
 * Encoded image -> 8-bit pixels, in the worker: bytes of strangers meet a native decoder nowhere else.
 *
 * Only the formats of `imageKind`, told by their first bytes and with every other loader of libvips blocked. Pixels are those that
 * Pillow's `convert('RGB')` gives: no rotation by EXIF but in TIFF (image processors of transformers and
 * torchvision's datasets do not rotate either), no colour profile applied, CMYK by Pillow's formula, the first frame of an animation and the first page of a TIFF; 8 bits per channel.
 *
 * Small plain images are decoded here, to the same pixels: a call of libvips takes longer than that.
 *
 * Three differences are on purpose or out of reach. 16-bit grey keeps its upper 8 bits, like 16-bit colour, where Pillow makes everything
 * above 255 white. AVIF is decoded by libheif, which applies a rotation in the container that Pillow leaves to EXIF, and rounds colours
 * of subsampled images another way. A TIFF of other than 1, 8 or 16 bits per channel or in L*a*b* is refused.
 */
import type { Sharp, SharpOptions } from 'sharp'
import { foreignImage, IMAGE_FORMATS, imageKind, type ImageKind } from '../../../src/distribute/image-kind.ts'
import { InvalidImageError } from '../../../src/errors.ts'
import { cmykToRgb } from '../../../src/optimize/cmyk.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import { decodeSmallJpeg } from '../../../src/optimize/small-jpeg.ts'
import { checkImage, withLimit } from './check-image.ts'
import { jpegComponents } from './jpeg-components.ts'
import type { DecodeLimits, ImageFacts } from './messages.ts'
import { decodeSmallPng } from './small-png.ts'

/** 100 megapixels take 3 s on an idle core; the whole worker is killed later if the decoder ignores it. */
const DECODE_SECONDS = 40
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map(name => `VipsForeignLoad${name}Buffer`)

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
  sharp.unblock({ operation: LOADERS })
  const options: SharpOptions = {
    limitInputPixels: limits.imagePixels,
    limitInputChannels: 5, // CMYK and an extra one
    // decoders' warnings (a stray byte before a marker) are common in real collections and decode like anywhere else; errors and
    // truncation do not
    failOn: 'error',
    sequentialRead: true,
    ignoreIcc: true,
    pages: 1
  }
  const check = (bytes: Uint8Array): ImageKind => {
    checkImage(bytes, limits)
    const kind = imageKind(bytes)
    if (kind === undefined)
      throw new InvalidImageError(
        foreignImage(bytes) ?? `not an image of a known format (${IMAGE_FORMATS} are supported)`
      )
    return kind
  }
  const open = (bytes: Uint8Array): Sharp => sharp(bytes, options).timeout({ seconds: DECODE_SECONDS })
  const decode = async (bytes: Uint8Array): Promise<Pixels> => {
    const kind = check(bytes)
    const small = kind === 'jpg' ? decodeSmallJpeg(bytes) : kind === 'png' ? decodeSmallPng(bytes) : undefined
    if (small !== undefined) return small
    try {
      const cmyk = kind === 'tif' ? await isCmykTiff(open(bytes)) : kind === 'jpg' && jpegComponents(bytes) === 4
      // Pillow turns a TIFF as its orientation says, and no other format
      const upright = kind === 'tif' ? open(bytes).autoOrient() : open(bytes)
      const image = cmyk ? upright.pipelineColourspace('cmyk').toColourspace('cmyk') : upright.toColourspace('srgb')
      const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
      const { width, height, channels } = info
      if (!cmyk) return { data, height, width, channels }
      if (channels !== 4) throw new InvalidImageError(`CMYK with ${channels} channels`)
      return { data: cmykToRgb(data), height, width, channels: 3 }
    } catch (cause) {
      throw new InvalidImageError(`cannot be decoded: ${withLimit(reason(cause), limits)}`, { cause })
    }
  }
  return {
    decode,
    async inspect(bytes) {
      try {
        const { width, height } = await decode(bytes)
        return { width, height, format: check(bytes) }
      } catch (error) {
        return { error: reason(error) }
      }
    }
  }
}

// --- internal ---

/** Throws `InvalidImageError` for numbers that have no 8-bit meaning. */
async function isCmykTiff(image: Sharp): Promise<boolean> {
  const { space, depth } = await image.metadata()
  if (!['uchar', 'ushort'].includes(depth ?? '') || space === 'lab')
    throw new InvalidImageError(
      `a TIFF of ${depth} numbers in ${space}; convert it to 8 bits per channel, for example with "magick image.tif -depth 8 image.png"`
    )
  return space === 'cmyk'
}

/** First line only: libvips appends its whole log. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return (text.split('\n')[0] as string).slice(0, 300)
}
