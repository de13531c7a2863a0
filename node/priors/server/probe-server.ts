/**
 * What is found by trying when a model behind a server is loaded: how tensors travel, how many images go together, what the feature is, and
 * whether the same images give the same features.
 */
import { InvalidPriorError } from '../../../src/errors.ts'
import { createTensorWriter } from '../../../src/optimize/pixels.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import type { TensorEncoding } from '../../compute/inference/messages.ts'
import { isSame, picture, planBatch } from '../../compute/inference/plan-batch.ts'
import { NUMBERS, tensorBytes } from '../../compute/inference/tensor-bytes.ts'
import { checkFinite } from '../check-finite.ts'
import { ServerStatusError } from './http-client.ts'
import type { ServerInterface } from './server-metadata.ts'

/** A tensor of `count` images -> what the model says of them: count x l. */
export type Infer = (
  tensor: Uint8Array,
  count: number,
  encoding: TensorEncoding
) => Promise<{ features: Float32Array; dims: readonly number[]; version?: string }>

export interface ServerPlan {
  readonly encoding: TensorEncoding
  /** Images per request */
  readonly rows: number
  /** l */
  readonly dimension: number
  /** Shape of the feature for one image */
  readonly shape: readonly number[]
  readonly milliseconds: number
  readonly alone?: string | undefined
  /** Of the model, where the server states it */
  readonly version?: string
  /** Asks for the feature of the first probe image again. Throws `InvalidPriorError` when it is another one. */
  check(infer: Infer): Promise<void>
}

/** Throws `InvalidPriorError` or `NonFiniteFeatureError` naming the probe image, and what `infer` throws. */
export async function probeServer(
  { input }: ServerInterface,
  preprocessing: Preprocessing,
  takesBinary: boolean,
  /** `once`: without another attempt after a failure */
  { infer, once }: { infer: Infer; once: Infer }
): Promise<ServerPlan> {
  const { height, width } = preprocessing
  const writer = createTensorWriter(preprocessing, input)
  const images = (count: number): Pixels[] =>
    Array.from({ length: count }, (_, i) => picture(height, width, input.channels, i % 2))
  const ask = async (pixels: readonly Pixels[], encoding: TensorEncoding, by = infer): ReturnType<Infer> => {
    const numbers = new NUMBERS[input.elementType](pixels.length * writer.size)
    pixels.forEach((image, i) => writer.write(image, numbers, i * writer.size))
    const answer = await by(tensorBytes(numbers, input.elementType, encoding), pixels.length, encoding)
    const l = answer.features.length / pixels.length
    pixels.forEach((_, i) => checkFinite(probeName(i), answer.features.subarray(i * l, (i + 1) * l)))
    return answer
  }

  const few = images(input.batch ?? 1)
  let encoding: TensorEncoding = 'binary'
  const first = await ask(few, encoding, takesBinary ? infer : once).catch(async (error: unknown) => {
    if (takesBinary || !isRefusal(error)) throw error
    encoding = 'json'
    return await ask(few, encoding)
  })
  const l = first.features.length / few.length
  const plan = await planBatch(input, preprocessing, async pixels => (await ask(pixels, encoding)).features)
  let { rows } = plan
  let full = images(rows)
  let one: Float32Array | undefined
  while (one === undefined)
    try {
      one = (await ask(full, encoding)).features
    } catch (error) {
      // a server has a largest batch that its metadata does not state
      if (!isRefusal(error) || input.batch !== undefined || rows === 1) throw error
      rows = Math.max(1, rows >> 1)
      full = images(rows)
    }
  const again = (await ask(full, encoding)).features
  for (let i = 0; i < rows; i++) compare(probeName(i), l, one.subarray(i * l), again.subarray(i * l))
  return {
    encoding,
    rows,
    dimension: l,
    shape: first.dims.slice(1),
    milliseconds: plan.milliseconds,
    alone: plan.alone,
    ...(first.version === undefined ? {} : { version: first.version }),
    async check(by) {
      const { features } = await ask(few, encoding, by)
      compare(probeName(0), l, first.features, features)
    }
  }
}

// --- internal ---

const probeName = (i: number): string => `probe image ${i + 1}`

/** The server answered, and did not do it. */
const isRefusal = (error: unknown): boolean => error instanceof InvalidPriorError || error instanceof ServerStatusError

function compare(name: string, l: number, one: Float32Array, other: Float32Array): void {
  if (isSame(one.subarray(0, l), other.subarray(0, l))) return
  throw new InvalidPriorError(
    `sample ${name}: asked twice, the server gave two features; the same image must have the same feature: switch off dropout and augmentation, and let one version of the model answer`
  )
}
