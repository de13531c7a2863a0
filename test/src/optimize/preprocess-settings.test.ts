import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidPriorError } from '../../../src/errors.ts'
import { imageProcessorNames } from '../../../src/optimize/image-processors.ts'
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import { createTensorWriter, fit } from '../../../src/optimize/pixels.ts'
import { configKind, parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import { preprocessorConfig } from '../../../src/optimize/preprocess-config.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'
import { resize, resizeRegion, type Pixels } from '../../../src/optimize/resize.ts'
import { pattern } from '../../helpers/pattern.ts'

const ANY: ImageInput = {
  name: 'pixel_values',
  layout: 'nchw',
  channels: 3,
  elementType: 'float32',
  batch: undefined,
  height: undefined,
  width: undefined
}
const square = (side: number) => ({ height: side, width: side })
const parse = (config: object, input: ImageInput = ANY) => parsePreprocessor(config, input)

describe('settings of transformers', () => {
  it.each([
    // [settings, what becomes of the size]
    [{ image_processor_type: 'ConvNextFeatureExtractor', size: 32, crop_pct: 0.875 }, { shortestEdge: 36 }, 32],
    [{ image_processor_type: 'ConvNextImageProcessor', size: { shortest_edge: 224 } }, { shortestEdge: 256 }, 224],
    [{ image_processor_type: 'ConvNextImageProcessor' }, square(384), undefined],
    [{ feature_extractor_type: 'LevitFeatureExtractor', size: 192, crop_size: 192 }, { shortestEdge: 219 }, 192],
    [{ image_processor_type: 'LevitImageProcessor' }, { shortestEdge: 256 }, 224],
    [{ image_processor_type: 'PoolFormerImageProcessor', crop_pct: 0.95 }, { shortestEdge: 235 }, 224],
    [{ image_processor_type: 'PoolFormerImageProcessor', size: square(224) }, { shortestEdge: 248 }, 224],
    [{ image_processor_type: 'CLIPImageProcessor' }, { shortestEdge: 224 }, 224],
    [{ image_processor_type: 'CLIPImageProcessorFast', size: 336, crop_size: 336 }, { shortestEdge: 336 }, 336],
    [{ image_processor_type: 'CLIPImageProcessor', use_square_size: true }, square(224), 224],
    [{ image_processor_type: 'ViTFeatureExtractor', size: 96 }, square(96), undefined],
    [{ image_processor_type: 'SiglipImageProcessorPil', size: square(96) }, square(96), undefined],
    [{ image_processor_type: 'DeiTImageProcessor' }, square(256), 224],
    [{ image_processor_type: 'BitImageProcessor', do_center_crop: false, size: [96, 96] }, square(96), undefined]
  ] as const)('%j', (config, to, crop) => {
    const { resize: found, crop: cropped } = parse(config)
    expect(found).toEqual(to)
    expect(cropped).toEqual(crop === undefined ? undefined : square(crop))
  })

  it('of a class that is named need no more than its name, whatever is null', () => {
    for (const image_processor_type of imageProcessorNames())
      expect(parse({ image_processor_type, crop_size: null, do_pad: null, size: null }).notes).toBeUndefined()
    expect(parse({ image_processor_type: 'ViTImageProcessor' })).toEqual({
      assumed: false,
      resize: square(224),
      filter: 'bilinear',
      rescale: 1 / 255,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
      ...square(224)
    })
  })

  it('of no class are guessed where they are silent, and that is noted', () => {
    expect(parse({ size: 32 }).notes).toEqual([
      expect.stringMatching(/"resample".*bilinear/),
      expect.stringMatching(/"do_rescale".*divided by 255/)
    ])
    expect(parse({ size: 32, resample: 3, do_rescale: true }).notes).toBeUndefined()
  })

  it("of EfficientNet shift and normalise a second time, MobileViT's swap red and blue", () => {
    const shifted = parse({
      image_processor_type: 'EfficientNetImageProcessor',
      rescale_factor: 1 / 127.5,
      rescale_offset: true,
      do_normalize: false,
      include_top: false
    })
    expect(shifted).toMatchObject({ rescale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1] })
    const twice = parse({ image_processor_type: 'EfficientNetImageProcessor', image_std: [0.5, 0.25, 0.1] })
    expect(twice.std).toEqual([0.25, 0.0625, 0.1 * 0.1])
    const input = { ...ANY, ...square(1) }
    const writer = createTensorWriter(
      parse({ do_flip_channel_order: true, do_rescale: false, image_mean: [1, 2, 3], image_std: 1 }, input),
      input
    )
    const out = new Float32Array(3)
    writer.write({ data: Uint8Array.of(10, 20, 30), channels: 3, ...square(1) }, out, 0)
    expect([...out]).toEqual([29, 18, 7])
  })

  it('take statistics of three equal channels for a model of one', () => {
    const input: ImageInput = { ...ANY, channels: 1 }
    expect(parse({ size: 8, image_mean: [0.5, 0.5, 0.5], image_std: [0.2, 0.2, 0.2] }, input)).toMatchObject({
      mean: [0.5],
      std: [0.2]
    })
    expect(() => parse({ size: 8, image_mean: [0.5, 0.4, 0.5], image_std: 1 }, input)).toThrow(/"image_mean"/)
  })

  it.each([
    [{ image_processor_type: 'Qwen2VLImageProcessor' }, /"Qwen2VLImageProcessor" is not known.*ViTImageProcessor/],
    [{ size: 32, do_grayscale: true }, /"do_grayscale" \(true\)/],
    [{ size: 32, do_convert_grayscale: true }, /"do_convert_grayscale"/],
    [{ size: 32, keep_aspect_ratio: true }, /"keep_aspect_ratio"/],
    [{ size: 32, size_divisor: 16 }, /"size_divisor" \(16\)/],
    [{ size: 32, do_thumbnail: true }, /"do_thumbnail"/],
    [{ size: 32, some_new_step: 3 }, /"some_new_step" \(3\) is not supported: take it out/],
    [{ image_processor_type: 'DPTImageProcessor', ensure_multiple_of: 30 }, /"ensure_multiple_of" is 30/],
    [{ image_processor_type: 'ConvNextImageProcessor', size: square(224) }, /"size" of this image processor/],
    [{ image_processor_type: 'CLIPImageProcessor', do_center_crop: false }, /different sizes/],
    [{ size: 32, num_channels: 1 }, /"num_channels" is 1/],
    [{ size: 32, size_mode: 'stretch' }, /"size_mode"/],
    [{ size: 32, crop_rounding: 'up' }, /"crop_rounding"/]
  ])('refuses %j by name', (config, why) => {
    expect(() => parse(config)).toThrow(InvalidPriorError)
    expect(() => parse(config)).toThrow(why)
  })

  it('takes steps that are switched off, whatever they are called', () => {
    expect(
      parse({ size: 32, do_grayscale: false, do_pad: false, keep_aspect_ratio: false, new_step: null })
    ).toBeDefined()
  })
})

describe('settings of timm', () => {
  const cfg = (pretrained_cfg: object) => ({ architecture: 'resnet18', pretrained_cfg })

  it('crop the centre of an image that is larger by 1 / crop_pct', () => {
    const given = { input_size: [3, 32, 32], crop_pct: 0.9, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
    expect(parse(cfg(given))).toMatchObject({
      resize: { shortestEdge: 35 },
      crop: square(32),
      cropRounding: 'half-even',
      filter: 'bicubic',
      mean: [0.5, 0.5, 0.5]
    })
    expect(parse(cfg({}))).toMatchObject({
      resize: { shortestEdge: 256 },
      crop: square(224),
      mean: [0.485, 0.456, 0.406]
    })
    expect(parse({ architecture: 'vit', num_classes: 3, ...given }), 'as older versions wrote it').toMatchObject({
      resize: { shortestEdge: 35 }
    })
  })

  it('squeeze, fit in or cover', () => {
    const size = { input_size: [3, 20, 40], crop_pct: 0.5 }
    expect(parse(cfg({ ...size, crop_mode: 'squash' })).resize).toEqual({ height: 40, width: 80 })
    expect(parse(cfg(size)).resize).toEqual({ cover: { height: 40, width: 80 } })
    expect(parse(cfg({ ...size, crop_mode: 'border', mean: [0.5, 0, 1] }))).toMatchObject({
      resize: { inside: { height: 40, width: 80 } },
      fill: [128, 0, 255]
    })
  })

  it('are those for testing where the model has that size', () => {
    const both = { input_size: [3, 224, 224], test_input_size: [3, 288, 288], crop_pct: 0.875, test_crop_pct: 1 }
    expect(parse(cfg(both), { ...ANY, ...square(288) })).toMatchObject({
      resize: { shortestEdge: 288 },
      crop: square(288)
    })
    expect(parse(cfg(both), { ...ANY, ...square(224) })).toMatchObject({ resize: { shortestEdge: 256 } })
    expect(() => parse(cfg(both), { ...ANY, ...square(256) })).toThrow(/height 224.*height 256.*"input_size"/)
  })

  it.each([
    [{ interpolation: 'random' }, /"interpolation" must be one of.*"random"/],
    [{ crop_mode: 'left' }, /"crop_mode"/],
    [{ input_size: 224 }, /"input_size"/],
    [{ mean: [0] }, /"mean"/],
    [{ std: [0, 1, 1] }, /"std"/]
  ])('refuses %j by name', (config, why) => {
    expect(() => parse(cfg(config))).toThrow(why)
  })

  it('cannot be those of a model that takes bytes', () => {
    expect(() => parse(cfg({}), { ...ANY, elementType: 'uint8' })).toThrow(/takes bytes/)
  })
})

describe('settings of open_clip', () => {
  const cfg = (preprocess_cfg: object, image_size: unknown = 224) => ({
    model_cfg: { vision_cfg: { image_size } },
    preprocess_cfg
  })

  it('shorten, squeeze or fit in', () => {
    expect(parse(cfg({}))).toMatchObject({ resize: { shortestEdge: 224 }, crop: square(224), filter: 'bicubic' })
    expect(parse(cfg({ resize_mode: 'squash' }, 256))).toMatchObject({ resize: square(256), ...square(256) })
    expect(parse(cfg({ resize_mode: 'longest', fill_color: 9 }))).toMatchObject({
      resize: { inside: square(224) },
      fill: [9, 9, 9]
    })
    expect(parse(cfg({ interpolation: 'bilinear' }, [160, 256]))).toMatchObject({
      resize: { cover: { height: 160, width: 256 } },
      filter: 'bicubic'
    })
  })

  it.each([
    [{ mode: 'L' }, /"mode"/],
    [{ resize_mode: 'longer' }, /"resize_mode"/],
    [{ interpolation: 3 }, /"interpolation"/]
  ])('refuses %j by name', (config, why) => {
    expect(() => parse(cfg(config))).toThrow(why)
  })
})

it('tells whose settings a file has by its shape', () => {
  expect(configKind({ model_type: 'vit', image_size: 224 })).toBeUndefined()
  expect(configKind({ processor_class: 'CLIPProcessor' })).toBeUndefined()
  expect(configKind({ image_processor: { size: 3 } })).toBe('transformers')
  expect(configKind([])).toBeUndefined()
})

describe('settings written down', () => {
  it.each([
    ...imageProcessorNames().map(image_processor_type => ({ image_processor_type })),
    { pretrained_cfg: { crop_mode: 'border' } },
    { pretrained_cfg: { crop_mode: 'squash' } },
    { pretrained_cfg: { input_size: [3, 20, 40] } },
    { preprocess_cfg: { resize_mode: 'longest', fill_color: 255 } },
    { preprocess_cfg: { resize_mode: 'squash' } }
  ])('mean the same when they are read again: %j', config => {
    const steps = parse(config)
    expect(parse(preprocessorConfig(steps))).toEqual(steps)
  })
})

describe('only what the crop keeps', () => {
  const side = fc.integer({ min: 1, max: 40 })
  const filter = fc.constantFrom('nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming') as fc.Arbitrary<
    Preprocessing['filter']
  >

  it('is computed, and is the same as of the whole image', () => {
    const region = fc.record({ top: fc.nat(39), left: fc.nat(39), height: side, width: side })
    fc.assert(
      fc.property(
        side,
        side,
        side,
        side,
        filter,
        region,
        fc.constantFrom(1, 3),
        (h, w, height, width, f, r, channels) => {
          const inside = {
            top: r.top % height,
            left: r.left % width,
            height: Math.min(r.height, height - (r.top % height)),
            width: Math.min(r.width, width - (r.left % width))
          }
          const image = pattern(h, w, channels)
          expect(resizeRegion(image, { height, width }, f, inside)).toEqual(
            cut(resize(image, height, width, f), inside)
          )
        }
      ),
      { numRuns: 400 }
    )
  })

  it('lies in the middle, an odd rest rounded as the library of the settings does', () => {
    const line = (width: number): Pixels => ({
      data: Uint8Array.from({ length: width }, (_, i) => i + 1),
      height: 1,
      width,
      channels: 1
    })
    const plain = { assumed: false, filter: 'bilinear', rescale: 1, mean: [0], std: [1] } as const
    const crop = (from: number, to: number, more: Partial<Preprocessing> = {}) => {
      const size = { height: 1, width: to }
      return [...fit(line(from), { ...plain, ...size, crop: size, ...more }).data]
    }
    expect(crop(5, 2)).toEqual([2, 3])
    expect(crop(5, 2, { cropRounding: 'half-even' })).toEqual([3, 4]) // 1.5 -> 2
    expect(crop(3, 2, { cropRounding: 'half-even' })).toEqual([1, 2]) // 0.5 -> 0
    expect(crop(2, 5)).toEqual([0, 0, 1, 2, 0])
    expect(crop(2, 5, { cropRounding: 'half-even', fill: [9] })).toEqual([9, 1, 2, 9, 9])
  })
})

function cut(
  image: Pixels,
  { top, left, height, width }: { top: number; left: number; height: number; width: number }
): Pixels {
  const { channels } = image
  const data = new Uint8Array(height * width * channels)
  for (let y = 0; y < height; y++) {
    const at = ((y + top) * image.width + left) * channels
    data.set(image.data.subarray(at, at + width * channels), y * width * channels)
  }
  return { data, height, width, channels }
}
