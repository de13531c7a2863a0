/** A prior that is a network in an ONNX file: scanned here, run in the worker. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { InferenceError, InvalidPriorError, NonFiniteFeatureError } from '../../src/errors.ts'
import { matrix } from '../../src/matrix.ts'
import { chooseFeature, outputSuffix, type FeatureChoice } from '../../src/optimize/feature-choice.ts'
import type { ModelFacts } from '../../src/optimize/onnx-facts.ts'
import { scanModel } from '../../src/optimize/onnx-model.ts'
import { parsePreprocessor, type Preprocessing } from '../../src/optimize/preprocess.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'
import { batches } from '../compute/inference/batches.ts'
import { sha256Cid } from '../compute/inference/file-cid.ts'
import { InferenceHost } from '../compute/inference/host.ts'
import type { InferenceLimits } from '../compute/inference/limits.ts'
import type { LoadReply, LoadRequest } from '../compute/inference/messages.ts'

export interface OnnxOptions {
  readonly name: string
  readonly license?: string
  /** The tensor to take, else `chooseFeature` decides. */
  readonly output?: string
  /** Threads of a single operator. */
  readonly threads: number
  readonly limits?: Partial<InferenceLimits>
  /** Folder for the working directories of inference processes. @default the system's */
  readonly scratch?: string
}

/** A model file that passed the scan. */
export interface ScannedModel {
  readonly path: string
  readonly digest: Uint8Array
  readonly facts: ModelFacts
  readonly choice: FeatureChoice
  readonly preprocessing: Preprocessing
}

export interface OnnxPrior extends PriorModel {
  readonly model: ScannedModel
  /** Shape of the feature before pooling, without the batch; time of the model alone. */
  readonly loaded: LoadReply
  /** For `inspectImages` and products beside the model. */
  readonly host: InferenceHost
}

/**
 * Read a model file once: hash, scan, choice of the feature, preprocessing. The bytes are let go of; the worker reads the file again
 * and checks the hash. Throws `InvalidPriorError`.
 */
export async function scanModelFile(
  path: string,
  config: unknown,
  options: { output?: string; maxBytes: number }
): Promise<ScannedModel> {
  const { size } = await stat(path)
  if (size > options.maxBytes) {
    throw new InvalidPriorError(
      `${path} has ${size} bytes, at most ${options.maxBytes} are accepted; use a smaller model`
    )
  }
  const bytes = await readFile(path)
  const facts = named(path, () => scanModel(bytes, { maxBytes: options.maxBytes }))
  const choice = named(path, () => chooseFeature(facts, options.output === undefined ? {} : { output: options.output }))
  const preprocessing = parsePreprocessor(config, facts.image)
  return { path, digest: createHash('sha256').update(bytes).digest(), facts, choice, preprocessing }
}

/** Start a worker and load the model. Throws `InvalidPriorError` or `InferenceError`; nothing is left running then. */
export async function createOnnxPrior(model: ScannedModel, options: OnnxOptions): Promise<OnnxPrior> {
  const { choice, facts, preprocessing } = model
  const host = new InferenceHost({
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.scratch === undefined ? {} : { scratch: options.scratch })
  })
  const request: LoadRequest = {
    type: 'load',
    path: model.path,
    sha256: Buffer.from(model.digest).toString('hex'),
    suffix: choice.hidden ? outputSuffix(choice.tensor) : new Uint8Array(0),
    tensor: choice.tensor,
    tokens: choice.tokens,
    input: facts.image,
    preprocessing,
    threads: options.threads
  }
  let loaded: LoadReply
  try {
    loaded = await host.load(request)
  } catch (error) {
    await host.close()
    throw error
  }
  const l = loaded.dimension
  return {
    model,
    loaded,
    host,
    descriptor: {
      kind: 'onnx',
      id: sha256Cid(model.digest),
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
      for (const part of batches(images, image => image.bytes)) {
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
    close: () => host.close()
  }
}

function checkFinite(id: string, features: Float32Array): void {
  const at = features.findIndex(v => !Number.isFinite(v))
  if (at < 0) return
  throw new NonFiniteFeatureError(
    `sample ${id}: feature ${at} of the prior is ${features[at]}; the model cannot be used on this image`
  )
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
