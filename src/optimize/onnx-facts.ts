/**
 * Facts about an ONNX model, once its file has been read (onnx-reader.ts) and checked (onnx-model.ts).
 */

/** onnx.proto3 TensorProto.DataType, the ones used here. */
export const ELEMENT = { float: 1, uint8: 2, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11 } as const
/** Names of all of them, as numpy and PyTorch say them; the number is the index. */
const ELEMENT_NAMES =
  'undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1'.split(
    ' '
  )

/** For messages. */
export const elementName = (type: number): string => ELEMENT_NAMES[type] ?? `element type ${type}`

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

/** A file beside the model that holds weights. */
export interface ExternalFile {
  /** Relative to the model's folder, `/` between parts: no absolute path, no `..`. */
  readonly location: string
  /** Bytes that it must have at least. */
  readonly bytes: number
  /** A weight in it, for messages. */
  readonly weight: string
}

/** The nodes of a graph, or of a branch of an `If`, and its weights. */
export interface GraphPart {
  readonly nodes: readonly NodeFacts[]
  readonly initializers: ReadonlyMap<string, InitializerFacts>
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
  /** Of an `If`. */
  readonly branches: readonly GraphPart[]
}

export interface ImageInput {
  readonly name: string
  readonly layout: 'nchw' | 'nhwc'
  readonly channels: 1 | 3
  readonly elementType: 'float32' | 'float16' | 'uint8'
  /** Undefined where the model takes any size. */
  readonly batch: number | undefined
  readonly height: number | undefined
  readonly width: number | undefined
}

export interface GraphFacts extends GraphPart {
  readonly irVersion: number
  /** Version of the standard operator set. */
  readonly opset: number
  readonly producer: string
  readonly inputs: readonly TensorFacts[]
  readonly outputs: readonly TensorFacts[]
  /** By location. */
  readonly external: readonly ExternalFile[]
}

export interface ModelFacts extends GraphFacts {
  readonly image: ImageInput
}
