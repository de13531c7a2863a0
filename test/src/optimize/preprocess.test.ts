import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { InvalidImageError, InvalidPriorError } from '../../../src/errors.ts'
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import { createTensorWriter } from '../../../src/optimize/pixels.ts'
import { parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import { resize, type Pixels } from '../../../src/optimize/resize.ts'
import { pattern } from '../../helpers/pattern.ts'

interface Vectors {
  resizes: { from: [number, number]; to: [number, number]; filter: 'bilinear'; sha256: string }[]
  pipelines: {
    name: string
    config: object
    image: [number, number]
    shape: [number, number, number]
    sum: number
    squares: number
    at: number[]
    values: number[]
  }[]
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/preprocess.json', import.meta.url), 'utf8')) as Vectors

const ANY: ImageInput = {
  name: 'pixel_values',
  layout: 'nchw',
  channels: 3,
  elementType: 'float32',
  batch: undefined,
  height: undefined,
  width: undefined
}
const FIXED: ImageInput = { ...ANY, height: 32, width: 32 }
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

function tensor(image: Pixels, config: unknown, input = ANY): Float32Array {
  const writer = createTensorWriter(parsePreprocessor(config, input), input)
  const out = new Float32Array(writer.size)
  writer.write(image, out, 0)
  return out
}

describe('resize', () => {
  it.each(vectors.resizes)(
    'gives the very pixels of Pillow: $from to $to, $filter',
    ({ from, to, filter, sha256: wanted }) => {
      expect(sha256(resize(pattern(...from), ...to, filter).data)).toBe(wanted)
    }
  )

  it('returns an image of the right size as it is', () => {
    const image = pattern(7, 9)
    expect(resize(image, 7, 9, 'bicubic')).toBe(image)
  })
})

describe('pipelines of Hugging Face', () => {
  it.each(vectors.pipelines)(
    '$name on $image gives the same tensor',
    ({ config, image, shape, sum, squares, at, values }) => {
      const out = tensor(pattern(...image), config)
      expect(out.length).toBe(shape[0] * shape[1] * shape[2])
      // float32 arithmetic in another order: 1 ulp of values up to 3
      at.forEach((i, k) => expect(Math.abs((out[i] as number) - (values[k] as number))).toBeLessThan(1e-6))
      const total = out.reduce((s, v) => s + v, 0)
      const energy = out.reduce((s, v) => s + v * v, 0)
      expect(Math.abs(total - sum)).toBeLessThan(1e-6 * out.length)
      expect(Math.abs(energy - squares)).toBeLessThan(1e-5 * squares)
    }
  )
})

describe('parsePreprocessor', () => {
  it('takes ImageNet statistics at the size of the model when there is no file, and says so', () => {
    const p = parsePreprocessor(undefined, FIXED)
    expect(p).toMatchObject({ assumed: true, height: 32, width: 32, filter: 'bilinear', mean: [0.485, 0.456, 0.406] })
    expect(parsePreprocessor(undefined, ANY)).toMatchObject({ height: 224, width: 224 })
    const black = tensor({ data: new Uint8Array(3), height: 1, width: 1, channels: 3 }, undefined, FIXED)
    expect(black[0]).toBeCloseTo(-0.485 / 0.229, 6)
  })

  it('gives a model that takes bytes the bytes', () => {
    const input: ImageInput = { ...FIXED, elementType: 'uint8', layout: 'nhwc' }
    const writer = createTensorWriter(parsePreprocessor(undefined, input), input)
    const out = new Uint8Array(writer.size)
    const image = pattern(32, 32)
    writer.write(image, out, 0)
    expect(out).toEqual(image.data)
    expect(() => parsePreprocessor({ do_rescale: true }, input)).toThrow(/do_rescale/)
  })

  it('lays planes or interleaved channels', () => {
    const image = pattern(2, 2)
    const config = { do_rescale: false }
    const size = { height: 2, width: 2 }
    const planes = tensor(image, config, { ...ANY, ...size })
    const mixed = tensor(image, config, { ...ANY, ...size, layout: 'nhwc' })
    expect([...mixed]).toEqual([...image.data])
    for (let i = 0; i < 4; i++) for (let c = 0; c < 3; c++) expect(planes[c * 4 + i]).toBe(mixed[i * 3 + c])
  })

  it('repeats grey for colour models and drops alpha', () => {
    const config = { do_rescale: false }
    const input = { ...ANY, height: 1, width: 1 }
    const one = (...data: number[]) => [
      ...tensor({ data: Uint8Array.from(data), height: 1, width: 1, channels: data.length }, config, input)
    ]
    expect(one(7)).toEqual([7, 7, 7])
    expect(one(7, 0)).toEqual([7, 7, 7])
    expect(one(1, 2, 3, 0)).toEqual([1, 2, 3])
  })

  it.each([
    [{ do_resize: true, size: { longest_edge: 4 } }, /"size"/],
    [{ size: { shortest_edge: 32, longest_edge: 64 } }, /longest_edge/],
    [{ size: { shortest_edge: 32 } }, /without "do_center_crop"/],
    [{ size: { height: 0, width: 3 } }, /"size.height".*0/],
    [{ size: 1e9 }, /"size"/],
    [{ size: 33 }, /height 33.*height 32/],
    [{ do_center_crop: true, crop_size: 'big' }, /"crop_size".*big/],
    [{ resample: 9 }, /"resample".*9/],
    [{ do_rescale: 'yes' }, /"do_rescale".*yes/],
    [{ rescale_factor: -1 }, /"rescale_factor"/],
    [{ do_normalize: true }, /"image_mean"/],
    [{ image_mean: [0, 0], image_std: [1, 1, 1] }, /"image_mean"/],
    [{ image_mean: [0, 0, 0], image_std: [1, 0, 1] }, /"image_std"/],
    [{ do_pad: true }, /"do_pad"/],
    [[], /JSON object/],
    [null, /JSON object/]
  ])('refuses %j naming the key', (config, message) => {
    expect(() => parsePreprocessor(config, FIXED)).toThrow(InvalidPriorError)
    expect(() => parsePreprocessor(config, FIXED)).toThrow(message)
  })

  it('refuses an image of another size where nothing resizes, and a sliver that would become a wall', () => {
    expect(() => tensor(pattern(33, 32), { do_resize: false }, FIXED)).toThrow(InvalidImageError)
    const clip = { size: { shortest_edge: 224 }, crop_size: 224 }
    expect(() => tensor(pattern(1, 4000, 1), clip)).toThrow(/too narrow/)
  })
})
