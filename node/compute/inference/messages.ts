/**
 * What the node and its inference worker say to each other: requests, and a reply to each in their order, over Node's IPC channel with
 * structured clone ("advanced" serialisation), so bytes and numbers travel as they are.
 */
import type { ImageKind } from '../../../src/distribute/image-kind.ts'
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'

export interface DecodeLimits {
  readonly imagePixels: number
  readonly imageBytes: number
}

/** Load a model. The worker opens `path` itself (a model may be larger than a message) and checks that it is the file scanned. */
export interface LoadRequest {
  readonly type: 'load'
  readonly path: string
  /** Hex sha-256 of the file as scanned by the parent. */
  readonly sha256: string
  /** Files of weights in the model's folder, as hashed by the parent. */
  readonly data: ReadonlyArray<{ readonly location: string; readonly sha256: string }>
  /** Appended to the file's bytes: makes a hidden tensor an output. */
  readonly suffix: Uint8Array
  /** A graph output once the suffix is there. */
  readonly tensor: string
  readonly tokens: 'mean' | 'first'
  readonly input: ImageInput
  readonly preprocessing: Preprocessing
  readonly threads: number
  /** Images per run, where the model takes any number */
  readonly batch: number
  /** The device that runs it, such as `cuda:0` */
  readonly device: string
}

/** Does a device of this name work here? */
export interface DeviceRequest {
  readonly type: 'device'
  readonly device: string
}

export interface EmbedRequest {
  readonly type: 'embed'
  readonly images: readonly { readonly id: string; readonly bytes: Uint8Array }[]
}

/** How numbers travel to a model server: little-endian bytes, or a JSON array. */
export type TensorEncoding = 'binary' | 'json'

/** Decode and preprocess, for a model that runs elsewhere. Needs no model here. */
export interface PrepareRequest {
  readonly type: 'prepare'
  readonly images: EmbedRequest['images']
  readonly input: ImageInput
  readonly preprocessing: Preprocessing
  /** Images in the tensor: those missing at its end are zeros. */
  readonly count: number
  readonly encoding: TensorEncoding
}

/** Decode and forget: is each of these an image that every peer will be able to use? */
export interface InspectRequest {
  readonly type: 'inspect'
  readonly images: readonly Uint8Array[]
}

export interface GemmRequest {
  readonly type: 'gemm'
  readonly a: Operand
  readonly b: Operand
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly threads: number
}

export interface Operand {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

export type Request = LoadRequest | EmbedRequest | PrepareRequest | InspectRequest | GemmRequest | DeviceRequest

export interface LoadReply {
  /** Shape of the feature tensor for one image, without the batch. */
  readonly shape: readonly number[]
  /** l */
  readonly dimension: number
  /** Images per run. */
  readonly rows: number
  /** Milliseconds per image of the model alone, on the probe that found the shape. */
  readonly milliseconds: number
  /** Why images go through the model one by one; absent where they go in batches. */
  readonly alone?: string | undefined
  /** Operators by the provider that ran them; absent on the CPU. */
  readonly placement?: Readonly<Record<string, number>> | undefined
}

export interface DeviceReply {
  /** Why it cannot be used; absent when it can. */
  readonly fault?: string | undefined
}

export interface EmbedReply {
  /** images x l, row-major. */
  readonly features: Float32Array
}

export interface PrepareReply {
  /** One tensor of `count` images, encoded as asked. */
  readonly tensor: Uint8Array
}

export type ImageFacts =
  | { readonly width: number; readonly height: number; readonly format: ImageKind }
  | { readonly error: string }

export interface InspectReply {
  readonly images: readonly ImageFacts[]
}

export interface GemmReply {
  readonly data: Float64Array
}

export interface Replies {
  load: LoadReply
  embed: EmbedReply
  prepare: PrepareReply
  inspect: InspectReply
  gemm: GemmReply
  device: DeviceReply
}

/** Sent once, before anything else, by the parent. */
export interface Setup {
  readonly type: 'setup'
  readonly limits: DecodeLimits
  readonly memoryBytes: number
  /** Threads that decode */
  readonly decoders: number
  /** Folder to load ONNX Runtime from instead of its package */
  readonly runtime?: string
}

export interface Envelope {
  readonly id: number
  readonly request: Request
}

/** What the worker sends back; the parent checks it by `answerSchema` (replies.ts). */
export type WorkerAnswer =
  | { readonly id: number; readonly ok: true; readonly value: Replies[Request['type']] }
  | { readonly id: number; readonly ok: false; readonly name: string; readonly message: string }
