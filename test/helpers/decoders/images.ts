/** Decoders of images: those of ours, and libvips with what is asked of it before. */
import sharp from 'sharp'
import { createImageDecoder } from '../../../node/compute/inference/images.ts'
import { decodeSmallPng } from '../../../node/compute/inference/small-png.ts'
import { imageSize } from '../../../src/distribute/image-size.ts'
import { readJpegHeader } from '../../../src/optimize/jpeg-header.ts'
import { decodeSmallJpeg } from '../../../src/optimize/small-jpeg.ts'
import type { Decoder } from './decoder.ts'

const pixels = () => sharp({ create: { width: 20, height: 16, channels: 3, background: '#a4c' } })
/** In more than one colour, so that the entropy-coded part is more than runs. */
const noise = () =>
  sharp(
    Uint8Array.from({ length: 24 * 24 * 3 }, (_, i) => (i * 97) & 255),
    { raw: { width: 24, height: 24, channels: 3 } }
  )
const decoder = await createImageDecoder({ imagePixels: 1_000_000, imageBytes: 1_000_000 })
const byLibvips = async (bytes: Uint8Array): Promise<unknown> => await decoder.decode(bytes)

export const IMAGES: readonly Decoder[] = [
  {
    name: 'a JPEG',
    through: [],
    good: async () => await pixels().jpeg().toBuffer(),
    read: byLibvips,
    grammar: 'chunks',
    slow: true
  },
  {
    name: 'a PNG',
    through: [],
    good: async () => await pixels().png().toBuffer(),
    read: byLibvips,
    grammar: 'chunks',
    slow: true
  },
  {
    name: 'a WebP',
    through: [],
    good: async () => await pixels().webp().toBuffer(),
    read: byLibvips,
    grammar: 'chunks',
    slow: true
  },
  {
    name: 'a small JPEG',
    through: ['src/optimize/small-jpeg.ts decodeSmallJpeg', 'src/optimize/jpeg-header.ts readJpegHeader'],
    good: async () => await noise().jpeg().toBuffer(),
    read: bytes => [readJpegHeader(bytes, 10_000), decodeSmallJpeg(bytes)],
    grammar: 'chunks'
  },
  {
    name: 'a small PNG',
    through: ['node/compute/inference/small-png.ts decodeSmallPng'],
    good: async () => await noise().png().toBuffer(),
    read: bytes => decodeSmallPng(bytes),
    grammar: 'chunks'
  },
  {
    name: 'the size of an image',
    through: ['src/distribute/image-size.ts imageSize'],
    good: async () => await noise().gif().toBuffer(),
    read: bytes => imageSize(bytes),
    grammar: 'chunks'
  }
]
