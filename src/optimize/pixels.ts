/**
 * Decoded 8-bit pixels -> one image of the model's input tensor: resize, centre crop, then a 256-entry table per channel that holds
 * `(value * rescale - mean) / std`.
 */
import { InvalidImageError } from '../errors.ts'
import type { ImageInput } from './onnx-facts.ts'
import { halfEven, type Preprocessing, type ResizeTo, type Size } from './preprocessing.ts'
import { resizeRegion, type Pixels } from './resize.ts'

/** Of a resized image before it is cropped. */
const MAX_PIXELS = 16_000_000

export interface TensorWriter {
  /** Numbers per image: channels * height * width. */
  readonly size: number
  /** Write one image at `offset` of `into`. Throws `InvalidImageError` if the image has another size and may not be resized. */
  write(image: Pixels, into: Float32Array | Uint16Array | Uint8Array, offset: number): void
}

/** A tensor of `elementType` float16 is written as the bits of its numbers, in a `Uint16Array`. */
export function createTensorWriter(
  p: Preprocessing,
  input: Pick<ImageInput, 'layout' | 'channels'> & Partial<Pick<ImageInput, 'elementType'>>
): TensorWriter {
  const { height, width } = p
  const tables = Array.from({ length: input.channels }, (_, c) => {
    const numbers = Float32Array.from(
      { length: 256 },
      (_, v) => (v * p.rescale - (p.mean[c] as number)) / (p.std[c] as number)
    )
    return input.elementType === 'float16' ? new Uint16Array(Float16Array.from(numbers).buffer) : numbers
  })
  const plane = height * width
  const [pixelStep, channelStep] = input.layout === 'nchw' ? [1, plane] : [input.channels, 1]
  return {
    size: plane * input.channels,
    write(image, into, offset) {
      const colour = input.channels === 1 ? toGray(image) : toRgb(image)
      const { data, channels } = fit(colour, p)
      for (let c = 0; c < channels; c++) {
        const table = tables[c] as Float32Array | Uint16Array
        const source = p.channelOrder === 'bgr' ? channels - 1 - c : c
        let to = offset + c * channelStep
        for (let i = source; i < data.length; i += channels, to += pixelStep)
          into[to] = table[data[i] as number] as number
      }
    }
  }
}

/** Resize and crop; the result has the final size. Only pixels that the crop keeps are computed. */
export function fit(image: Pixels, p: Preprocessing): Pixels {
  const size = p.resize === undefined ? image : target(image, p.resize)
  const crop = p.crop ?? size
  if (crop.height !== p.height || crop.width !== p.width) {
    throw new InvalidImageError(
      `the image has ${image.width} x ${image.height} pixels, the model takes ${p.width} x ${p.height} and its preprocessing does not resize`
    )
  }
  const halve = p.cropRounding === 'half-even' ? halveToEven : Math.floor
  const [top, left] = [halve((size.height - crop.height) / 2), halve((size.width - crop.width) / 2)]
  const region = {
    top: Math.max(0, top),
    left: Math.max(0, left),
    height: Math.min(size.height, crop.height),
    width: Math.min(size.width, crop.width)
  }
  const inner = resizeRegion(image, size, p.filter, region)
  return inner.height === p.height && inner.width === p.width
    ? inner
    : pad(inner, p, -Math.min(0, top), -Math.min(0, left))
}

/** torchvision's CenterCrop: what lies inside is rounded half to even, what is padded at the start rounded down. */
const halveToEven = (half: number): number => (half < 0 ? Math.ceil(half) : halfEven(half))

/** `{height, width}` after resizing. The long side of a `shortestEdge` is truncated, as Hugging Face does. */
function target(image: Pixels, to: ResizeTo): Size {
  if ('height' in to) return to
  const { height, width } = image
  let size: Size
  if ('shortestEdge' in to) {
    const edge = to.shortestEdge
    const [short, long] = height <= width ? [height, width] : [width, height]
    const grown = Math.trunc((edge * long) / short)
    size = height <= width ? { height: edge, width: grown } : { height: grown, width: edge }
  } else {
    const [of, choose] = 'inside' in to ? [to.inside, Math.max] : [to.cover, Math.min]
    const ratio = choose(height / of.height, width / of.width)
    size = { height: Math.max(1, halfEven(height / ratio)), width: Math.max(1, halfEven(width / ratio)) }
  }
  // a sliver would become a huge strip of which the crop keeps a piece: bounded like any decoded image
  if (size.height * size.width > MAX_PIXELS)
    throw new InvalidImageError(
      `an image of ${width} x ${height} pixels is too narrow: resized it would have ${size.width} x ${size.height}`
    )
  return size
}

/** The image at `top`, `left` of one of the final size, the rest filled. */
function pad(image: Pixels, { height, width, fill }: Preprocessing, top: number, left: number): Pixels {
  const c = image.channels
  const data = new Uint8Array(height * width * c)
  if (fill !== undefined) for (let i = 0; i < data.length; i++) data[i] = fill[i % c] as number
  const stride = image.width * c
  for (let y = 0; y < image.height; y++)
    data.set(image.data.subarray(y * stride, (y + 1) * stride), ((y + top) * width + left) * c)
  return { data, height, width, channels: c }
}

/** Alpha is dropped, not blended, and grey is repeated: what Pillow's `convert('RGB')` does. */
function toRgb(image: Pixels): Pixels {
  const { data, channels, height, width } = image
  if (channels === 3) return image
  const out = new Uint8Array(height * width * 3)
  const step = channels >= 3 ? 1 : 0
  for (let i = 0, at = 0; i < out.length; i += 3, at += channels) {
    out[i] = data[at] as number
    out[i + 1] = data[at + step] as number
    out[i + 2] = data[at + 2 * step] as number
  }
  return { data: out, height, width, channels: 3 }
}

/** ITU-R 601 luma in 16-bit fixed point, as Pillow's `convert('L')`. */
function toGray(image: Pixels): Pixels {
  const { data, channels, height, width } = image
  if (channels === 1) return image
  const out = new Uint8Array(height * width)
  for (let i = 0, at = 0; i < out.length; i++, at += channels) {
    const [r, g, b] = channels === 2 ? [data[at], data[at], data[at]] : [data[at], data[at + 1], data[at + 2]]
    out[i] = ((r as number) * 19_595 + (g as number) * 38_470 + (b as number) * 7471 + 0x8000) >> 16
  }
  return { data: out, height, width, channels: 1 }
}
