/** Decodes the images of a batch, a few at a time, and names the one that cannot be decoded. */
import { InvalidImageError } from '../../../src/errors.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import type { ImageDecoder } from './images.ts'
import type { EmbedRequest } from './messages.ts'

/** Two decodes in flight keep one core busy; more only hold memory. */
const DECODES = 2

/** Calls `use` once for each image, in any order. Throws `InvalidImageError` naming the sample. */
export async function decodeInto(
  images: EmbedRequest['images'],
  decoder: ImageDecoder,
  use: (pixels: Pixels, index: number) => void
): Promise<void> {
  await eachImage(images, async ({ id, bytes }, i) => {
    try {
      use(await decoder.decode(bytes), i)
    } catch (cause) {
      if (!(cause instanceof InvalidImageError)) throw cause
      throw new InvalidImageError(`sample ${id}: ${cause.message}`, { cause })
    }
  })
}

/** As many at once as decodes in flight. */
export async function eachImage(
  images: EmbedRequest['images'],
  action: (image: EmbedRequest['images'][number], index: number) => Promise<void>
): Promise<void> {
  let next = 0
  const some = async (): Promise<void> => {
    while (next < images.length) {
      const i = next++
      await action(images[i] as EmbedRequest['images'][number], i)
    }
  }
  await Promise.all(Array.from({ length: DECODES }, some))
}
