import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { createImageDecoder, sniff, type ImageDecoder } from '../../../../node/compute/inference/images.ts'
import { png, syntheticPng } from '../../../../node/priors/synthetic-image.ts'
import { createTensorWriter } from '../../../../src/optimize/pixels.ts'

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
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const bytesOf = (name: string) => Buffer.from(encoded.find(e => e.name === name)?.bytes ?? '', 'base64')

let decoder: ImageDecoder
beforeAll(async () => {
  decoder = await createImageDecoder({ imagePixels: 4_000_000, imageBytes: 1_000_000 })
})

describe('decode', () => {
  it.each(encoded)('gives the pixels of Pillow: $name', async ({ bytes, size: [height, width], rgb, grey, format }) => {
    const file = Buffer.from(bytes, 'base64')
    expect(await decoder.inspect(file)).toEqual({ width, height, format })
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

  it.each([
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['a GIF', Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;', 'latin1')],
    ['nothing', new Uint8Array(0)],
    ['a PDF', Buffer.from('%PDF-1.4')]
  ])('refuses %s by its first bytes', async (_, bytes) => {
    expect(sniff(bytes)).toBeUndefined()
    expect(await decoder.inspect(bytes)).toEqual({ error: expect.stringMatching(/JPEG, PNG and WebP/) as string })
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
