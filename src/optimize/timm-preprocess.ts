/**
 * timm's `pretrained_cfg` (timm/data/config.py and transforms_factory.py, the transform for evaluation) and open_clip's `preprocess_cfg`
 * (open_clip/transform.py) -> what is done to an image. Both build on torchvision, whose centre crop halves an odd rest to even.
 */
import { checkSize, ConfigValues, isRecord, show } from './config-values.ts'
import { CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD } from './image-processors.ts'
import type { ImageInput } from './onnx-facts.ts'
import {
  DEFAULT_SIZE,
  FILTERS,
  halfEven,
  type Filter,
  type Preprocessing,
  type ResizeTo,
  type Size
} from './preprocessing.ts'

/** timm/data/constants.py */
const DEFAULT_CROP_PCT = 0.875

/** `config`: the whole file, or `pretrained_cfg` itself. Throws `InvalidPriorError` naming the key. */
export function timmPreprocessing(config: unknown, input: ImageInput, file: string): Preprocessing {
  const inner = isRecord(config) && isRecord(config['pretrained_cfg']) ? config['pretrained_cfg'] : config
  const values = new ConfigValues(inner, file, { mean: IMAGENET_MEAN, std: IMAGENET_STD, interpolation: 'bicubic' })
  const usual = inputSize(values, 'input_size') ?? { height: DEFAULT_SIZE, width: DEFAULT_SIZE }
  const test = inputSize(values, 'test_input_size')
  // the size that the model was exported with says which of the two it is
  const fits = (size: Size) => size.height === input.height && size.width === input.width
  const atTest = test !== undefined && !fits(usual) && fits(test)
  const size = atTest ? test : usual
  checkSize(size, input, values, 'set "input_size" to the size with which the model was exported')
  const pct =
    atTest && values.has('test_crop_pct')
      ? values.number('test_crop_pct', DEFAULT_CROP_PCT)
      : values.number('crop_pct', DEFAULT_CROP_PCT)
  const scaled = { height: Math.floor(size.height / pct), width: Math.floor(size.width / pct) }
  const mode = values.text('crop_mode') ?? 'center'
  const mean = values.channels('mean', input.channels)
  let resize: ResizeTo
  if (mode === 'squash') resize = scaled
  else if (mode === 'border') resize = { inside: scaled }
  else if (mode === 'center')
    resize = scaled.height === scaled.width ? { shortestEdge: scaled.height } : { cover: scaled }
  else throw values.invalid(`"crop_mode" must be "center", "squash" or "border", got ${show(mode)}`)
  return {
    ...torchvision(values, input),
    resize,
    filter: filter(values),
    crop: size,
    cropRounding: 'half-even',
    ...(mode === 'border' ? { fill: mean.map(m => halfEven(255 * m)) } : {}),
    mean,
    std: values.positive('std', input.channels),
    ...size
  }
}

/** Throws `InvalidPriorError` naming the key. */
export function openClipPreprocessing(config: unknown, input: ImageInput, file: string): Preprocessing {
  const { preprocess_cfg, model_cfg } = config as Record<string, unknown> // configKind looked
  const vision = isRecord(model_cfg) && isRecord(model_cfg['vision_cfg']) ? model_cfg['vision_cfg'] : {}
  const values = new ConfigValues(preprocess_cfg, file, {
    mean: CLIP_MEAN,
    std: CLIP_STD,
    interpolation: 'bicubic',
    resize_mode: 'shortest',
    size: vision['image_size'] ?? DEFAULT_SIZE,
    fill_color: 0
  })
  const size = values.size('size')
  checkSize(size, input, values, 'set "image_size" to the size with which the model was exported')
  const colours = values.text('mode') ?? 'RGB'
  if (colours !== 'RGB') throw values.invalid(`"mode" must be "RGB", got ${show(colours)}`)
  const mode = values.text('resize_mode')
  const steps = {
    ...torchvision(values, input),
    filter: filter(values),
    mean: values.channels('mean', input.channels),
    std: values.positive('std', input.channels),
    ...size
  }
  if (mode === 'squash') return { ...steps, resize: size }
  const crop = { crop: size, cropRounding: 'half-even' } as const
  if (mode === 'longest')
    return { ...steps, ...crop, resize: { inside: size }, fill: values.channels('fill_color', input.channels) }
  if (mode !== 'shortest')
    throw values.invalid(`"resize_mode" must be "shortest", "longest" or "squash", got ${show(mode)}`)
  if (size.height === size.width) return { ...steps, ...crop, resize: { shortestEdge: size.height } }
  return { ...steps, ...crop, resize: { cover: size }, filter: 'bicubic' } // here open_clip does not look at "interpolation"
}

// --- internal ---

/** torchvision's ToTensor divides by 255. */
function torchvision(values: ConfigValues, input: ImageInput): Pick<Preprocessing, 'assumed' | 'rescale'> {
  if (input.elementType === 'uint8')
    throw values.invalid(
      `input "${input.name}" takes bytes, these settings make floating-point numbers: give a preprocessor_config.json with "do_rescale" and "do_normalize" false`
    )
  return { assumed: false, rescale: 1 / 255 }
}

/** [channels, height, width] */
function inputSize(values: ConfigValues, key: string): Size | undefined {
  const value = values.get(key)
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.length !== 3)
    throw values.invalid(`"${key}" must be [channels, height, width], got ${show(value)}`)
  return { height: values.side(`${key}[1]`, value[1]), width: values.side(`${key}[2]`, value[2]) }
}

function filter(values: ConfigValues): Filter {
  const name = values.text('interpolation')
  const found = Object.values(FILTERS).find(f => f === name)
  if (found === undefined)
    throw values.invalid(`"interpolation" must be one of ${Object.values(FILTERS).join(', ')}, got ${show(name)}`)
  return found
}
