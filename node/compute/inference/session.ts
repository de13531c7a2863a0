/**
 * ONNX Runtime in the worker: a loaded prior (images -> features) and the float64 product. `InferenceSession.create` and `run` block
 * the thread they are called on, which is why this runs in a process of its own.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type * as Runtime from 'onnxruntime-node'
import { InvalidImageError, InvalidPriorError } from '../../../src/errors.ts'
import { buildGemmModel } from '../../../src/optimize/gemm-model.ts'
import { createTensorWriter } from '../../../src/optimize/pixels.ts'
import { poolFeatures } from '../../../src/optimize/pooling.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import type { ImageDecoder } from './images.ts'
import type { EmbedRequest, GemmRequest, LoadReply, LoadRequest } from './messages.ts'

/** Two decodes in flight keep one core busy; more only hold memory. */
const DECODES = 2
/** 32 images at 32 px, 8 at 224 px: the memory of the activations, not speed, sets it. */
const SMALL_PIXELS = 64 * 64
const SMALL_BATCH = 32
const LARGE_BATCH = 8

/** Images per run of a model with this input. */
export function batchSize(height: number, width: number): number {
  return height * width <= SMALL_PIXELS ? SMALL_BATCH : LARGE_BATCH
}

export interface PriorSession {
  readonly facts: LoadReply
  /** images x l */
  embed(images: EmbedRequest['images'], decoder: ImageDecoder): Promise<Float32Array>
}

/** Throws `InvalidPriorError`: the file changed since it was scanned, or the runtime refuses it. */
export async function loadSession(request: LoadRequest): Promise<PriorSession> {
  const { input, preprocessing: p } = request
  const runtime = await import('onnxruntime-node')
  const bytes = await readChecked(request)
  const session = await create(runtime, bytes, request.threads)
  const writer = createTensorWriter(p, input)
  const shape = input.layout === 'nchw' ? [input.channels, p.height, p.width] : [p.height, p.width, input.channels]
  const perRun = input.batch ?? batchSize(p.height, p.width)
  const numbers = (n: number) => (input.elementType === 'uint8' ? new Uint8Array(n) : new Float32Array(n))

  const run = async (data: Float32Array | Uint8Array, count: number): Promise<Float32Array> => {
    const tensor = new runtime.Tensor(input.elementType, data, [count, ...shape])
    let output: Runtime.Tensor | undefined
    try {
      output = (await session.run({ [input.name]: tensor }, [request.tensor]))[request.tensor]
    } catch (cause) {
      throw new InvalidPriorError(`the model does not run: ${firstLine(cause)}`, { cause })
    }
    if (output === undefined || !(output.data instanceof Float32Array || output.data instanceof Float64Array)) {
      throw new InvalidPriorError(
        `tensor "${request.tensor}" holds ${output?.type ?? 'nothing'}, not floating-point numbers; choose another with --output`
      )
    }
    dims = output.dims.slice(1)
    return poolFeatures(output.data, output.dims, count, request.tokens)
  }
  let dims: number[] = []
  const started = performance.now()
  const probed = input.batch ?? 1
  const probe = await run(numbers(probed * writer.size), probed)
  const milliseconds = (performance.now() - started) / probed
  const dimension = probe.length / probed

  return {
    facts: { shape: dims, dimension, milliseconds },
    async embed(images, decoder) {
      const out = new Float32Array(images.length * dimension)
      for (let first = 0; first < images.length; first += perRun) {
        const part = images.slice(first, first + perRun)
        const rows = input.batch ?? part.length // a fixed batch is filled up with zeros
        const data = numbers(rows * writer.size)
        await decodeInto(part, decoder, (pixels, i) => writer.write(pixels, data, i * writer.size))
        const features = await run(data, rows)
        if (features.length !== rows * dimension) {
          throw new InvalidPriorError(
            `the size of the feature changes between images (${features.length / rows} and ${dimension})`
          )
        }
        out.set(features.subarray(0, part.length * dimension), first * dimension)
      }
      return out
    }
  }
}

async function decodeInto(
  images: EmbedRequest['images'],
  decoder: ImageDecoder,
  use: (pixels: Pixels, index: number) => void
): Promise<void> {
  let next = 0
  const decodeSome = async (): Promise<void> => {
    while (next < images.length) {
      const i = next++
      const image = images[i] as EmbedRequest['images'][number]
      try {
        use(await decoder.decode(image.bytes), i)
      } catch (cause) {
        if (!(cause instanceof InvalidImageError)) throw cause
        throw new InvalidImageError(`sample ${image.id}: ${cause.message}`, { cause })
      }
    }
  }
  await Promise.all(Array.from({ length: DECODES }, decodeSome))
}

/** The very bytes that the parent scanned, with the suffix appended: the file may have been exchanged meanwhile. */
async function readChecked({ path, sha256, suffix }: LoadRequest): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const bytes = Buffer.allocUnsafeSlow(size + suffix.byteLength)
    let at = 0
    while (at < size) {
      const { bytesRead } = await file.read(bytes, at, size - at, at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    if (createHash('sha256').update(bytes.subarray(0, at)).digest('hex') !== sha256) {
      throw new InvalidPriorError('the model file changed while it was in use; start again with the file that is meant')
    }
    bytes.set(suffix, size)
    return bytes
  } finally {
    await file.close()
  }
}

async function create(runtime: typeof Runtime, bytes: Uint8Array, threads: number): Promise<Runtime.InferenceSession> {
  try {
    return await runtime.InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // waiting threads sleep instead of spinning: less CPU for the same wall time
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } }
    })
  } catch (cause) {
    throw new InvalidPriorError(`ONNX Runtime refuses the model: ${firstLine(cause)}`, { cause })
  }
}

/** op(A) op(B) in float64; keeps the (at most four) tiny sessions. */
export function createGemmRunner(): (request: GemmRequest) => Promise<Float64Array> {
  const sessions = new Map<string, Promise<Runtime.InferenceSession>>()
  return async ({ a, b, transposeA, transposeB, threads }) => {
    const runtime = await import('onnxruntime-node')
    const key = `${transposeA} ${transposeB} ${threads}`
    const session = sessions.get(key) ?? create(runtime, buildGemmModel({ transposeA, transposeB }), threads)
    sessions.set(key, session)
    const tensor = (m: GemmRequest['a']) => new runtime.Tensor('float64', m.data, [m.rows, m.columns])
    const { c } = await (await session).run({ a: tensor(a), b: tensor(b) })
    if (!(c?.data instanceof Float64Array)) throw new TypeError('the product is not float64')
    return c.data
  }
}

const firstLine = (error: unknown): string =>
  ((error instanceof Error ? error.message : String(error)).split('\n')[0] as string).slice(0, 400)
