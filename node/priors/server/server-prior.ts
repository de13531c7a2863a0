/**
 * A prior that is a model behind a server (Open Inference protocol, also called KServe v2: Triton, KServe, MLServer, OpenVINO).
 *
 * Images are decoded and preprocessed here, in the same child process and by the same code as for a model that runs here; the server gets
 * tensors. What it answers is checked like anything from the network. A server that goes away is waited for.
 */
import { InferenceError, InvalidPriorError } from '../../../src/errors.ts'
import { matrix } from '../../../src/matrix.ts'
import { parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'
import type { EncodedImage, PriorModel } from '../../../src/optimize/prior.ts'
import { batches } from '../../compute/inference/batches.ts'
import { InferenceHost } from '../../compute/inference/host.ts'
import { DEFAULT_LIMITS, type InferenceLimits } from '../../compute/inference/limits.ts'
import { checkFinite } from '../check-finite.ts'
import { readConfig } from '../find-config.ts'
import { createHttpClient } from './http-client.ts'
import { answerBytes, FIRST_ANSWER_BYTES } from './infer-message.ts'
import { IN_FLIGHT, inferBy, transportText } from './infer-by.ts'
import { createModelApi, type ModelApi } from './model-api.ts'
import { createPatience, type Patience } from './patience.ts'
import { probeServer, type Infer, type ServerPlan } from './probe-server.ts'
import {
  interfaceOf,
  sameMetadata,
  serverModelId,
  type ModelMetadata,
  type ServerInterface
} from './server-metadata.ts'
import { isOpenToOthers, parseServerUrl } from './server-url.ts'

/** When a model is loaded somebody sits there: a wrong address is told soon, a server that is just starting is still found. */
const LOAD_WAIT_MS = 10_000
const MAX_NAME_CHARACTERS = 64

export interface ServerPriorOptions {
  readonly name?: string
  readonly license?: string
  readonly output?: string | undefined
  /** File with the settings of the images; without one ImageNet's are assumed */
  readonly preprocessing?: string | undefined
  readonly limits?: Partial<InferenceLimits>
  readonly scratch?: string
  /** Sent as `Authorization: Bearer`; in no message */
  readonly token?: string
  /** Ends loading; `embed` has its own */
  readonly signal?: AbortSignal
  /** Absences of the server, for people. @default nothing */
  onWarning?(message: string): void
}

export interface ServerPrior extends PriorModel {
  readonly url: string
  readonly metadata: ModelMetadata
  readonly interface: ServerInterface
  readonly preprocessing: Preprocessing
  readonly plan: ServerPlan
}

/**
 * Asks for the metadata, tries the model, and gives a prior that is ready. Close it after use.
 *
 * Throws `InvalidPriorError` when URL, metadata or answers cannot be used, `ModelUnavailableError` when the server is away, `InferenceError`
 * when it fails.
 */
export async function loadServerPrior(text: string, options: ServerPriorOptions = {}): Promise<ServerPrior> {
  const model = parseServerUrl(text)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const { token, signal, onWarning = () => undefined } = options
  if (token !== undefined && isOpenToOthers(model.server))
    onWarning(`the token is sent to ${model.server} unencrypted, where others may read it: use https`)
  const client = createHttpClient(model.server, {
    milliseconds: limits.requestMilliseconds,
    ...(token === undefined ? {} : { token })
  })
  const api = createModelApi(model, client)
  const atLoad = createPatience({
    waitMs: Math.min(LOAD_WAIT_MS, limits.serverWaitMilliseconds),
    retries: limits.retries,
    ready: async signal => await api.ready(signal),
    check: async () => undefined,
    onWarning
  })
  const described = async () => ({
    metadata: await api.metadata(signal),
    takesBinary: await api.takesBinary(signal),
    ready: await api.ready(signal)
  })
  const { metadata, takesBinary, ready } = await atLoad.attempt('the model cannot be used', described, signal)
  if (!ready) throw new InvalidPriorError(`${api.url}: the server says that the model is not ready: look at its log`)
  return await named(api.url, async () => {
    const face = interfaceOf(metadata, options.output)
    const preprocessing = await preprocessingFor(face, options.preprocessing)
    const once = inferBy(api, face, preprocessing, { maxBytes: FIRST_ANSWER_BYTES, ...(signal && { signal }) })
    const infer: Infer = async (...question) => {
      try {
        return await atLoad.attempt('probe images', async () => await once(...question), signal)
      } catch (error) {
        // a server that always fails on them refuses them
        if (error instanceof InferenceError) throw new InvalidPriorError(error.message, { cause: error })
        throw error
      }
    }
    const plan = await probeServer(face, preprocessing, takesBinary, { infer, once })
    return createServerPrior(
      {
        api,
        metadata,
        face,
        preprocessing,
        plan,
        limits,
        id: serverModelId(model, model.version ?? plan.version, metadata)
      },
      { ...options, name: options.name ?? model.name.slice(0, MAX_NAME_CHARACTERS), onWarning }
    )
  })
}

// --- internal ---

interface Loaded {
  readonly api: ModelApi
  readonly metadata: ModelMetadata
  readonly face: ServerInterface
  readonly preprocessing: Preprocessing
  readonly plan: ServerPlan
  readonly limits: InferenceLimits
  readonly id: PriorModel['descriptor']['id']
}

function createServerPrior(
  { api, metadata, face, preprocessing, plan, limits, id }: Loaded,
  { name, license, scratch, onWarning }: ServerPriorOptions & { name: string; onWarning(message: string): void }
): ServerPrior {
  const { dimension: l, rows, encoding } = plan
  const host = new InferenceHost({ limits, ...(scratch === undefined ? {} : { scratch }) })
  const count = (images: number): number => face.input.batch ?? images
  const numbers = plan.shape.reduce((product, size) => product * size, 1)

  const check = async (signal: AbortSignal | undefined): Promise<void> =>
    await named(api.url, async () => {
      if (!sameMetadata(metadata, await api.metadata(signal)))
        throw new InvalidPriorError(
          `the server came back with other metadata of the model than before: join again with the model that is meant`
        )
      await plan.check(
        inferBy(api, face, preprocessing, { maxBytes: FIRST_ANSWER_BYTES, plan, ...(signal && { signal }) })
      )
    })

  const embedPart = async (
    part: readonly EncodedImage[],
    patience: Patience,
    signal: AbortSignal
  ): Promise<Float32Array> => {
    const what = part.length === 1 ? `sample ${part[0]?.id}` : `samples ${part[0]?.id} to ${part.at(-1)?.id}`
    const { tensor } = await host.request(
      { type: 'prepare', images: part, input: face.input, preprocessing, count: count(part.length), encoding },
      { signal }
    )
    const infer = inferBy(api, face, preprocessing, {
      maxBytes: answerBytes(count(part.length) * numbers),
      plan,
      signal
    })
    const { features } = await patience.attempt(
      what,
      async () => await named(`${what}: ${api.url}`, async () => await infer(tensor, count(part.length), encoding)),
      signal
    )
    part.forEach((image, i) => checkFinite(image.id, features.subarray(i * l, (i + 1) * l)))
    return features.subarray(0, part.length * l)
  }

  return {
    url: api.url,
    metadata,
    interface: face,
    preprocessing,
    plan,
    descriptor: {
      kind: 'onnx',
      id,
      name,
      dimension: l,
      ...(license === undefined ? {} : { license }),
      feature: `${face.reason}, of ${api.url} by ${transportText(plan)}`,
      tensor: face.output,
      preprocessing,
      server: { protocol: 'open-inference-v2' }
    },
    async embed(images, { signal } = {}) {
      const data = new Float32Array(images.length * l)
      const patience = createPatience({
        waitMs: limits.serverWaitMilliseconds,
        retries: limits.retries,
        ready: async one => await api.ready(one),
        check,
        onWarning
      })
      // the first failure stops the other requests
      const failed = new AbortController()
      const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
      const parts = batches(images, image => image.bytes, rows)
      let row = 0
      const work = async (): Promise<void> => {
        for (const part of parts) {
          const at = row
          row += part.length
          data.set(await embedPart(part, patience, stop), at * l)
        }
      }
      await Promise.all(
        Array.from({ length: IN_FLIGHT }, async () => await work().catch((error: unknown) => failed.abort(error)))
      )
      signal?.throwIfAborted()
      failed.signal.throwIfAborted()
      return { features: matrix(images.length, l, data), absent: images.map(() => false) }
    },
    close: async () => await host.close()
  }
}

async function preprocessingFor({ input, notes }: ServerInterface, path: string | undefined): Promise<Preprocessing> {
  const config = path === undefined ? undefined : await readConfig(path)
  const parsed = parsePreprocessor(config?.value, input, config?.path)
  const all = [...notes, ...(parsed.notes ?? [])]
  return all.length === 0 ? parsed : { ...parsed, notes: all }
}

/** Says which model it is about. */
async function named<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (error instanceof InvalidPriorError && !error.message.startsWith(what))
      throw new InvalidPriorError(`${what}: ${error.message}`, { cause: error })
    throw error
  }
}
