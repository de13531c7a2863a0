/** A model that any device can run: the smallest one with the kinds of kernels that priors need. It shows whether a device works before a prior is loaded. */
import { ELEMENT } from './onnx-facts.ts'
import { bytesField, integerField, message } from './protobuf.ts'

/** `Conv` and `Relu` of every runtime, in float32; ir version 7 goes with it. */
const OPSET = 13
const IR_VERSION = 7
const SIDE = 4
const KERNEL = 3

export const PROBE = {
  input: 'x',
  output: 'y',
  /** Shape of the input */
  dims: [1, 1, SIDE, SIDE],
  /** For an input of ones: the kernel's sum at each of its 2 x 2 places */
  expected: [KERNEL ** 2, KERNEL ** 2, KERNEL ** 2, KERNEL ** 2]
} as const

/** Model bytes: y = relu(x * ones(3 x 3)), float32 [1, 1, 4, 4] -> [1, 1, 2, 2]. */
export function buildProbeModel(): Uint8Array {
  const places = SIDE - KERNEL + 1
  const weights = Float32Array.from({ length: KERNEL ** 2 }, () => 1)
  const kernel = message(
    ...[1, 1, KERNEL, KERNEL].map(size => integerField(1, size)),
    integerField(2, ELEMENT.float),
    bytesField(8, 'w'),
    bytesField(9, new Uint8Array(weights.buffer))
  )
  const graph = message(
    bytesField(1, node('Conv', ['x', 'w'], 'c')),
    bytesField(1, node('Relu', ['c'], 'y')),
    bytesField(2, 'probe'),
    bytesField(5, kernel),
    bytesField(11, value('x', PROBE.dims)),
    bytesField(12, value('y', [1, 1, places, places]))
  )
  return message(integerField(1, IR_VERSION), bytesField(7, graph), bytesField(8, integerField(2, OPSET)))
}

// --- internal ---

function node(operator: string, inputs: readonly string[], output: string): Uint8Array {
  return message(...inputs.map(name => bytesField(1, name)), bytesField(2, output), bytesField(4, operator))
}

/** ValueInfoProto of a float32 tensor. */
function value(name: string, sizes: readonly number[]): Uint8Array {
  const shape = message(...sizes.map(size => bytesField(1, integerField(1, size))))
  const tensor = message(integerField(1, ELEMENT.float), bytesField(2, shape))
  return message(bytesField(1, name), bytesField(2, bytesField(1, tensor)))
}
