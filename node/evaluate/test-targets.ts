/**
 * Targets of test images outside the dataset: from priors, aligned as participants align, or from a linear student, which learned the dataset's
 * targets from the features of the bundled untrained network.
 */
import { DEFAULT_GRID, applyTransform, fitTransform, type Transform } from '../../src/align/transform.ts'
import { NumericError, InvalidInputError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { matrix, row, type Matrix32 } from '../../src/matrix.ts'
import type { EncodedImage, PriorModel } from '../../src/optimize/prior.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { ContentReader } from '../content/read-content.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import type { Projector } from '../compute/projection/projector.ts'
import { createTargetComputer } from '../priors/compute-targets.ts'
import { embedByEach, embedSamples, type Embed, type EmbedOptions } from '../priors/embed-samples.ts'
import type { LabelledImage } from './labelled-images.ts'
import type { LabelledSample } from './sample-rows.ts'

/** Turns images into rows of the dataset's space. */
export interface TargetMaker {
  readonly name: string
  /** Leave-one-out R2 of the underlying fit */
  readonly looR2: number
  readonly embed: Embed
}

export interface MakerInit extends EmbedOptions {
  readonly gemm: Gemm
}

/** A prior as a participant would run it: on S, aligned to the reference, then on any image. Throws what the prior throws. */
export async function alignedPrior(
  prior: PriorModel,
  {
    swarm,
    reference,
    content,
    projector
  }: { swarm: Swarm; reference: Matrix32; content: Pick<ContentReader, 'samples'>; projector: Projector },
  init: MakerInit
): Promise<TargetMaker> {
  const { descriptor } = prior
  if (descriptor.kind !== 'onnx')
    throw new InvalidInputError(
      `${descriptor.name} is a ${descriptor.kind === 'human' ? 'label file' : 'table of vectors'} and has no targets for images that it does not name: give a model`
    )
  const { shared, alignment } = swarm.manifest
  const computer = createTargetComputer({ swarm, prior, projector, batchSize: init.batchSize })
  const from = await computer.ofSamples(content.samples(shared, 0, init.signal), shared.rows, init)
  const transform = await fit(descriptor.name, from, reference, alignment.grid, init.gemm)
  return {
    name: descriptor.name,
    looR2: transform.looR2,
    embed: async images => await applyTransform(transform, await computer.ofImages(images, init.signal), init.gemm)
  }
}

/** Ridge from a network's features to the targets of the sampled rows, whose images are read again. Throws what the prior throws. */
export async function linearStudent(
  prior: PriorModel,
  { merged, sample }: { merged: OpenMerged; sample: LabelledSample },
  init: MakerInit
): Promise<TargetMaker> {
  const places = new Map(sample.ids.map((id, i) => [id, i]))
  const embed: Embed = async images => (await prior.embed(images, { signal: init.signal })).features
  const order: number[] = []
  const images = async function* (): AsyncGenerator<EncodedImage> {
    for (const shard of merged.shards)
      for await (const { id, image } of shard.rows()) {
        const place = places.get(id)
        if (place === undefined) continue
        places.delete(id) // a duplicate image was sampled once
        order.push(place)
        yield { id, bytes: image }
      }
  }
  const from = await embedSamples(images(), sample.ids.length, embed, init)
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

/** Drops known and duplicate images: tests must not use training images, nor an image twice. */
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

/** Every maker's targets of all images. Images are read once, batch by batch. */
export async function targetsOf(
  makers: readonly TargetMaker[],
  images: AsyncIterable<LabelledImage>,
  options: EmbedOptions
): Promise<{ labels: number[]; targets: Matrix32[] }> {
  const embeds = makers.map(({ embed }) => embed)
  const { samples, targets } = await embedByEach(images, embeds, options)
  return { labels: samples.map(({ label }) => label), targets }
}

// --- internal ---

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
