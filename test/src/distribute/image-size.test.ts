import fc from 'fast-check'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { imageSize } from '../../../src/distribute/image-size.ts'

const side = fc.integer({ min: 1, max: 300 })
const made = (width: number, height: number, channels: 3 | 4 = 3): Sharp =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 40, b: 90, alpha: 0.5 } } })

const encoders: Record<string, (width: number, height: number) => Promise<Uint8Array>> = {
  JPEG: (w, h) => made(w, h).jpeg().toBuffer(),
  'progressive JPEG with EXIF, a colour profile and a thumbnail': (w, h) =>
    made(w, h)
      .withExif({ IFD0: { Copyright: 'x'.repeat(500) } })
      .withIccProfile('p3')
      .jpeg({ progressive: true })
      .toBuffer(),
  PNG: (w, h) => made(w, h, 4).png().toBuffer(),
  GIF: (w, h) => made(w, h).gif().toBuffer(),
  'lossy WebP': (w, h) => made(w, h).webp().toBuffer(),
  'lossless WebP': (w, h) => made(w, h).webp({ lossless: true }).toBuffer(),
  'extended WebP': (w, h) =>
    made(w, h, 4)
      .withExif({ IFD0: { Copyright: 'x' } })
      .webp()
      .toBuffer()
}

describe('imageSize', () => {
  it.each(Object.keys(encoders))('is that of the pixels: %s', async name => {
    await fc.assert(
      fc.asyncProperty(side, side, async (width, height) => {
        expect(imageSize(new Uint8Array((await encoders[name]?.(width, height)) ?? []))).toEqual({ width, height })
      }),
      { numRuns: 20 }
    )
  })

  it('is unknown of anything else, and of headers that are cut off or damaged', async () => {
    const images = await Promise.all(Object.values(encoders).map(async encode => new Uint8Array(await encode(20, 10))))
    fc.assert(
      fc.property(
        fc.constantFrom(...images),
        fc.nat(200),
        fc.array(fc.tuple(fc.nat(100), fc.nat(255))),
        (image, end, changes) => {
          const bytes = image.slice(0, end)
          for (const [at, by] of changes) if (at < bytes.length) bytes[at] = by
          const size = imageSize(bytes)
          if (size === undefined) return
          for (const value of [size.width, size.height])
            expect(value).toSatisfy((n: number) => Number.isSafeInteger(n) && n > 0)
        }
      )
    )
    for (const bytes of [new Uint8Array(), new TextEncoder().encode('GIF89a'), Uint8Array.of(0xff, 0xd8, 0xff)])
      expect(imageSize(bytes)).toBeUndefined()
  })
})
