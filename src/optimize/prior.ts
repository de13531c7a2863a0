/**
 * A prior psi^(k): maps samples to feature vectors in R^l (paper section 3.1). Its kind is the owner's choice: a network (`onnx`, in a file or
 * behind a server), human labels (`human`) or vectors computed before (`table`).
 */
import type { CID } from 'multiformats/cid'
import { cborCid, encodeCbor } from '../codec.ts'
import type { Matrix32 } from '../matrix.ts'
import type { PriorKind } from './prior-kind.ts'
import type { Preprocessing } from './preprocessing.ts'

/** One encoded sample of a partition. */
export interface EncodedImage {
  /** The CID of `bytes` as text: identifies the sample in errors and finds its label. */
  readonly id: string
  /** In one of the formats that `imageKind` tells apart. */
  readonly bytes: Uint8Array
}

export interface FeatureBatch {
  /** One row per image, in the order asked: rows x l. Rows that are absent hold zeros. */
  readonly features: Matrix32
  /** True for samples without a feature (labels or a table without a row for the sample). */
  readonly absent: boolean[]
}

export interface PriorDescriptor {
  readonly kind: PriorKind
  /**
   * CIDv1 raw sha2-256 of the model (or label) file, or CID of a table's files: names the prior without giving it away. Behind a server, where
   * nobody sees the file, CIDv1 dag-cbor of the model's name, version and metadata.
   */
  readonly id: CID
  /** Files beside the model file that hold weights, by location: name and CIDv1 raw of each */
  readonly data?: ReadonlyArray<{ readonly location: string; readonly cid: CID }>
  readonly name: string
  /** l */
  readonly dimension: number
  readonly license?: string
  /** Why this tensor is taken as psi(x). */
  readonly feature?: string
  /** Its name in the model. */
  readonly tensor?: string
  readonly preprocessing?: Preprocessing
  /** What was guessed about files that do not say it, for people. */
  readonly assumed?: readonly string[]
  /** Set if the model runs on its owner's server: nobody else can run it, and its targets are the owner's claim */
  readonly server?: { readonly protocol: 'open-inference-v2' }
  /** The bundle with which anyone can run the prior again (publish/bundle.ts), if it came as one. `dagBytes`: all its blocks */
  readonly bundle?: { readonly cid: CID; readonly dagBytes: number }
}

/** The device that a model runs on. No part of its identity: devices differ by rounding, as machines do. */
export interface PriorDevice {
  /** What somebody asked for: a device, or `auto` */
  readonly asked: string
  readonly took: string
  /** Those that `auto` tried before, and why they could not be used */
  readonly passedOver: ReadonlyArray<{ readonly device: string; readonly reason: string }>
  /** Operators of the model by what ran them; absent on the CPU */
  readonly placement?: Readonly<Record<string, number>> | undefined
}

export interface PriorModel {
  readonly descriptor: PriorDescriptor
  /** Of a model that runs here */
  readonly device?: PriorDevice
  /**
   * psi of each image. Deterministic for one machine; across machines equal up to rounding.
   *
   * Throws `InvalidImageError` or `NonFiniteFeatureError` naming the sample, `InferenceError` when the worker could not be kept
   * alive, or the signal's reason.
   */
  embed(images: readonly EncodedImage[], options?: { signal?: AbortSignal }): Promise<FeatureBatch>
  /** Calls of `embed` that overlap: while one is computed the next are prepared. More wait. One where absent. */
  readonly callsAtOnce?: number
  /** Ends the worker; idempotent. */
  close(): Promise<void>
}

/**
 * The identity of psi itself: another layer or other preprocessing of the same model is another function, with other targets. CIDv1
 * dag-cbor of model, files of weights, tensor and preprocessing; of labels and tables it is `id`.
 */
export function priorIdentity({ kind, id, data = [], tensor, preprocessing }: PriorDescriptor): CID {
  if (kind !== 'onnx') return id
  const steps = Object.entries(preprocessing ?? {}).filter(
    ([key, value]) => key !== 'assumed' && key !== 'notes' && value !== undefined
  )
  return cborCid(
    encodeCbor({
      model: id,
      ...(data.length === 0 ? {} : { data: data.map(({ location, cid }) => ({ location, cid })) }),
      tensor: tensor ?? null,
      preprocessing: Object.fromEntries(steps)
    })
  )
}
