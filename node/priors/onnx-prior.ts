/** A prior that is a network in an ONNX file: scanned here, run in the worker. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { InferenceError, InvalidPriorError } from '../../src/errors.ts'
import { matrix } from '../../src/matrix.ts'
import { chooseFeature, outputName, outputSuffix, type FeatureChoice } from '../../src/optimize/feature-choice.ts'
import { foreignFile } from '../../src/optimize/foreign-file.ts'
import type { ModelFacts } from '../../src/optimize/onnx-facts.ts'
import { MAX_MODEL_BYTES, scanModel } from '../../src/optimize/onnx-model.ts'
import { parsePreprocessor } from '../../src/optimize/preprocess.ts'
import type { Preprocessing } from '../../src/optimize/preprocessing.ts'
import type { PriorDevice, PriorModel } from '../../src/optimize/prior.ts'
import { batches, MAX_IMAGES } from '../compute/inference/batches.ts'
import { checkFinite } from './check-finite.ts'
import { readExternalFiles, readHead, type DataFile } from '../compute/inference/external-data.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'
import type { ConfigFile } from './find-config.ts'
import { chooseDevice } from '../compute/inference/devices.ts'
import { InferenceHost } from '../compute/inference/host.ts'
import { defaultThreads, type MachineShare } from '../compute/inference/machine.ts'
import { batchSize } from '../compute/inference/plan-batch.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'
import { BYTES_OF } from '../compute/inference/tensor-bytes.ts'
import type { LoadReply, LoadRequest } from '../compute/inference/messages.ts'

/** Images in a call, by the default of `batchSize` */
const USUAL_CALL = 32
/** Of the memory of the inference process, for tensors that wait for the model: 512 MiB by default, 27 calls of 224 px. The rest is the model's. */
const TENSOR_SHARE = 1 / 8

export interface OnnxOptions extends MachineShare {
  readonly name: string
  readonly license?: string
  /** The tensor to take, else `chooseFeature` decides. */
  readonly output?: string
  readonly limits?: Partial<InferenceLimits>
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string
}

/** A model file that passed the scan. */
export interface ScannedModel {
  readonly path: string
  readonly digest: Uint8Array
  /** Of the file itself */
  readonly bytes: number
  /** Weights outside the file; empty for most models. */
  readonly data: readonly DataFile[]
  readonly facts: ModelFacts
  readonly choice: FeatureChoice
  readonly preprocessing: Preprocessing
}

export interface OnnxPrior extends PriorModel {
  readonly device: PriorDevice
  readonly model: ScannedModel
  /** Shape of the feature before pooling, without the batch; time of the model alone. */
  readonly loaded: LoadReply
  /** For `inspectImages` and products beside the model. */
  readonly host: InferenceHost
}

/**
 * Read a model file once: hash, scan, choice of the feature, preprocessing. The bytes are let go of; the worker reads the file again
 * and checks the hash. `maxBytes`: of the file with its external data. Throws `InvalidPriorError`.
 */
export async function scanModelFile(
  path: string,
  config: ConfigFile | undefined,
  options: { output?: string; maxBytes: number }
): Promise<ScannedModel> {
  await checkModelSize(path, options.maxBytes)
  const foreign = foreignFile(await readHead(path))
  if (foreign !== undefined) throw new InvalidPriorError(`${path}: not an ONNX model: ${foreign}`)
  const bytes = await readFile(path)
  const facts = named(path, () => scanModel(bytes, { maxBytes: options.maxBytes }))
  const choice = named(path, () => chooseFeature(facts, options.output === undefined ? {} : { output: options.output }))
  const parsed = parsePreprocessor(config?.value, facts.image, config?.path)
  const notes = [...(config?.notes ?? []), ...(parsed.notes ?? [])]
  const preprocessing = notes.length === 0 ? parsed : { ...parsed, notes }
  const data = await readExternalFiles(path, facts.external, options.maxBytes - bytes.byteLength)
  const digest = createHash('sha256').update(bytes).digest()
  return { path, digest, bytes: bytes.byteLength, data, facts, choice, preprocessing }
}

/** By the file's size alone, before anything of it is read. Throws `InvalidPriorError`. */
export async function checkModelSize(path: string, maxBytes: number): Promise<void> {
  const { size } = await stat(path)
  if (size > MAX_MODEL_BYTES)
    throw new InvalidPriorError(
      `${path} has ${size} bytes, and no ONNX file can have more than ${MAX_MODEL_BYTES} (protobuf's limit): save the model with its weights outside, onnx.save_model(model, "model.onnx", save_as_external_data=True)`
    )
  if (size > maxBytes)
    throw new InvalidPriorError(
      `${path} has ${size} bytes, at most ${maxBytes} are accepted; use a smaller model or raise the limit (inference.modelBytes)`
    )
}

/**
 * Start a worker and load the model. Throws `InvalidInputError` for a device that cannot be used, `InvalidPriorError` or `InferenceError`; nothing is left
 * running then.
 */
export async function createOnnxPrior(model: ScannedModel, options: OnnxOptions): Promise<OnnxPrior> {
  const { choice, facts, preprocessing } = model
  const { limits, scratch, machine = {} } = options
  const device = await chooseDevice(options.device, machine, { limits, scratch })
  const host = new InferenceHost({
    ...(device.took === 'cpu' ? {} : { accelerator: machine }),
    weightBytes: model.data.reduce((sum, data) => sum + data.bytes, model.bytes),
    ...(limits === undefined ? {} : { limits }),
    ...(scratch === undefined ? {} : { scratch }),
    ...(options.workers === undefined ? {} : { workers: options.workers })
  })
  const request: LoadRequest = {
    type: 'load',
    path: model.path,
    sha256: Buffer.from(model.digest).toString('hex'),
    data: model.data.map(({ location, digest }) => ({ location, sha256: Buffer.from(digest).toString('hex') })),
    suffix: outputSuffix(choice),
    tensor: outputName(choice),
    tokens: choice.tokens,
    input: facts.image,
    preprocessing,
    threads: options.threads ?? defaultThreads(),
    batch: options.batch ?? batchSize(facts.image.channels, preprocessing, limits?.memoryBytes),
    device: device.took
  }
  let loaded: LoadReply
  try {
    loaded = await host.load(request)
  } catch (error) {
    await host.close()
    throw error
  }
  const l = loaded.dimension
  const { channels, elementType } = facts.image
  const tensors = preprocessing.height * preprocessing.width * channels * BYTES_OF[elementType] * USUAL_CALL
  return {
    model,
    loaded,
    host,
    device: { ...device, ...(loaded.placement === undefined ? {} : { placement: loaded.placement }) },
    descriptor: {
      kind: 'onnx',
      id: sha256Cid(model.digest),
      ...(model.data.length === 0
        ? {}
        : { data: model.data.map(({ location, digest }) => ({ location, cid: sha256Cid(digest) })) }),
      name: options.name,
      dimension: l,
      ...(options.license === undefined ? {} : { license: options.license }),
      feature: choice.reason,
      tensor: choice.tensor,
      preprocessing
    },
    async embed(images, embedOptions = {}) {
      const data = new Float32Array(images.length * l)
      let row = 0
      for (const part of batches(images, image => image.bytes, Math.max(MAX_IMAGES, loaded.rows))) {
        const { features } = await host.request({ type: 'embed', images: part }, embedOptions)
        if (features.length !== part.length * l) {
          throw new InferenceError(`the worker sent ${features.length} numbers for ${part.length} images of ${l}`)
        }
        part.forEach(({ id }, i) => checkFinite(id, features.subarray(i * l, (i + 1) * l)))
        data.set(features, row * l)
        row += part.length
      }
      return { features: matrix(images.length, l, data), absent: images.map(() => false) }
    },
    callsAtOnce: Math.max(
      2,
      Math.min(host.callsAtOnce, Math.floor((host.limits.memoryBytes * TENSOR_SHARE) / tensors))
    ),
    close: () => host.close()
  }
}

/** Errors of the pure parts say what; this says which file. */
function named<T>(path: string, task: () => T): T {
  try {
    return task()
  } catch (error) {
    if (!(error instanceof InvalidPriorError)) throw error
    throw new InvalidPriorError(`${path}: ${error.message}`, { cause: error })
  }
}
