/**
 * The file that came with a model -> what is done to an image: `preprocessor_config.json` or `processor_config.json` of transformers
 * (transformers-preprocess.ts), `config.json` of timm or `open_clip_config.json` (timm-preprocess.ts). The shape of the file says
 * which it is, not its name.
 *
 * The order and the arithmetic are those of these libraries on Pillow images. A setting that would change the pixels and is not
 * supported is an error that names it, never ignored; what is guessed is in `notes`.
 */
import { isRecord } from './config-values.ts'
import { IMAGENET_MEAN, IMAGENET_STD } from './image-processors.ts'
import type { ImageInput } from './onnx-facts.ts'
import { DEFAULT_SIZE, type Preprocessing } from './preprocessing.ts'
import { openClipPreprocessing, timmPreprocessing } from './timm-preprocess.ts'
import { transformersPreprocessing } from './transformers-preprocess.ts'

/**
 * `config` is the parsed JSON of `file`, or undefined: then the image is resized to the model's size (224 where it takes any), divided
 * by 255 and normalised by ImageNet's statistics. Throws `InvalidPriorError` naming file and key.
 */
export function parsePreprocessor(
  config: unknown,
  input: ImageInput,
  file = 'preprocessor_config.json'
): Preprocessing {
  if (config === undefined) return assumedFor(input)
  const kind = configKind(config)
  if (kind === 'timm') return timmPreprocessing(config, input, file)
  if (kind === 'open_clip') return openClipPreprocessing(config, input, file)
  return transformersPreprocessing(
    isRecord(config) && isRecord(config['image_processor']) ? config['image_processor'] : config,
    input,
    file
  )
}

/**
 * Whose settings these are. Undefined: none about images, as in the `config.json` of transformers, which describes the network alone, or a
 * `processor_config.json` that describes text alone.
 */
export function configKind(config: unknown): 'transformers' | 'timm' | 'open_clip' | undefined {
  if (!isRecord(config)) return undefined
  if (isRecord(config['image_processor'])) return 'transformers'
  if (isRecord(config['pretrained_cfg'])) return 'timm'
  if (isRecord(config['preprocess_cfg'])) return 'open_clip'
  // timm before 0.9 had the settings at the top
  if (typeof config['architecture'] === 'string' && Array.isArray(config['input_size'])) return 'timm'
  return TRANSFORMERS_KEYS.some(key => key in config) ? 'transformers' : undefined
}

/** Any of these makes a file one about images. */
const TRANSFORMERS_KEYS = [
  'image_processor_type',
  'feature_extractor_type',
  'do_resize',
  'do_rescale',
  'do_normalize',
  'do_center_crop',
  'image_mean',
  'crop_size',
  'size'
]

function assumedFor(input: ImageInput): Preprocessing {
  const size = { height: input.height ?? DEFAULT_SIZE, width: input.width ?? DEFAULT_SIZE }
  const gray = (three: readonly number[]) => (input.channels === 1 ? [three.reduce((s, v) => s + v, 0) / 3] : three)
  const plain = input.elementType === 'uint8' // the model itself rescales and normalises
  const channels = plain
    ? { rescale: 1, mean: Array<number>(input.channels).fill(0), std: Array<number>(input.channels).fill(1) }
    : undefined
  return {
    assumed: true,
    resize: size,
    filter: 'bilinear',
    rescale: 1 / 255,
    mean: gray(IMAGENET_MEAN),
    std: gray(IMAGENET_STD),
    ...channels,
    ...size
  }
}
