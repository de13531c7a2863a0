/**
 * A prior loaded in the worker: images -> features. Creating and running a session of ONNX Runtime blocks the thread, which is why this
 * runs in a process of its own.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type * as Runtime from 'onnxruntime-node'
import { InvalidPriorError } from '../../../src/errors.ts'
import { createTensorWriter } from '../../../src/optimize/pixels.ts'
import { poolFeatures } from '../../../src/optimize/pooling.ts'
import type { Decoders } from './decoders.ts'
import { externalPath, hashFile } from './external-data.ts'
import type { EmbedRequest, LoadReply, LoadRequest } from './messages.ts'
import { planBatch, type Probe } from './plan-batch.ts'
import { NUMBERS, type TensorNumbers } from './tensor-bytes.ts'
import { deviceText, parseDevice } from '../../api/device-name.ts'
import { ranOn, readPlacement } from './device-probe.ts'
import { createSession, floatingPoint, loadRuntime, reason } from './runtime-session.ts'

export interface PriorSession {
  readonly facts: LoadReply
  /** Has the images decoded from now on; what comes back runs the model on them: images x l. Throws `InvalidImageError` naming the sample. */
  embed(images: EmbedRequest['images'], decoders: Decoders): () => Promise<Float32Array>
}

/** Throws `InvalidPriorError`: a file changed since it was scanned, or the runtime refuses the model. */
export async function loadSession(request: LoadRequest): Promise<PriorSession> {
  const { input, preprocessing: p } = request
  const runtime = await loadRuntime()
  const bytes = await readChecked(request)
  await checkData(request)
  const device = parseDevice(request.device)
  if (device === 'auto') throw new Error('a device must be chosen before a model is loaded')
  const session = await createSession(runtime, bytes, {
    device,
    threads: request.threads,
    ...(request.data.length === 0 ? {} : { folder: dirname(request.path) })
  })
  const writer = createTensorWriter(p, input)
  const shape = input.layout === 'nchw' ? [input.channels, p.height, p.width] : [p.height, p.width, input.channels]
  const numbers = (count: number) => new NUMBERS[input.elementType](count * writer.size)
  let dims: number[] = []

  const run = async (data: TensorNumbers, count: number): Promise<Float32Array> => {
    const tensor = new runtime.Tensor(input.elementType, data, [count, ...shape])
    let output: Runtime.Tensor | undefined
    try {
      output = (await session.run({ [input.name]: tensor }, [request.tensor]))[request.tensor]
    } catch (cause) {
      throw new InvalidPriorError(`the model does not run with a batch of ${count}: ${reason(cause)}`, { cause })
    }
    const values = output === undefined ? undefined : floatingPoint(output)
    if (output === undefined || values === undefined) {
      throw new InvalidPriorError(
        `tensor "${request.tensor}" holds ${output?.type ?? 'nothing'}, not floating-point numbers; choose another with --output`
      )
    }
    dims = output.dims.slice(1)
    return poolFeatures(values, output.dims, count, request.tokens)
  }

  const probe: Probe = async images => {
    const data = numbers(images.length)
    images.forEach((image, i) => writer.write(image, data, i * writer.size))
    return await run(data, images.length)
  }
  const { rows, milliseconds, dimension, alone } = await planBatch(input, p, probe, request.batch)
  const placement = device.name === 'cpu' ? undefined : await readPlacement(session)
  if (placement !== undefined && !ranOn(device.name, placement))
    throw new InvalidPriorError(
      `ONNX Runtime runs all of the model on the CPU and nothing on ${deviceText(device)}, which has none of its operators: leave --device out`
    )

  return {
    facts: {
      shape: dims,
      dimension,
      rows,
      milliseconds,
      ...(alone === undefined ? {} : { alone }),
      ...(placement === undefined ? {} : { placement })
    },
    embed(images, decoders) {
      const parts: { readonly first: number; readonly length: number; readonly data: Promise<TensorNumbers> }[] = []
      for (let first = 0; first < images.length; first += rows) {
        const part = images.slice(first, first + rows)
        const data = decoders.numbers(part, { input, preprocessing: p, count: input.batch ?? part.length })
        data.catch(() => undefined) // thrown when its turn comes
        parts.push({ first, length: part.length, data })
      }
      return async () => {
        const out = new Float32Array(images.length * dimension)
        for (const { first, length, data } of parts) {
          const count = input.batch ?? length // a fixed batch is filled up with zeros
          const features = await run(await data, count)
          if (features.length !== count * dimension) {
            throw new InvalidPriorError(
              `the size of the feature changes between images (${features.length / count} and ${dimension})`
            )
          }
          out.set(features.subarray(0, length * dimension), first * dimension)
        }
        return out
      }
    }
  }
}

// --- internal ---

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

/** Files of weights as the parent hashed them; the runtime reads them by itself right after. */
async function checkData({ path, data }: LoadRequest): Promise<void> {
  for (const { location, sha256 } of data) {
    if (Buffer.from(await hashFile(externalPath(path, location))).toString('hex') !== sha256)
      throw new InvalidPriorError(`${location} changed while it was in use; start again with the files that are meant`)
  }
}
