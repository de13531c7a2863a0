/** How large an image of a dataset may be: part of the manifest, so that publisher and participants refuse the same ones. */
import { MAX_IMAGE_BYTES } from './image-kind.ts'

export interface ImageLimits {
  /** Width times height */
  readonly maxPixels: number
  /** Of the encoded image */
  readonly maxBytes: number
}

/**
 * What Pillow opens (twice its `MAX_IMAGE_PIXELS`, a quarter of a GiB of RGB with one channel of padding): a photo of 100 megapixels
 * with room, and everything that other tools can use.
 */
const DEFAULT_MAX_PIXELS = 178_956_970

/** 1.5 GiB as RGB: below the memory of an inference process, where one such image is decoded at a time. */
export const MAX_IMAGE_PIXELS = 536_870_912

/** Limits of a manifest that does not state any. Changing them requires a new protocol version. */
export const DEFAULT_IMAGE_LIMITS: ImageLimits = { maxPixels: DEFAULT_MAX_PIXELS, maxBytes: MAX_IMAGE_BYTES }
