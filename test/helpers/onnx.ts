/** Small ONNX files for tests, built field by field; hostile ones too. */
import { ELEMENT } from '../../src/optimize/onnx-facts.ts'
import { bytesField, integerField, message } from '../../src/optimize/protobuf.ts'

export type Size = number | string

/** ValueInfoProto. */
export function value(
  name: string,
  shape: readonly Size[] | undefined,
  elementType: number = ELEMENT.float
): Uint8Array {
  const dims = (shape ?? []).map(d => bytesField(1, typeof d === 'number' ? integerField(1, d) : bytesField(2, d)))
  const tensor = message(
    integerField(1, elementType),
    ...(shape === undefined ? [] : [bytesField(2, message(...dims))])
  )
  return message(bytesField(1, name), bytesField(2, bytesField(1, tensor)))
}

const raw = (data: Float32Array | BigInt64Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** TensorProto of float32. */
export function floats(name: string, dims: readonly number[], data: readonly number[]): Uint8Array {
  const sizes = dims.map(d => integerField(1, d))
  return message(
    ...sizes,
    integerField(2, ELEMENT.float),
    bytesField(8, name),
    bytesField(9, raw(Float32Array.from(data)))
  )
}

/** TensorProto of int64: a shape. */
export function integers(name: string, data: readonly number[]): Uint8Array {
  const values = BigInt64Array.from(data, BigInt)
  return message(
    integerField(1, data.length),
    integerField(2, ELEMENT.int64),
    bytesField(8, name),
    bytesField(9, raw(values))
  )
}

export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options: { domain?: string; attributes?: readonly Uint8Array[] } = {}
): Uint8Array {
  return message(
    ...inputs.map(i => bytesField(1, i)),
    ...outputs.map(o => bytesField(2, o)),
    bytesField(4, op),
    ...(options.attributes ?? []).map(a => bytesField(5, a)),
    ...(options.domain === undefined ? [] : [bytesField(7, options.domain)])
  )
}

export const intAttribute = (name: string, v: number): Uint8Array =>
  message(bytesField(1, name), integerField(3, v), integerField(20, 2))
export const tensorAttribute = (name: string, tensor: Uint8Array): Uint8Array =>
  message(bytesField(1, name), bytesField(5, tensor), integerField(20, 4))
export const graphAttribute = (name: string, graph: Uint8Array): Uint8Array =>
  message(bytesField(1, name), bytesField(6, graph), integerField(20, 5))

export interface ModelParts {
  readonly nodes: readonly Uint8Array[]
  readonly initializers?: readonly Uint8Array[]
  readonly inputs?: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
  readonly opset?: number
  /** Fields appended to the ModelProto, and to the GraphProto. */
  readonly more?: readonly Uint8Array[]
  readonly moreGraph?: readonly Uint8Array[]
}

export const IMAGE = value('image', ['N', 3, 4, 4])

export function model(parts: ModelParts): Uint8Array {
  const graph = message(
    ...parts.nodes.map(n => bytesField(1, n)),
    bytesField(2, 'test'),
    ...(parts.initializers ?? []).map(i => bytesField(5, i)),
    ...(parts.inputs ?? [IMAGE]).map(i => bytesField(11, i)),
    ...parts.outputs.map(o => bytesField(12, o)),
    ...(parts.moreGraph ?? [])
  )
  return message(
    integerField(1, 8),
    bytesField(2, 'test'),
    bytesField(7, graph),
    bytesField(8, message(bytesField(1, ''), integerField(2, parts.opset ?? 13))),
    ...(parts.more ?? [])
  )
}

/** Image -> global average -> [N, 3] -> Relu -> Gemm with 3 x 2 weights -> logits. */
export function classifier(options: { batch?: Size } = {}): Uint8Array {
  const batch = options.batch ?? 'N'
  return model({
    nodes: [
      node('GlobalAveragePool', ['image'], ['pooled']),
      node('Flatten', ['pooled'], ['flat']),
      node('Relu', ['flat'], ['hidden']),
      node('Gemm', ['hidden', 'weight', 'bias'], ['scores']),
      node('Softmax', ['scores'], ['output'])
    ],
    initializers: [floats('weight', [3, 2], [1, 2, 3, 4, 5, 6]), floats('bias', [2], [0, 1])],
    inputs: [value('image', [batch, 3, 4, 4])],
    outputs: [value('output', [batch, 2])]
  })
}
