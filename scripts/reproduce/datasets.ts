/** Three image sets that have little in common, with the priors' features and the accuracy of each prior. */
import { stat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { InvalidInputError } from '../../src/errors.ts'
import { plainGemm } from '../../src/gemm.ts'
import { matrix, type Matrix32 } from '../../src/matrix.ts'
import { rawCid } from '../../src/codec.ts'
import { project, projection } from '../../src/optimize/projection.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'
import { bundledPrior } from '../../node/priors/bundled.ts'
import { ridgeProbe } from '../../node/evaluate/ridge-probe.ts'
import { takeImages } from '../../node/lab/simulate/draw.ts'
import { featuresOf } from '../../node/lab/simulate/feature-cache.ts'
import { openImages, readLabels, type ImageLabels } from '../../node/lab/simulate/image-set.ts'

export interface Dataset {
  readonly name: string
  /** Of the bundled reference prior, images x d */
  readonly reference: Matrix32
  /** By prior, images x l */
  readonly features: ReadonlyMap<string, Matrix32>
  /** Priors that take part in elections, in the order of the table */
  readonly swarm: readonly string[]
  /** Accuracy of each prior on these images, 0 to 1; see `NOTE` */
  readonly quality: ReadonlyMap<string, number>
  /** Of every image, for evaluation; only flowers have them here */
  readonly labels?: ImageLabels
}

export interface DatasetOptions {
  /** The folder with cifar10/, flowers/, photos/, priors/ and priors-imagenet/ */
  readonly data: string
  /** Of computed features */
  readonly cache: string
  /** Leave out the features of priors that take no part in elections, which may take minutes */
  readonly swarmOnly?: boolean
  readonly signal: AbortSignal
  onProgress(text: string): void
}

export const NOTE =
  'How good a prior is: on CIFAR-10 the linear probe of zoo.json, on flowers a ridge probe of its features of 3,000 images, on photos (1,000 classes, one image each) its ImageNet accuracy for the two EfficientNets, and for the others, which cannot tell ImageNet classes apart, a hundredth of their probe on CIFAR-10.'

const ZOO = ['resnet20', 'mobilenet', 'vgg_small', 'resnet20_ep2', 'vit_tiny', 'simclr_conv', 'superclass2'] as const
const IMAGENET = ['lite0', 'lite2'] as const
/** Top-1 on every fifth of the photos, from the data's README. */
const IMAGENET_ACCURACY: Readonly<Record<(typeof IMAGENET)[number], number>> = { lite0: 0.83, lite2: 0.85 }
export const NOISE = 'noise_hash'
/** Features that the gate judges against; also the zoo's random_conv. */
export const UNTRAINED = 'untrained'

interface Source {
  readonly name: string
  readonly images: readonly string[]
  readonly labels?: string
  readonly swarm: readonly string[]
}

const SOURCES: readonly Source[] = [
  {
    name: 'photos',
    images: ['photos/photos-1k.tar'],
    swarm: ['lite0', 'lite2', 'resnet20', 'mobilenet', 'vgg_small', 'simclr_conv', UNTRAINED]
  },
  {
    name: 'flowers',
    images: ['flowers/unlabeled.tar'],
    labels: 'flowers/labels-unlabeled.csv',
    swarm: ['lite0', 'lite2', 'im_mobilenet025', 'resnet20', 'vgg_small', 'simclr_conv', UNTRAINED]
  },
  {
    name: 'CIFAR-10',
    images: [0, 1, 2, 3].map(i => `cifar10/unlabeled-u-0${i}.tar`),
    swarm: [...ZOO, 'im_mobilenet025', UNTRAINED]
  }
]

const zooSchema = z.object({ priors: z.array(z.object({ name: z.string(), probeAccuracy: z.number() })) })

/** Names of all datasets, in the order of the tables. */
export const DATASETS: readonly string[] = SOURCES.map(s => s.name)

/** Those of these names. Throws `InvalidInputError` naming a missing file. */
export async function loadDatasets(chosen: readonly string[], options: DatasetOptions): Promise<Dataset[]> {
  const { data } = options
  const path = (name: string): string => {
    if (name === UNTRAINED) return bundledPrior('untrained')
    const folder = (IMAGENET as readonly string[]).includes(name)
    return folder ? join(data, 'priors-imagenet', `efficientnet-${name}`) : join(data, 'priors', `${name}.onnx`)
  }
  const sources = SOURCES.filter(s => chosen.includes(s.name))
  const names = [...ZOO, 'im_mobilenet025', ...IMAGENET, NOISE, UNTRAINED]
  const needed = options.swarmOnly === true ? sources.flatMap(s => s.swarm) : names
  for (const file of [...needed.map(path), ...sources.flatMap(s => s.images.map(image => join(data, image)))]) {
    await stat(file).catch((cause: unknown) => {
      throw new InvalidInputError(`${file} is missing: --data names the folder with photos/, flowers/ and priors/`, {
        cause
      })
    })
  }
  const zoo = zooSchema.parse(JSON.parse(await readFile(join(data, 'priors', 'zoo.json'), 'utf8')))
  const probes = new Map(zoo.priors.map(p => [p.name === 'random_conv' ? UNTRAINED : p.name, p.probeAccuracy]))
  const datasets: Dataset[] = []
  for (const source of sources)
    datasets.push(await load(source, probes, path, options.swarmOnly === true ? source.swarm : names, options))
  return datasets
}

/** Distinct rows of a dataset, drawn by the seed. */
export function drawRows({ name, reference }: Dataset, rows: number, seed: number): Uint32Array {
  return shuffle(
    reference.rows,
    createRandomStream('coopt/1/reproduce', new Uint8Array(32), `${name} ${rows} ${seed}`)
  ).slice(0, rows)
}

/** W psi of these rows, in n dimensions. */
export function targetsOf({ features }: Dataset, prior: string, rows: Uint32Array, n: number): Matrix32 {
  const known = features.get(prior)
  if (known === undefined) throw new Error(`no features of ${prior}`)
  return project(projection(SWARM, known.columns, n), takeImages(known, rows))
}

// --- internal ---

const SWARM = rawCid(new TextEncoder().encode('coopt/1/reproduce'))

async function load(
  { name, images: tars, labels, swarm }: Source,
  probes: ReadonlyMap<string, number>,
  path: (name: string) => string,
  names: readonly string[],
  { data, cache, signal, onProgress }: DatasetOptions
): Promise<Dataset> {
  const images = await openImages(
    tars.map(tar => join(data, tar)),
    signal
  )
  try {
    const features = new Map<string, Matrix32>()
    for (const prior of names) {
      onProgress(`${name}: ${prior}`)
      const found = await featuresOf(prior, path(prior), images, { cache, threads: 1, signal, onProgress: () => {} })
      features.set(prior, found.features)
    }
    const reference = features.get(UNTRAINED)
    if (reference === undefined) throw new Error('no reference features')
    const quality = new Map<string, number>()
    const known = labels === undefined ? undefined : await readLabels(join(data, labels), images)
    for (const prior of swarm) {
      const accuracy = (IMAGENET_ACCURACY as Readonly<Record<string, number>>)[prior]
      if (known === undefined) {
        const zoo = probes.get(prior) ?? 0
        quality.set(prior, name === 'photos' ? (accuracy ?? zoo / 100) : zoo)
        continue
      }
      const all = features.get(prior) ?? matrix(0, 0, new Float32Array())
      const init = { features: all, labels: known.classes, classes: known.names.length, seed: 0, gemm: plainGemm }
      quality.set(prior, (await ridgeProbe(init)).accuracy)
    }
    return { name, reference, features, swarm, quality, ...(known === undefined ? {} : { labels: known }) }
  } finally {
    await images.close()
  }
}
