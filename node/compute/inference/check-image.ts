/**
 * Encoded images against the limits of their dataset, by header: before a decoder gets to see them. Whoever publishes sets the limits;
 * participants read them in the manifest.
 */
import { imageSize } from '../../../src/distribute/image-size.ts'
import { InvalidImageError } from '../../../src/errors.ts'
import type { DecodeLimits } from './messages.ts'

/** Throws `InvalidImageError` with pixels or bytes, the limit and the option. */
export function checkImage(bytes: Uint8Array, { imagePixels, imageBytes }: DecodeLimits): void {
  if (bytes.byteLength > imageBytes)
    throw new InvalidImageError(`${bytes.byteLength} bytes, at most ${imageBytes} by --max-image-bytes of publish`)
  const size = imageSize(bytes)
  if (size === undefined) return
  const { width, height } = size
  if (width * height > imagePixels)
    throw new InvalidImageError(
      `${width} x ${height} = ${width * height} pixels, at most ${imagePixels} by --max-pixels of publish`
    )
}

/** What libvips says of TIFF and AVIF, whose size only it can read, in the same words. */
export function withLimit(reason: string, { imagePixels }: DecodeLimits): string {
  return reason.includes('exceeds pixel limit')
    ? `too many pixels, at most ${imagePixels} by --max-pixels of publish`
    : reason
}
