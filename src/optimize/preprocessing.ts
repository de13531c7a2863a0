/** What is done to a decoded image before the model sees it: resize, crop, rescale, normalise, in this order. */

/** Pillow's filters by their number in the `resample` key. */
export const FILTERS = { 0: 'nearest', 1: 'lanczos', 2: 'bilinear', 3: 'bicubic', 4: 'box', 5: 'hamming' } as const
export type Filter = (typeof FILTERS)[keyof typeof FILTERS]

export interface Size {
  readonly height: number
  readonly width: number
}

/**
 * `shortestEdge`: the shorter side gets this length, the longer one in proportion, rounded down. `inside`, `cover`: in proportion, as
 * large as fits into this size, or as small as covers it, rounded half to even (timm's ResizeKeepRatio).
 */
export type ResizeTo = Size | { readonly shortestEdge: number } | { readonly inside: Size } | { readonly cover: Size }

export interface Preprocessing {
  /** True if there was no configuration and ImageNet's usual one was used. */
  readonly assumed: boolean
  /** Other assumptions, in words; absent if there are none. */
  readonly notes?: readonly string[]
  /** Absent: images must have the final size already. */
  readonly resize?: ResizeTo
  readonly filter: Filter
  /** Taken from the centre; where the image is smaller it is padded. */
  readonly crop?: Size
  /** `half-even`: an odd rest is halved as torchvision does, not rounded down as transformers does. */
  readonly cropRounding?: 'half-even'
  /** Levels 0 to 255 per channel with which a crop is padded; 0 where absent. */
  readonly fill?: readonly number[]
  /** `bgr`: the model's first channel is blue. `mean` and `std` are in the model's order. */
  readonly channelOrder?: 'bgr'
  /** Multiplies the pixel value. */
  readonly rescale: number
  /** Per channel of the model's input; subtracted after rescaling. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Size of the model's input. */
  readonly height: number
  readonly width: number
}

/** Size assumed for a model that takes any. */
export const DEFAULT_SIZE = 224

/** Python's `round`. `value` >= 0 */
export function halfEven(value: number): number {
  const down = Math.floor(value)
  const rest = value - down
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down
}
