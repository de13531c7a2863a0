import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { createImageDecoder, type ImageDecoder } from '../../../../node/compute/inference/images.ts'
import { png, syntheticPng } from '../../../../node/priors/synthetic-image.ts'
import { imageKind, type ImageKind } from '../../../../src/distribute/image-kind.ts'
import { createTensorWriter } from '../../../../src/optimize/pixels.ts'
import type { Pixels } from '../../../../src/optimize/resize.ts'

interface Encoded {
  name: string
  bytes: string
  size: [number, number]
  rgb: string
  grey: string
  format: string
}
const { encoded } = JSON.parse(readFileSync(new URL('../../../vectors/preprocess.json', import.meta.url), 'utf8')) as {
  encoded: Encoded[]
}
interface Decoded {
  name: string
  kind: ImageKind
  bytes: string
  size: [number, number]
  rgb: string
}
const vectors = JSON.parse(readFileSync(new URL('../../../vectors/decode.json', import.meta.url), 'utf8')) as {
  exact: Decoded[]
  grey16: { bytes: string; rgb: string }
  float: string
  avif: { bytes: string; rgb: string }
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const bytesOf = (name: string) => Buffer.from(encoded.find(e => e.name === name)?.bytes ?? '', 'base64')

let decoder: ImageDecoder
beforeAll(async () => {
  decoder = await createImageDecoder({ imagePixels: 4_000_000, imageBytes: 1_000_000 })
})

/** What a model of colour images would see. */
function colours(pixels: Pixels): Uint8Array {
  const { height, width } = pixels
  const steps = {
    assumed: false,
    filter: 'bilinear',
    rescale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    height,
    width
  } as const
  const writer = createTensorWriter(steps, { layout: 'nhwc', channels: 3 })
  const out = new Uint8Array(writer.size)
  writer.write(pixels, out, 0)
  return out
}

/** The first box of an ISO base media file: major brand, then compatible ones. */
function isoFile(major: string, ...compatible: string[]): Uint8Array {
  const size = 16 + 4 * compatible.length
  return Buffer.from(`\0\0\0${String.fromCharCode(size)}ftyp${major}\0\0\0\0${compatible.join('')}`, 'latin1')
}

describe('decode', () => {
  it.each(encoded)('gives the pixels of Pillow: $name', async ({ bytes, size: [height, width], rgb, grey, format }) => {
    const file = Buffer.from(bytes, 'base64')
    expect(await decoder.inspect(file)).toEqual({ width, height, format: format === 'jpeg' ? 'jpg' : format })
    const pixels = await decoder.decode(file)
    const plain = {
      assumed: false,
      filter: 'bilinear',
      rescale: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      height,
      width
    } as const
    for (const [channels, wanted] of [
      [3, rgb],
      [1, grey]
    ] as const) {
      const writer = createTensorWriter(plain, { layout: 'nhwc', channels })
      const out = new Uint8Array(writer.size)
      writer.write(pixels, out, 0)
      expect(sha256(out), `${channels} channels`).toBe(wanted)
    }
  })

  it('refuses a small PNG that unpacks to gigabytes, by its header', async () => {
    const bomb = png(20_000, 20_000, deflateSync(new Uint8Array(1_000_000)))
    expect(bomb.byteLength).toBeLessThan(5000)
    expect(await decoder.inspect(bomb)).toEqual({
      error: '20000 x 20000 = 400000000 pixels, at most 4000000 by --max-pixels of publish'
    })
  })

  it.each(vectors.exact)('gives the pixels of Pillow: $name', async ({ kind, bytes, size: [height, width], rgb }) => {
    const file = Buffer.from(bytes, 'base64')
    expect(await decoder.inspect(file)).toEqual({ width, height, format: kind })
    expect(sha256(colours(await decoder.decode(file)))).toBe(rgb)
  })

  it('gives the pixels of Pillow for AVIF, within one level', async () => {
    const pixels = colours(await decoder.decode(Buffer.from(vectors.avif.bytes, 'base64')))
    const wanted = Buffer.from(vectors.avif.rgb, 'base64')
    expect(pixels.length).toBe(wanted.length)
    expect(Math.max(...pixels.map((v, i) => Math.abs(v - (wanted[i] as number))))).toBeLessThanOrEqual(1)
  })

  it('keeps the upper 8 bits of 16-bit grey', async () => {
    const { bytes, rgb } = vectors.grey16
    expect(sha256(colours(await decoder.decode(Buffer.from(bytes, 'base64'))))).toBe(rgb)
  })

  it('refuses a TIFF whose numbers have no 8-bit meaning', async () => {
    const facts = await decoder.inspect(Buffer.from(vectors.float, 'base64'))
    expect(facts).toEqual({ error: expect.stringMatching(/TIFF of float numbers.*8 bits per channel/) as string })
  })

  it.each([
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), /SVG.*rsvg-convert/],
    ['a HEIC photo', isoFile('heic', 'mif1', 'heic'), /HEIC.*heif-convert/],
    ['a HEIC photo under its general brand', isoFile('mif1', 'mif1', 'heic'), /HEIC/],
    ['a BMP', Buffer.from('BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36', 'latin1'), /BMP.*magick/],
    ['a JPEG XL', Buffer.from('\x00\x00\x00\x0cJXL \r\n\x87\n', 'latin1'), /JPEG XL.*djxl/],
    ['a JPEG 2000', Buffer.from('\x00\x00\x00\x0cjP  \r\n\x87\n', 'latin1'), /JPEG 2000/],
    ['nothing', new Uint8Array(0), /JPEG, PNG, WebP, GIF, TIFF and AVIF/],
    ['a PDF', Buffer.from('%PDF-1.4'), /PDF.*pdftoppm/],
    ['a text that begins like a BMP', Buffer.from('BMW and other makes of cars'), /not an image of a known format/]
  ])('refuses %s by its first bytes, and says what it is', async (_, bytes, why) => {
    expect(imageKind(bytes)).toBeUndefined()
    expect(await decoder.inspect(bytes)).toEqual({ error: expect.stringMatching(why) as string })
  })

  it('refuses every truncation of an image, and one that is too large as a file', async () => {
    for (const name of ['jpeg 4:2:0', 'png', 'webp lossless']) {
      const whole = bytesOf(name)
      for (let length = 0; length < whole.byteLength - 20; length += 37) {
        expect(await decoder.inspect(whole.subarray(0, length)), `${name}, ${length} bytes`).toHaveProperty('error')
      }
    }
    const padded = Buffer.concat([syntheticPng(8, 8), new Uint8Array(1_000_000)])
    expect(await decoder.inspect(padded)).toEqual({
      error: expect.stringMatching(/1000\d+ bytes, at most 1000000/) as string
    })
  })
})
