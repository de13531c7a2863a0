/**
 * Decoded 8-bit pixels -> one image of the model's input tensor: resize, centre crop, then a 256-entry table per channel that holds
 * `(value * rescale - mean) / std`.
 */
import { InvalidImageError } from '../errors.ts'
import type { ImageInput } from './onnx-facts.ts'
import type { Preprocessing } from './preprocess.ts'
import { resize, type Pixels } from './resize.ts'

export interface TensorWriter {
  /** Numbers per image: channels * height * width. */
  readonly size: number
  /** Write one image at `offset` of `into`. Throws `InvalidImageError` when the image has another size and none may be made. */
  write(image: Pixels, into: Float32Array | Uint8Array, offset: number): void
}

export function createTensorWriter(p: Preprocessing, input: Pick<ImageInput, 'layout' | 'channels'>): TensorWriter {
  const { height, width } = p
  const tables = Array.from({ length: input.channels }, (_, c) =>
    Float32Array.from({ length: 256 }, (_, v) => (v * p.rescale - (p.mean[c] as number)) / (p.std[c] as number))
  )
  const plane = height * width
  const [pixelStep, channelStep] = input.layout === 'nchw' ? [1, plane] : [input.channels, 1]
  return {
    size: plane * input.channels,
    write(image, into, offset) {
      const colour = input.channels === 1 ? toGray(image) : toRgb(image)
      const { data, channels } = fit(colour, p)
      for (let c = 0; c < channels; c++) {
        const table = tables[c] as Float32Array
        let to = offset + c * channelStep
        for (let i = c; i < data.length; i += channels, to += pixelStep) into[to] = table[data[i] as number] as number
      }
    }
  }
}

/** Resize and crop; the result has the final size. */
export function fit(image: Pixels, p: Preprocessing): Pixels {
  const resized = p.resize === undefined ? image : resize(image, ...target(image, p.resize), p.filter)
  const done = p.crop === undefined ? resized : cropCentre(resized, p.crop.height, p.crop.width)
  if (done.height !== p.height || done.width !== p.width) {
    throw new InvalidImageError(
      `the image has ${done.width} x ${done.height} pixels, the model takes ${p.width} x ${p.height} and its preprocessing does not resize`
    )
  }
  return done
}

/** [height, width] after resizing. The long side of a `shortestEdge` is truncated, as Hugging Face does. */
function target(image: Pixels, to: NonNullable<Preprocessing['resize']>): [number, number] {
  if ('height' in to) return [to.height, to.width]
  const { height, width } = image
  const edge = to.shortestEdge
  const [short, long] = height <= width ? [height, width] : [width, height]
  // a sliver would become a huge strip of which the crop keeps a piece: bounded like any decoded image
  const grown = Math.trunc((edge * long) / short)
  if (grown * edge > 16_000_000)
    throw new InvalidImageError(`an image of ${width} x ${height} pixels is too narrow to be resized to ${edge}`)
  return height <= width ? [edge, grown] : [grown, edge]
}

function cropCentre(image: Pixels, height: number, width: number): Pixels {
  if (image.height === height && image.width === width) return image
  const c = image.channels
  const top = Math.floor((image.height - height) / 2)
  const left = Math.floor((image.width - width) / 2)
  const data = new Uint8Array(height * width * c) // zeros where the crop reaches over the edge
  const from = Math.max(0, left)
  const to = Math.min(image.width, left + width)
  for (let y = Math.max(0, -top); y < height && y + top < image.height; y++) {
    const source = (y + top) * image.width
    data.set(image.data.subarray((source + from) * c, (source + to) * c), (y * width + from - left) * c)
  }
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
