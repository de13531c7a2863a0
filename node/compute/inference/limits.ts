/**
 * Limits on an inference worker; the numbers carry their reason. Each is a configuration key but those of images, which say what is a
 * sample and therefore come from the manifest of a dataset.
 */
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from '../../../src/distribute/image-limits.ts'
import type { DecodeLimits } from './messages.ts'

export interface InferenceLimits {
  /** Resident memory at which the worker is killed. A ViT-L holds 1.2 GB of weights about twice while it loads. */
  readonly memoryBytes: number
  /** Wall time to start the worker and load a model. */
  readonly loadMilliseconds: number
  /** Wall time of one batch, inspection or product; a batch of 8 at 224 px takes below a second on one core for a ResNet-50. */
  readonly requestMilliseconds: number
  /** How often a request is sent again after its worker died. Two: a crash by chance is repaired, a cause is not retried forever. */
  readonly retries: number
  /** Requests after which the worker is replaced: leaks in native code were reported on some platforms. A fast model takes 100 a second. */
  readonly recycleAfter: number
  /** Pixels of a decoded image: a 748 KB PNG can unpack to 768 MB. */
  readonly imagePixels: number
  /** Bytes of an encoded image. */
  readonly imageBytes: number
  /** Bytes of a model with its external data. The `.onnx` file itself can have 2^31 - 1, which is what protobuf allows. */
  readonly modelBytes: number
  /** How long a model server that was there may be away before work stops. Half an hour: a node of a cluster is replaced in minutes. */
  readonly serverWaitMilliseconds: number
}

export const DEFAULT_LIMITS: InferenceLimits = {
  memoryBytes: 4 * 1024 ** 3,
  loadMilliseconds: 120_000,
  requestMilliseconds: 60_000,
  retries: 2,
  recycleAfter: 5000,
  ...decodeLimits(DEFAULT_IMAGE_LIMITS),
  modelBytes: 8 * 1024 ** 3,
  serverWaitMilliseconds: 1_800_000
}

/**
 * Resident memory that a worker may have unless the operator says: ONNX Runtime holds weights twice while it loads them (measured: 4.7 GiB for 2.2 GiB),
 * beside which half the usual limit is left for tensors. `weightBytes`: of the model with its external data.
 */
export function memoryFor(weightBytes: number): number {
  const { memoryBytes } = DEFAULT_LIMITS
  return Math.max(memoryBytes, memoryBytes / 2 + 2 * weightBytes)
}

/** Limits that an operator may set for a node. */
export type LocalLimits = Omit<InferenceLimits, keyof DecodeLimits>

/** Of the images of a dataset, by its manifest. */
export function decodeLimits({ maxPixels, maxBytes }: ImageLimits): DecodeLimits {
  return { imagePixels: maxPixels, imageBytes: maxBytes }
}

/** The same reasons for `coopt config`, by the name of the key. */
export const LOCAL_LIMIT_MEANINGS: Readonly<Record<keyof LocalLimits, string>> = {
  memoryBytes:
    'Resident memory at which the worker is killed. Unless it is set, a model of more than 1 GiB has 2 GiB and twice its weights: they are held twice while they load.',
  loadMilliseconds: 'Wall time to start the worker and load a model.',
  requestMilliseconds: 'Wall time of one batch, inspection or product.',
  retries: 'How often a request is sent again after its worker died.',
  recycleAfter: 'Requests after which the worker is replaced: leaks in native code were reported on some platforms.',
  modelBytes: 'Bytes of a model with its external data.',
  serverWaitMilliseconds: 'How long a model server that was there may be away before work stops.'
}
