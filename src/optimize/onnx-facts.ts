/**
 * What is known of an ONNX model after its file was read (onnx-reader.ts) and checked (onnx-model.ts).
 */

/** onnx.proto3 TensorProto.DataType, the ones used here. */
export const ELEMENT = { float: 1, uint8: 2, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11 } as const

/** A size: fixed, named by the exporter ("batch"), or not declared. */
export type Dimension = number | string | undefined

export interface TensorFacts {
  readonly name: string
  readonly elementType: number
  /** Undefined: rank not declared. */
  readonly shape: readonly Dimension[] | undefined
}

export interface InitializerFacts {
  readonly name: string
  readonly elementType: number
  readonly dims: readonly number[]
  /** The values of a small numeric tensor (shapes, repeats, scales), else undefined. */
  readonly values: readonly number[] | undefined
}

export interface NodeFacts {
  readonly op: string
  /** Empty for the standard domain. */
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Integer attributes (one value each). */
  readonly integers: ReadonlyMap<string, number>
  /** Value of a Constant node, when small. */
  readonly constant: InitializerFacts | undefined
}

export interface ImageInput {
  readonly name: string
  readonly layout: 'nchw' | 'nhwc'
  readonly channels: 1 | 3
  readonly elementType: 'float32' | 'uint8'
  /** Undefined where the model takes any size. */
  readonly batch: number | undefined
  readonly height: number | undefined
  readonly width: number | undefined
}

export interface GraphFacts {
  readonly irVersion: number
  /** Version of the standard operator set. */
  readonly opset: number
  readonly producer: string
  readonly inputs: readonly TensorFacts[]
  readonly outputs: readonly TensorFacts[]
  readonly nodes: readonly NodeFacts[]
  readonly initializers: ReadonlyMap<string, InitializerFacts>
}

export interface ModelFacts extends GraphFacts {
  readonly image: ImageInput
}
