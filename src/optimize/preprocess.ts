/**
 * Hugging Face `preprocessor_config.json` -> what is done to a decoded image before the model sees it: resize, crop, rescale, normalise.
 *
 * The order and the arithmetic are those of the library's image processors on Pillow images. A key that would change the pixels and
 * is not supported is an error that names it, never ignored.
 */
import { InvalidPriorError } from '../errors.ts'
import type { ImageInput } from './onnx-facts.ts'

/** Pillow's filters by their number in the `resample` key. */
const FILTERS = { 0: 'nearest', 1: 'lanczos', 2: 'bilinear', 3: 'bicubic', 4: 'box', 5: 'hamming' } as const
export type Filter = (typeof FILTERS)[keyof typeof FILTERS]

export interface Size {
  readonly height: number
  readonly width: number
}

export interface Preprocessing {
  /** True when there was no configuration and ImageNet's usual one was taken. */
  readonly assumed: boolean
  /** `shortestEdge` keeps the aspect ratio. Absent: images must have the final size already. */
  readonly resize?: Size | { readonly shortestEdge: number }
  readonly filter: Filter
  /** Taken from the centre; where the image is smaller it is padded with zeros. */
  readonly crop?: Size
  /** Multiplies the pixel value. */
  readonly rescale: number
  /** Per channel of the model's input; subtracted after rescaling. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** What the model is given. */
  readonly height: number
  readonly width: number
}

/** Statistics of ImageNet (RGB), with which most published backbones were trained. */
export const IMAGENET_MEAN = [0.485, 0.456, 0.406]
export const IMAGENET_STD = [0.229, 0.224, 0.225]
/** Size assumed for a model that takes any. */
export const DEFAULT_SIZE = 224
const MAX_SIDE = 4096
/** Pillow's BILINEAR. */
const DEFAULT_RESAMPLE = 2

/**
 * `config` is the parsed JSON of `preprocessor_config.json`, or undefined: then the image is resized to the model's size (224 where it
 * takes any), divided by 255 and normalised by ImageNet's statistics. Throws `InvalidPriorError` naming the key.
 */
export function parsePreprocessor(config: unknown, input: ImageInput): Preprocessing {
  return config === undefined ? assumedFor(input) : new Parser(config, input).parse()
}

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

class Parser {
  readonly #config: Record<string, unknown>
  readonly #input: ImageInput

  constructor(config: unknown, input: ImageInput) {
    if (typeof config !== 'object' || config === null || Array.isArray(config)) throw invalid('it is not a JSON object')
    this.#config = config as Record<string, unknown>
    this.#input = input
  }

  parse(): Preprocessing {
    for (const key of [
      'do_pad',
      'rescale_offset',
      'do_flip_channel_order',
      'do_thumbnail',
      'do_align_long_axis',
      'do_color_quantize'
    ]) {
      if (this.#config[key] === true) throw invalid(`"${key}" is not supported`)
    }
    let crop = this.#flag('do_center_crop', 'crop_size' in this.#config) ? this.#size('crop_size') : undefined
    let resize = this.#flag('do_resize', 'size' in this.#config) ? this.#resize(crop !== undefined) : undefined
    if (resize !== undefined && 'shortestEdge' in resize && this.#config['crop_pct'] != null) {
      // ConvNeXT: below 384 the edge is enlarged by 1/crop_pct and the centre taken, from 384 on the image is squeezed
      const edge = resize.shortestEdge
      const side = { height: edge, width: edge }
      if (edge < 384) crop = side
      resize = edge < 384 ? { shortestEdge: Math.trunc(edge / this.#number('crop_pct', 1)) } : side
    }
    const size = crop ?? this.#fixedSize(resize)
    for (const side of ['height', 'width'] as const) {
      const wanted = this.#input[side]
      if (wanted !== undefined && wanted !== size[side]) {
        throw invalid(
          `it makes images of ${side} ${size[side]}, but input "${this.#input.name}" has ${side} ${wanted}: set "crop_size" or "size"`
        )
      }
    }
    return {
      assumed: false,
      ...(resize === undefined ? {} : { resize }),
      filter: this.#filter(),
      ...(crop === undefined ? {} : { crop }),
      ...this.#statistics(),
      ...size
    }
  }

  #fixedSize(resize: Preprocessing['resize']): Size {
    if (resize === undefined) {
      const { height, width } = this.#input
      if (height === undefined || width === undefined)
        throw invalid('neither "size" nor "crop_size" says how large the images are to be')
      return { height, width }
    }
    if ('shortestEdge' in resize)
      throw invalid('"size.shortest_edge" without "do_center_crop" gives images of different sizes; set "crop_size"')
    return resize
  }

  #resize(cropped: boolean): Size | { shortestEdge: number } {
    const size = this.#config['size']
    if (typeof size === 'object' && size !== null && 'shortest_edge' in size) {
      if ('longest_edge' in size && size.longest_edge != null) throw invalid('"size.longest_edge" is not supported')
      return { shortestEdge: side('size.shortest_edge', size.shortest_edge) }
    }
    // older files: one number is the shortest edge where a crop follows (CLIP, ResNet), both sides where none does (ViT)
    if (typeof size === 'number' && cropped) return { shortestEdge: side('size', size) }
    return this.#size('size')
  }

  #size(key: string): Size {
    const value = this.#config[key]
    if (typeof value === 'number') return { height: side(key, value), width: side(key, value) }
    if (Array.isArray(value) && value.length === 2)
      return { height: side(`${key}[0]`, value[0]), width: side(`${key}[1]`, value[1]) }
    if (typeof value === 'object' && value !== null && 'height' in value && 'width' in value) {
      return { height: side(`${key}.height`, value.height), width: side(`${key}.width`, value.width) }
    }
    throw invalid(
      `"${key}" must be a number or {"height", "width"}${key === 'size' ? ' or {"shortest_edge"}' : ''}, got ${show(value)}`
    )
  }

  #filter(): Filter {
    const value = this.#config['resample'] ?? DEFAULT_RESAMPLE
    const filter = typeof value === 'number' ? (FILTERS as Record<number, Filter>)[value] : undefined
    if (filter === undefined) throw invalid(`"resample" must be one of 0 to 5 (Pillow's filters), got ${show(value)}`)
    return filter
  }

  #statistics(): { rescale: number; mean: readonly number[]; std: readonly number[] } {
    const normalise = this.#flag('do_normalize', 'image_mean' in this.#config)
    const plain = this.#input.elementType === 'uint8'
    const rescale = this.#flag('do_rescale', !plain)
    if (plain && (normalise || rescale)) {
      throw invalid(`input "${this.#input.name}" takes bytes: set "do_rescale" and "do_normalize" to false`)
    }
    const n = this.#input.channels
    return {
      rescale: rescale ? this.#number('rescale_factor', 1 / 255) : 1,
      mean: normalise ? this.#channels('image_mean', n) : Array<number>(n).fill(0),
      std: normalise ? this.#channels('image_std', n) : Array<number>(n).fill(1)
    }
  }

  #channels(key: string, n: number): number[] {
    const value = this.#config[key]
    const list = typeof value === 'number' ? Array<number>(n).fill(value) : value
    if (
      !Array.isArray(list) ||
      list.length !== n ||
      !list.every(v => Number.isFinite(v) && Math.abs(v as number) <= 1e6)
    ) {
      throw invalid(`"${key}" must be ${n} finite numbers, got ${show(value)}`)
    }
    if (key === 'image_std' && !list.every(v => (v as number) > 1e-9))
      throw invalid(`"${key}" must be positive, got ${show(value)}`)
    return list as number[]
  }

  #number(key: string, otherwise: number): number {
    const value = this.#config[key] ?? otherwise
    if (typeof value !== 'number' || !(value > 1e-9 && value <= 1e6))
      throw invalid(`"${key}" must be a positive number, got ${show(value)}`)
    return value
  }

  #flag(key: string, otherwise: boolean): boolean {
    const value = this.#config[key] ?? otherwise
    if (typeof value !== 'boolean') throw invalid(`"${key}" must be true or false, got ${show(value)}`)
    return value
  }
}

function side(key: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_SIDE) {
    throw invalid(`"${key}" must be a whole number of pixels up to ${MAX_SIDE}, got ${show(value)}`)
  }
  return value as number
}

const show = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 80))
const invalid = (why: string): InvalidPriorError => new InvalidPriorError(`preprocessor_config.json: ${why}`)
