/** Settings of an image processor of transformers -> what is done to an image. */
import { checkSize, ConfigValues, isRecord, show } from './config-values.ts'
import { imageProcessor, imageProcessorNames, type ProcessorRule } from './image-processors.ts'
import type { ImageInput } from './onnx-facts.ts'
import { FILTERS, type Filter, type Preprocessing, type ResizeTo, type Size } from './preprocessing.ts'

/** Keys that this file reads. */
const READ = new Set(
  `do_resize do_center_crop do_rescale do_normalize do_flip_channel_order size crop_size crop_pct resample rescale_factor
  rescale_offset include_top image_mean image_std default_to_square image_processor_type feature_extractor_type ensure_multiple_of
  num_channels size_mode crop_rounding fill_color use_square_size`.split(/\s+/)
)
/** Keys that do not touch the pixels of one image that is decoded to RGB. */
const WITHOUT_EFFECT = new Set(
  `auto_map data_format device disable_grouping do_convert_rgb do_reduce_labels format ignore_index image_seq_length
  input_data_format model_input_names num_labels processor_class reduce_labels return_tensors transformers_version
  _valid_processor_keys _processor_class _name_or_path`.split(/\s+/)
)
/** FLAVA's settings for the tensors beside the image. */
const FLAVA = /^(codebook_|mask_group_|return_|input_size_patches$|total_mask_patches$)/
/** From this edge on ConvNeXT squeezes the image and crops nothing (ConvNextImageProcessor.resize). */
const SQUEEZED_FROM = 384
/** Pillow's BILINEAR, what transformers takes where neither file nor class says. */
const DEFAULT_RESAMPLE = 2

/** Throws `InvalidPriorError` naming the key. */
export function transformersPreprocessing(config: unknown, input: ImageInput, file: string): Preprocessing {
  const plain = new ConfigValues(config, file)
  const type = plain.text('image_processor_type') ?? plain.text('feature_extractor_type')
  const known = type === undefined ? undefined : imageProcessor(type)
  if (type !== undefined && known === undefined)
    throw plain.invalid(
      `image processor "${type}" is not known here; if it only resizes, crops, rescales and normalises, take "image_processor_type" out and write all its settings down, else export a model that takes plain images (known: ${imageProcessorNames().join(', ')})`
    )
  const values = new ConfigValues(config, file, known?.defaults)
  checkKeys(values, type)
  return new Reader(values, input, known?.rule, type === undefined).read()
}

function checkKeys(values: ConfigValues, type: string | undefined): void {
  for (const key of values.keys) {
    if (READ.has(key) || WITHOUT_EFFECT.has(key) || (type?.startsWith('Flava') === true && FLAVA.test(key))) continue
    if (values.get(key) === false) continue // a step that is left out
    throw values.invalid(
      `setting "${key}" (${show(values.get(key))}) is not supported: take it out if the model does not need it, else export a model that takes plain images`
    )
  }
}

class Reader {
  readonly #values: ConfigValues
  readonly #input: ImageInput
  readonly #rule: ProcessorRule
  /** No class is named, so absent keys have no certain meaning. */
  readonly #anonymous: boolean
  readonly #notes: string[] = []

  constructor(values: ConfigValues, input: ImageInput, rule: ProcessorRule | undefined, anonymous: boolean) {
    this.#values = values
    this.#input = input
    this.#rule = rule ?? this.#guessedRule()
    this.#anonymous = anonymous
  }

  read(): Preprocessing {
    const values = this.#values
    let crop = values.flag('do_center_crop', values.has('crop_size')) ? values.size('crop_size') : undefined
    let resize = values.flag('do_resize', values.has('size')) ? this.#resize(crop !== undefined) : undefined
    if (resize !== undefined) [resize, crop] = this.#withRule(resize, crop)
    const size = crop ?? this.#fixedSize(resize)
    checkSize(size, this.#input, values, 'set "crop_size" or "size"')
    this.#checkMultiple(size)
    const filter = this.#filter(resize !== undefined)
    const statistics = this.#statistics()
    const rounding = values.text('crop_rounding')
    if (rounding !== undefined && rounding !== 'half-even')
      throw values.invalid(`"crop_rounding" must be "half-even", got ${show(rounding)}`)
    return {
      assumed: false,
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
      ...(resize === undefined ? {} : { resize }),
      filter,
      ...(crop === undefined ? {} : { crop }),
      ...(rounding === undefined ? {} : { cropRounding: rounding }),
      ...(values.has('fill_color') ? { fill: values.channels('fill_color', this.#input.channels) } : {}),
      ...(this.#input.channels === 3 && values.flag('do_flip_channel_order', false)
        ? { channelOrder: 'bgr' as const }
        : {}),
      ...statistics,
      ...size
    }
  }

  // --- internal ---

  /** Of files that name no class, from the keys that only one rule has. */
  #guessedRule(): ProcessorRule {
    const values = this.#values
    if (values.has('crop_pct'))
      return values.flag('do_center_crop', values.has('crop_size')) ? 'poolformer' : 'convnext'
    return values.has('rescale_offset') || values.has('include_top') ? 'efficientnet' : 'plain'
  }

  #resize(cropped: boolean): ResizeTo {
    const values = this.#values
    const size = values.get('size')
    const mode = values.text('size_mode')
    if (mode !== undefined) {
      if (mode !== 'inside' && mode !== 'cover')
        throw values.invalid(`"size_mode" must be "inside" or "cover", got ${show(mode)}`)
      return mode === 'inside' ? { inside: values.size('size') } : { cover: values.size('size') }
    }
    if (isRecord(size) && size['shortest_edge'] != null) {
      if (size['longest_edge'] != null) throw values.invalid('"size.longest_edge" is not supported')
      const shortestEdge = values.side('size.shortest_edge', size['shortest_edge'])
      if (values.flag('use_square_size', false)) return { height: shortestEdge, width: shortestEdge }
      return { shortestEdge }
    }
    if (typeof size === 'number') {
      // older files: of most classes one number is the shortest edge where a crop follows, and both sides where none does
      const both = this.#anonymous ? !cropped && this.#rule === 'plain' : values.flag('default_to_square', true)
      if (!both) return { shortestEdge: values.side('size', size) }
    }
    return values.size('size', ' or {"shortest_edge"}')
  }

  /** How classes with their own resize interpret the size (transformers, image_processing_*.py). */
  #withRule(resize: ResizeTo, crop: Size | undefined): [ResizeTo, Size | undefined] {
    const values = this.#values
    if (this.#rule === 'levit' && 'shortestEdge' in resize)
      return [{ shortestEdge: Math.trunc((256 / 224) * resize.shortestEdge) }, crop]
    if (this.#rule === 'convnext') {
      if (!('shortestEdge' in resize)) {
        if (this.#anonymous) return [resize, crop]
        throw values.invalid('"size" of this image processor must be {"shortest_edge"} or one number')
      }
      const edge = resize.shortestEdge
      const side = { height: edge, width: edge }
      if (edge >= SQUEEZED_FROM) return [side, crop]
      if (crop !== undefined && (crop.height > edge || crop.width > edge))
        throw values.invalid('"crop_size" is larger than "size", which is cropped already')
      return [{ shortestEdge: Math.trunc(edge / values.number('crop_pct', 1)) }, crop ?? side]
    }
    if (this.#rule === 'poolformer') {
      const grow = (side: number) => Math.trunc(side / values.number('crop_pct', 1))
      if ('shortestEdge' in resize) return [{ shortestEdge: grow(resize.shortestEdge) }, crop]
      if ('height' in resize) {
        const { height, width } = resize
        return [height === width ? { shortestEdge: grow(height) } : { height: grow(height), width: grow(width) }, crop]
      }
    }
    return [resize, crop]
  }

  #fixedSize(resize: ResizeTo | undefined): Size {
    if (resize !== undefined && 'height' in resize) return resize
    if (resize !== undefined)
      throw this.#values.invalid(
        '"size.shortest_edge" without "do_center_crop" gives images of different sizes; set "crop_size"'
      )
    const { height, width } = this.#input
    if (height === undefined || width === undefined)
      throw this.#values.invalid('neither "size" nor "crop_size" says how large the images are to be')
    return { height, width }
  }

  /** DPT: without `keep_aspect_ratio` the size is rounded to a multiple. */
  #checkMultiple({ height, width }: Size): void {
    const multiple = this.#values.number('ensure_multiple_of', 1)
    if (height % multiple !== 0 || width % multiple !== 0)
      throw this.#values.invalid(`"ensure_multiple_of" is ${multiple}, which ${width} x ${height} is not a multiple of`)
  }

  #filter(resizes: boolean): Filter {
    const value = this.#values.get('resample')
    if (value === undefined && resizes) this.#notes.push('"resample" is not given: bilinear is taken')
    const filter = FILTERS[(value ?? DEFAULT_RESAMPLE) as keyof typeof FILTERS] as Filter | undefined
    if (filter === undefined)
      throw this.#values.invalid(`"resample" must be one of 0 to 5 (Pillow's filters), got ${show(value)}`)
    return filter
  }

  #statistics(): Pick<Preprocessing, 'rescale' | 'mean' | 'std'> {
    const values = this.#values
    const n = this.#input.channels
    if (values.has('num_channels') && values.get('num_channels') !== n)
      throw values.invalid(
        `"num_channels" is ${show(values.get('num_channels'))}, but input "${this.#input.name}" has ${n}`
      )
    // MobileViT's class has the key and does not look at it
    const normalise = this.#rule !== 'mobilevit' && values.flag('do_normalize', values.has('image_mean'))
    const bytes = this.#input.elementType === 'uint8'
    const rescale = values.flag('do_rescale', !bytes)
    if (bytes && (normalise || rescale))
      throw values.invalid(`input "${this.#input.name}" takes bytes: set "do_rescale" and "do_normalize" to false`)
    let mean = normalise ? values.channels('image_mean', n) : Array<number>(n).fill(0)
    let std = normalise ? values.positive('image_std', n) : Array<number>(n).fill(1)
    if (this.#rule === 'efficientnet') {
      if (rescale && values.flag('rescale_offset', false)) mean = mean.map(m => m + 1) // value * factor - 1
      if (values.flag('include_top', false)) {
        const again = values.positive('image_std', n) // normalised a second time, by mean 0
        std = std.map((s, c) => s * (again[c] as number))
      }
    }
    if (this.#anonymous && rescale && !values.has('do_rescale') && !values.has('rescale_factor'))
      this.#notes.push('neither "do_rescale" nor "rescale_factor" is given: levels are divided by 255')
    return { rescale: rescale ? values.number('rescale_factor', 1 / 255) : 1, mean, std }
  }
}
