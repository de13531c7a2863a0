import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { decodeSmallPng } from '../../../../node/compute/inference/small-png.ts'
import { createTensorWriter } from '../../../../src/optimize/pixels.ts'
import type { Pixels } from '../../../../src/optimize/resize.ts'
import { decodeSmallJpeg } from '../../../../src/optimize/small-jpeg.ts'
import { seeded } from '../../../helpers/seeded.ts'

const SIZES = [
  [5, 5],
  [8, 8],
  [9, 3],
  [17, 31],
  [32, 32],
  [33, 18],
  [90, 70]
] as const
const random = seeded(7)

/** Smooth, or noise in every sample. */
function picture(width: number, height: number, isNoise: boolean, channels: 3 | 4 = 3): Sharp {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) =>
    isNoise ? random.below(256) : (i * 5 + Math.floor(i / width) * 3) & 255
  )
  return sharp(Buffer.from(data), { raw: { width, height, channels } })
}

/** As libvips decodes it, undefined where it refuses. */
async function general(bytes: Uint8Array): Promise<Pixels | undefined> {
  const image = sharp(bytes, { failOn: 'error', sequentialRead: true, ignoreIcc: true })
  const raw = image.toColourspace('srgb').raw({ depth: 'uchar' })
  return await raw.toBuffer({ resolveWithObject: true }).then(
    ({ data, info }) => ({ data, width: info.width, height: info.height, channels: info.channels }),
    () => undefined
  )
}

/** What a model of colour images sees */
function colours(pixels: Pixels | undefined): Uint8Array | undefined {
  if (pixels === undefined) return undefined
  const { height, width } = pixels
  const none = { assumed: false, filter: 'bilinear', rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const
  const writer = createTensorWriter({ ...none, height, width }, { layout: 'nhwc', channels: 3 })
  const out = new Uint8Array(writer.size)
  writer.write(pixels, out, 0)
  return out
}

describe('a small JPEG', () => {
  it('has the pixels that libjpeg-turbo gives, in every sampling, quality and size', async () => {
    for (const [width, height] of SIZES)
      for (const chromaSubsampling of ['4:2:0', '4:4:4'])
        for (const quality of [5, 80, 100])
          for (const isGrey of [false, true]) {
            const colour = picture(width, height, quality === 80)
            const drawn = isGrey ? colour.toColourspace('b-w') : colour
            const bytes = await drawn.jpeg({ quality, chromaSubsampling }).toBuffer()
            const ours = decodeSmallJpeg(bytes)
            expect(ours, `${width} x ${height} ${chromaSubsampling} ${quality}`).toBeDefined()
            expect(colours(ours)).toEqual(colours(await general(bytes)))
          }
  })

  it('that is damaged is left to libvips, or has the pixels that libvips gives', async () => {
    const whole = await picture(24, 24, false).jpeg({ quality: 70 }).toBuffer()
    let decoded = 0
    for (let i = 0; i < 400; i++) {
      const bytes = Uint8Array.from(whole)
      bytes[2 + random.below(bytes.length - 2)] = random.below(256)
      const ours = colours(decodeSmallJpeg(bytes))
      if (ours === undefined) continue
      decoded++
      expect(ours).toEqual(colours(await general(bytes)))
    }
    expect(decoded).toBeGreaterThan(20)
    for (let length = 0; length < whole.length; length++)
      expect(decodeSmallJpeg(whole.subarray(0, length))).toBeUndefined()
  })

  it('that is progressive, CMYK or not small is left to libvips', async () => {
    expect(decodeSmallJpeg(await picture(32, 32, false).jpeg({ progressive: true }).toBuffer())).toBeUndefined()
    expect(decodeSmallJpeg(await picture(32, 32, false).toColourspace('cmyk').jpeg().toBuffer())).toBeUndefined()
    expect(decodeSmallJpeg(await picture(97, 97, false).jpeg().toBuffer())).toBeUndefined()
  })
})

describe('a small PNG', () => {
  it('has the pixels that libvips gives: grey, colours, alpha, a palette, every filter', async () => {
    for (const [width, height] of SIZES)
      for (const isNoise of [false, true])
        for (const adaptiveFiltering of [false, true]) {
          const all = [
            picture(width, height, isNoise).png({ adaptiveFiltering }),
            picture(width, height, isNoise, 4).png({ adaptiveFiltering }),
            picture(width, height, isNoise).toColourspace('b-w').png({ adaptiveFiltering })
          ]
          for (const drawn of all) {
            const bytes = await drawn.toBuffer()
            const ours = decodeSmallPng(bytes)
            expect(ours).toBeDefined()
            expect(colours(ours)).toEqual(colours(await general(bytes)))
          }
          const listed = await picture(width, height, isNoise).png({ palette: true, colours: 200 }).toBuffer()
          const ours = decodeSmallPng(listed)
          if (ours !== undefined) expect(colours(ours)).toEqual(colours(await general(listed)))
        }
  })

  it('that is damaged, interlaced, of 16 bits or not small is left to libvips', async () => {
    const whole = await picture(16, 16, true).png().toBuffer()
    for (let at = 8; at < whole.length; at += 3) {
      const bytes = Uint8Array.from(whole)
      bytes[at] = (bytes[at] as number) ^ 1
      expect(decodeSmallPng(bytes)).toBeUndefined()
    }
    expect(decodeSmallPng(whole.subarray(0, whole.length - 1))).toBeUndefined()
    expect(decodeSmallPng(await picture(16, 16, true).png({ progressive: true }).toBuffer())).toBeUndefined()
    expect(decodeSmallPng(await picture(16, 16, true).toColourspace('rgb16').png().toBuffer())).toBeUndefined()
    expect(decodeSmallPng(await picture(97, 97, true).png().toBuffer())).toBeUndefined()
  })
})
