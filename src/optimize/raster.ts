/** Decoded images, and parts of them. */
import type { Size } from './preprocessing.ts'

/** 8-bit interleaved pixels, `data.length === height * width * channels`. */
export interface Pixels {
  readonly data: Uint8Array
  readonly height: number
  readonly width: number
  readonly channels: number
}

/** A part of the resized image, in its pixels. */
export interface Region extends Size {
  readonly top: number
  readonly left: number
}
