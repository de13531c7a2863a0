/**
 * How many images go through a model at once, found by trying: a batch that is declared as any may be fixed inside, and a model that
 * quantises its activations over the whole batch gives an image another feature in other company.
 */
import { InvalidPriorError } from '../../../src/errors.ts'
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import type { Size } from '../../../src/optimize/preprocessing.ts'
import type { Pixels } from '../../../src/optimize/resize.ts'
import { DEFAULT_LIMITS } from './limits.ts'

/** More cost memory and time to wait, and are no faster on a processor. */
const MOST_IMAGES = 32
/** A run may take this share of the memory that the process may have: weights are held about twice while they are loaded. */
const RUN_SHARE = 1 / 12
/** Numbers held at the widest place of a network (VGG, EfficientNet, with what the convolution there unfolds), by those of its input */
const ACTIVATIONS = 70
/**
 * Largest distance of two features of one image in different company, relative to their length. Other kernels for another batch differ by
 * 1e-6, in float16 by 1e-3; activations quantised together by a hundredth and more.
 */
const SAME = 4e-3

/** images -> images x l */
export type Probe = (images: readonly Pixels[]) => Promise<Float32Array>

export interface BatchPlan {
  /** Images per run. */
  readonly rows: number
  /** l */
  readonly dimension: number
  /** Of the model alone, per image. */
  readonly milliseconds: number
  /** Why it is one, although the model declares any number. */
  readonly alone?: string | undefined
}

/** Images per run of a model with this input, by the memory of its process: 32 at 32 px, 8 at 224 px, 2 at 384 px for 4 GiB. */
export function batchSize(channels: number, { height, width }: Size, memoryBytes = DEFAULT_LIMITS.memoryBytes): number {
  const image = channels * height * width * Float32Array.BYTES_PER_ELEMENT * ACTIVATIONS
  return Math.max(1, Math.min(MOST_IMAGES, Math.floor((memoryBytes * RUN_SHARE) / image)))
}

/** `wanted`: images per run of a model that takes any number. Throws `InvalidPriorError` when the model does not run, or no batch gives an image a feature of its own. */
export async function planBatch(
  { batch, channels }: Pick<ImageInput, 'batch' | 'channels'>,
  { height, width }: Size,
  probe: Probe,
  wanted = batchSize(channels, { height, width })
): Promise<BatchPlan> {
  const [a, b] = [0, 1].map(seed => picture(height, width, channels, seed)) as [Pixels, Pixels]
  const fill = (images: readonly Pixels[]) =>
    Array.from({ length: batch ?? images.length }, (_, i) => images[i] ?? picture(height, width, channels))
  const started = performance.now()
  const first = await probe(fill([a])).catch((error: unknown) => {
    if (batch !== undefined || !(error instanceof InvalidPriorError)) throw error
    throw new InvalidPriorError(
      `${error.message}; if its batch is fixed inside although the input is declared with any: export it again with a dynamic batch (torch.onnx.export(…, dynamic_axes={"pixel_values": {0: "batch"}})) and without constant reshapes`,
      { cause: error }
    )
  })
  const milliseconds = (performance.now() - started) / (batch ?? 1)
  const dimension = first.length / (batch ?? 1)
  const plan = { rows: batch ?? wanted, dimension, milliseconds }
  if (batch === 1) return plan
  const together = await probe(fill([a, b])).catch((error: unknown) => {
    if (error instanceof InvalidPriorError) return undefined
    throw error
  })
  if (together === undefined)
    return { ...plan, rows: 1, alone: 'its batch is fixed at 1 inside, although it is declared as any' }
  if (isSame(first.subarray(0, dimension), together.subarray(0, dimension))) return plan
  if (batch !== undefined)
    throw new InvalidPriorError(
      `the feature of an image depends on the others in its batch, which is fixed at ${batch}: export the model with a batch of 1, or quantise it statically`
    )
  return { ...plan, rows: 1, alone: 'in a batch the feature of an image depends on the others (dynamic quantisation)' }
}

/** Are these two features of one image, up to rounding? */
export function isSame(one: Float32Array, other: Float32Array): boolean {
  if (one.length !== other.length) return false
  let [difference, length] = [0, 0]
  for (let i = 0; i < one.length; i++) {
    const v = one[i] as number
    difference += (v - (other[i] as number)) ** 2
    length += v * v
  }
  return !(Math.sqrt(difference) > SAME * Math.sqrt(length))
}

/** A gradient with some texture; black without a seed. Two seeds have different ranges, as two photos have. */
export function picture(height: number, width: number, channels: number, seed?: number): Pixels {
  const data = new Uint8Array(height * width * channels)
  if (seed !== undefined)
    for (let i = 0; i < data.length; i++) {
      const x = Math.floor(i / channels) % width
      data[i] = seed === 0 ? 64 + (x * 96) / width + ((i * 2_654_435_761) % 32) : (i * 40_503) % 256
    }
  return { data, height, width, channels }
}
