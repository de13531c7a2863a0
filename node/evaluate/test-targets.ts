/**
 * Targets of images that are in no dataset, for testing what was learned from one: by priors, aligned as participants align, or by a linear
 * student, which learned the dataset's targets from the features of the bundled untrained network.
 */
import { DEFAULT_GRID, applyTransform, fitTransform, type Transform } from '../../src/align/transform.ts'
import { NumericError, InvalidInputError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import type { EncodedImage, PriorModel } from '../../src/optimize/prior.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { Content } from '../content/content.ts'
import type { MergedRows } from '../merge/merged-rows.ts'
import { createOptimizer } from '../priors/compute-targets.ts'
import type { LabelledImage } from './labelled-images.ts'
import type { LabelledSample } from './sample-rows.ts'

/** Turns images into rows of the dataset's space. */
export interface TargetMaker {
  readonly name: string
  /** Of the fit behind it, leave-one-out */
  readonly looR2: number
  embed(images: EncodedImage[]): Promise<Matrix32>
}

export interface MakerInit {
  readonly gemm: Gemm
  readonly batchSize: number
  onImage(done: number, total: number): void
  readonly signal: AbortSignal
}

/** A prior as a participant would run it: on S, aligned to the reference, then on any image. Throws what the prior throws. */
export async function alignedPrior(
  prior: PriorModel,
  { swarm, reference, content }: { swarm: Swarm; reference: Matrix32; content: Content },
  init: MakerInit
): Promise<TargetMaker> {
  const { descriptor } = prior
  if (descriptor.kind === 'human')
    throw new InvalidInputError(`${descriptor.name} is a label file and says nothing of images that it does not name`)
  const { shared, alignment } = swarm.manifest
  const optimizer = createOptimizer({ swarm, prior, batchSize: init.batchSize })
  const embed = async (images: EncodedImage[]): Promise<Matrix32> => await optimizer.embed(images, init.signal)
  const from = await collect(content.samples(shared, 0, init.signal), shared.rows, embed, init)
  const transform = await fit(descriptor.name, from, reference, alignment.grid, init.gemm)
  return {
    name: descriptor.name,
    looR2: transform.looR2,
    embed: async images => await applyTransform(transform, await embed(images), init.gemm)
  }
}

/** Ridge from a network's features to the targets of the sampled rows, whose images are read again. Throws what the prior throws. */
export async function linearStudent(
  prior: PriorModel,
  { merged, sample }: { merged: MergedRows; sample: LabelledSample },
  init: MakerInit
): Promise<TargetMaker> {
  const places = new Map(sample.ids.map((id, i) => [id, i]))
  const embed = async (images: EncodedImage[]): Promise<Matrix32> =>
    (await prior.embed(images, { signal: init.signal })).features
  const order: number[] = []
  const images = async function* (): AsyncGenerator<EncodedImage> {
    for (const shard of merged.shards)
      for await (const { id, image } of shard.rows()) {
        const place = places.get(id)
        if (place === undefined) continue
        places.delete(id) // an image that occurs again was sampled once
        order.push(place)
        yield { id, bytes: image }
      }
  }
  const from = await collect(images(), sample.ids.length, embed, init)
  const { targets } = sample
  const to = matrix(targets.rows, targets.columns, new Float32Array(targets.data.length))
  order.forEach((place, i) => to.data.set(row(targets, place), i * targets.columns))
  const transform = await fit('linear student', from, to, DEFAULT_GRID, init.gemm)
  return {
    name: 'linear student',
    looR2: transform.looR2,
    embed: async batch => await applyTransform(transform, await embed(batch), init.gemm)
  }
}

/** Images without those that are known: what was learned from must not be tested on, nor one image twice. */
export async function* unknownImages(
  images: AsyncIterable<LabelledImage>,
  known: Iterable<string>,
  onKnown: () => void
): AsyncGenerator<LabelledImage> {
  const seen = new Set(known)
  for await (const image of images) {
    if (seen.has(image.id)) onKnown()
    else yield image
    seen.add(image.id)
  }
}

/** Every maker's targets of all images, which are read once, batch by batch. */
export async function targetsOf(
  makers: readonly TargetMaker[],
  images: AsyncIterable<LabelledImage>,
  { batchSize, signal }: MakerInit,
  onImage: (done: number) => void
): Promise<{ labels: number[]; targets: Matrix32[] }> {
  const labels: number[] = []
  const parts = makers.map((): Matrix32[] => [])
  let batch: LabelledImage[] = []
  const flush = async (): Promise<void> => {
    signal.throwIfAborted()
    for (const [i, maker] of makers.entries()) parts[i]?.push(await maker.embed(batch))
    labels.push(...batch.map(({ label }) => label))
    batch = []
    onImage(labels.length)
  }
  for await (const image of images) {
    batch.push(image)
    if (batch.length >= batchSize) await flush()
  }
  if (batch.length > 0) await flush()
  return { labels, targets: parts.map(joined) }
}

// --- internal ---

async function collect(
  images: AsyncIterable<EncodedImage>,
  total: number,
  embed: (images: EncodedImage[]) => Promise<Matrix32>,
  { batchSize, onImage, signal }: MakerInit
): Promise<Matrix32> {
  const parts: Matrix32[] = []
  let batch: EncodedImage[] = []
  let done = 0
  const flush = async (): Promise<void> => {
    signal.throwIfAborted()
    parts.push(await embed(batch))
    done += batch.length
    batch = []
    onImage(done, total)
  }
  for await (const { id, bytes } of images) {
    batch.push({ id, bytes })
    if (batch.length >= batchSize) await flush()
  }
  if (batch.length > 0) await flush()
  return joined(parts)
}

function joined(parts: readonly Matrix32[]): Matrix32 {
  const columns = parts[0]?.columns ?? 0
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let at = 0
  for (const part of parts) {
    data.set(part.data, at)
    at += part.data.length
  }
  return matrix(columns === 0 ? 0 : data.length / columns, columns, data)
}

async function fit(
  name: string,
  from: Matrix32,
  to: Matrix32,
  grid: readonly number[],
  gemm: Gemm
): Promise<Transform> {
  try {
    return await fitTransform({ from, to, grid, gemm })
  } catch (cause) {
    if (!(cause instanceof NumericError)) throw cause
    throw new InvalidInputError(`${name} cannot be aligned: ${cause.message}`, { cause })
  }
}
