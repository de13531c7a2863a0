/**
 * Reads of an ONNX file (github.com/onnx/onnx, onnx.proto3) the few facts that decide whether it may be loaded and which tensor is the
 * feature: opset, input, outputs, nodes, initializers without their data.
 *
 * A model file is hostile until `scanModel` returned: no loops, nothing random, only listed operators (onnx-operators.ts), external data
 * only under plain names, no constant shape above `MAX_ELEMENTS`. What cannot be seen without running (shapes that are computed) is
 * left to the worker's memory and time limits.
 */
import { InvalidPriorError } from '../errors.ts'
import {
  ELEMENT,
  elementName,
  type Dimension,
  type GraphFacts,
  type ImageInput,
  type ModelFacts,
  type TensorFacts
} from './onnx-facts.ts'
import { checkOperators } from './onnx-operators.ts'
import { readModel } from './onnx-reader.ts'

/** Elements of the largest tensor that a constant shape may ask for (256 MiB of float32). */
export const MAX_ELEMENTS = 64 * 1024 * 1024
/** Protobuf's own limit on a message. The weights of larger models are external data. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1
/** Pixels of an input with a fixed size; matches the decoder's limit on images. */
const MAX_INPUT_PIXELS = 4_000_000

/**
 * Check an ONNX file and return its facts. Throws `InvalidPriorError` with the reason: not a model, too large, or anything that is
 * not accepted (see the head of this file).
 */
export function scanModel(bytes: Uint8Array, limits: { maxBytes?: number } = {}): ModelFacts {
  const maxBytes = Math.min(limits.maxBytes ?? MAX_MODEL_BYTES, MAX_MODEL_BYTES)
  if (bytes.byteLength > maxBytes) {
    throw new InvalidPriorError(`the model has ${bytes.byteLength} bytes, at most ${maxBytes} are accepted`)
  }
  const graph = readModel(bytes)
  checkOperators(graph, MAX_ELEMENTS)
  return { ...graph, image: imageInput(graph) }
}

const INPUT_TYPES: ReadonlyMap<number, ImageInput['elementType']> = new Map([
  [ELEMENT.float, 'float32'],
  [ELEMENT.float16, 'float16'],
  [ELEMENT.uint8, 'uint8']
])

/** The one input of the graph, which must be a batch of images: float32, float16 or uint8, [N, C, H, W] or [N, H, W, C], C = 3 or 1. */
function imageInput(graph: GraphFacts): ImageInput {
  const inputs = graph.inputs.filter(i => !graph.initializers.has(i.name))
  if (inputs.length !== 1) {
    const names = inputs.map(i => `"${i.name}"`).join(', ')
    throw new InvalidPriorError(
      `the model has ${inputs.length} inputs${names === '' ? '' : ` (${names})`}; exactly one, the image, is supported: take the image tower alone, such as onnx/vision_model.onnx of the same repository, or export it (torch.onnx.export(model.vision_model, pixel_values, "vision_model.onnx"))`
    )
  }
  const { name, elementType, shape } = inputs[0] as TensorFacts
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
