/** A declared input tensor -> how images are laid out in it. The same rules for a model in a file and for one behind a server. */
import { InvalidPriorError } from '../errors.ts'
import { ELEMENT, elementName, type Dimension, type ImageInput, type TensorFacts } from './onnx-facts.ts'

/** Pixels of an input with a fixed size; matches the decoder's limit on images. */
const MAX_INPUT_PIXELS = 4_000_000

const INPUT_TYPES: ReadonlyMap<number, ImageInput['elementType']> = new Map([
  [ELEMENT.float, 'float32'],
  [ELEMENT.float16, 'float16'],
  [ELEMENT.uint8, 'uint8']
])

/** Throws `InvalidPriorError` unless it is a batch of images: float32, float16 or uint8, [N, C, H, W] or [N, H, W, C], C = 3 or 1. */
export function imageInputOf(tensor: TensorFacts): ImageInput {
  const { name, elementType, shape } = tensor
  const refuse = (why: string) =>
    new InvalidPriorError(`input "${name}" is not a batch of images: ${why}; [N, 3, H, W] or [N, H, W, 3] is supported`)
  const type = INPUT_TYPES.get(elementType)
  if (type === undefined)
    throw refuse(
      `its numbers are ${elementName(elementType)} (float32, float16 and uint8 are supported): export it again with a float32 input`
    )
  if (shape === undefined || shape.length !== 4)
    throw refuse(shape ? `it has ${shape.length} dimensions` : 'no shape is declared')
  const [n, a, b, c] = shape
  const isChannels = (d: Dimension) => d === 3 || d === 1
  const layout = isChannels(a) || !isChannels(c) ? 'nchw' : 'nhwc'
  const channels = layout === 'nchw' ? a : c
  if (typeof channels === 'number' && !isChannels(channels)) throw refuse(`it has ${channels} channels`)
  const [h, w] = layout === 'nchw' ? [b, c] : [a, b]
  const size = (d: Dimension) => (typeof d === 'number' ? d : undefined)
  const [batch, height, width] = [size(n), size(h), size(w)]
  if (batch === 0 || height === 0 || width === 0) throw refuse('a dimension is 0')
  if (batch !== undefined && batch > 1024) throw refuse(`its batch is fixed at ${batch} (at most 1024)`)
  if ((height ?? 1) * (width ?? 1) > MAX_INPUT_PIXELS) throw refuse(`${height} x ${width} pixels`)
  return {
    name,
    layout,
    channels: channels === 1 ? 1 : 3,
    elementType: type,
    batch,
    height,
    width
  }
}
