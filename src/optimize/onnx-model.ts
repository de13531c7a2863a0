/**
 * Reads of an ONNX file (github.com/onnx/onnx, onnx.proto3) the few facts that decide whether it may be loaded and which tensor is the
 * feature: opset, input, outputs, nodes, initializers without their data.
 *
 * A model file is hostile until `scanModel` returned: no loops, nothing random, only listed operators (onnx-operators.ts), external data
 * only under plain names, no constant shape above `MAX_ELEMENTS`. What cannot be seen without running (shapes that are computed) is
 * left to the worker's memory and time limits.
 */
import { InvalidPriorError } from '../errors.ts'
import { imageInputOf } from './image-input.ts'
import type { GraphFacts, ImageInput, ModelFacts, TensorFacts } from './onnx-facts.ts'
import { checkOperators } from './onnx-operators.ts'
import { readModel } from './onnx-reader.ts'

/** Elements of the largest tensor that a constant shape may ask for (256 MiB of float32). */
export const MAX_ELEMENTS = 64 * 1024 * 1024
/** Protobuf's own limit on a message. The weights of larger models are external data. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1

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

/** The one input of the graph, which must be a batch of images. */
function imageInput(graph: GraphFacts): ImageInput {
  const inputs = graph.inputs.filter(i => !graph.initializers.has(i.name))
  if (inputs.length !== 1) {
    const names = inputs.map(i => `"${i.name}"`).join(', ')
    throw new InvalidPriorError(
      `the model has ${inputs.length} inputs${names === '' ? '' : ` (${names})`}; exactly one, the image, is supported: take the image tower alone, such as onnx/vision_model.onnx of the same repository, or export it (torch.onnx.export(model.vision_model, pixel_values, "vision_model.onnx"))`
    )
  }
  return imageInputOf(inputs[0] as TensorFacts)
}
