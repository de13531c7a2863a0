/**
 * The image processors of Hugging Face transformers that make one tensor of fixed size of one image: what each does beyond the common
 * steps (`rule`), and the values that its class takes for keys that a file leaves out. Read from transformers 5.24, whose classes
 * agree with those of 4.x where both exist.
 *
 * Processors that are not here cut an image into tiles or patches, pad it, or make images of varying size.
 */

/** How the size in the file becomes the size of the resized image; statistics of `efficientnet`. See `transformers-preprocess.ts`. */
export type ProcessorRule = 'plain' | 'convnext' | 'levit' | 'poolformer' | 'efficientnet' | 'mobilevit'

export interface ImageProcessor {
  readonly rule: ProcessorRule
  /** For keys that are absent, under their names in `preprocessor_config.json`. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** Statistics of ImageNet (RGB), with which most published backbones were trained. */
export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const
export const CLIP_MEAN = [0.481_454_66, 0.457_827_5, 0.408_210_73] as const
export const CLIP_STD = [0.268_629_54, 0.261_302_58, 0.275_777_11] as const
const HALF = [0.5, 0.5, 0.5] as const

const IMAGENET = { image_mean: IMAGENET_MEAN, image_std: IMAGENET_STD }
const CLIP = { image_mean: CLIP_MEAN, image_std: CLIP_STD }
const INCEPTION = { image_mean: HALF, image_std: HALF }
const BILINEAR = 2
const BICUBIC = 3

const square = (side: number) => ({ height: side, width: side })
const squeeze = (side: number) => ({ size: square(side), default_to_square: true })
const edge = (side: number) => ({ size: { shortest_edge: side }, default_to_square: false })
const crop = (side: number) => ({ do_center_crop: true, crop_size: square(side) })
const COMMON = { do_resize: true, do_rescale: true, do_normalize: true, do_center_crop: false }

const processor = (rule: ProcessorRule, ...parts: object[]): ImageProcessor => ({
  rule,
  defaults: Object.assign({}, COMMON, ...parts) as Record<string, unknown>
})
const CLIP_LIKE = processor('plain', edge(224), crop(224), CLIP, { resample: BICUBIC })

const PROCESSORS: ReadonlyMap<string, ImageProcessor> = new Map(
  Object.entries({
    Beit: processor('plain', squeeze(224), INCEPTION, { resample: BICUBIC, crop_size: square(224) }),
    Bit: CLIP_LIKE,
    Blip: processor('plain', squeeze(384), CLIP, { resample: BICUBIC }),
    CLIP: CLIP_LIKE,
    Chameleon: processor('plain', edge(512), crop(512), {
      image_mean: [1, 1, 1],
      image_std: [1, 1, 1],
      resample: 1,
      rescale_factor: 0.0078
    }),
    ChineseCLIP: CLIP_LIKE,
    ConvNext: processor('convnext', edge(384), INCEPTION, { resample: BICUBIC, crop_pct: 224 / 256 }),
    DINOv3ViT: processor('plain', squeeze(224), IMAGENET, { resample: BILINEAR }),
    DPT: processor('plain', squeeze(384), INCEPTION, { resample: BICUBIC }),
    DeiT: processor('plain', squeeze(256), crop(224), INCEPTION, { resample: BICUBIC }),
    EfficientFormer: processor('plain', edge(224), crop(224), IMAGENET, { resample: BICUBIC }),
    EfficientNet: processor('efficientnet', squeeze(346), INCEPTION, {
      resample: BICUBIC,
      crop_size: square(289),
      include_top: true
    }),
    Flava: processor('plain', squeeze(224), crop(224), CLIP, { resample: BICUBIC }),
    Levit: processor('levit', edge(224), crop(224), IMAGENET, { resample: BICUBIC }),
    MobileNetV1: processor('plain', edge(256), crop(224), INCEPTION, { resample: BILINEAR }),
    MobileNetV2: processor('plain', edge(256), crop(224), INCEPTION, { resample: BILINEAR }),
    MobileViT: processor('mobilevit', edge(224), crop(256), {
      resample: BICUBIC,
      do_normalize: false,
      do_flip_channel_order: true
    }),
    OwlViT: processor('plain', squeeze(768), CLIP, { resample: BICUBIC, crop_size: square(768) }),
    PoolFormer: processor('poolformer', edge(224), crop(224), IMAGENET, { resample: BICUBIC, crop_pct: 0.9 }),
    Pvt: processor('plain', squeeze(224), IMAGENET, { resample: BICUBIC }),
    Segformer: processor('plain', squeeze(512), IMAGENET, { resample: BILINEAR }),
    Siglip: processor('plain', { size: square(224), default_to_square: false }, INCEPTION, { resample: BICUBIC }),
    ViT: processor('plain', squeeze(224), INCEPTION, { resample: BILINEAR }),
    ViTHybrid: CLIP_LIKE
  })
)

/** By the name of its class in any of its forms (`ViTImageProcessor`, `…Fast`, `…Pil`, `ViTFeatureExtractor`), else undefined. */
export function imageProcessor(name: string): ImageProcessor | undefined {
  const family = /^(.+?)(?:ImageProcessor(?:Fast|Pil)?|FeatureExtractor)$/.exec(name)?.[1]
  return family === undefined ? undefined : PROCESSORS.get(family)
}

/** Names of the classes, for messages and the table in the documentation. */
export const imageProcessorNames = (): string[] => [...PROCESSORS.keys()].map(family => `${family}ImageProcessor`)
