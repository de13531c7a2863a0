/**
 * The image sets of the evaluation, and their images as the students read them: STEM.rgb, bytes [rows, side, side, 3], and STEM.csv, `id,label` of
 * each row. An id is the image's CID, as in a merged dataset. CIFAR-10 is decoded by the decoder of the priors, so Python does not need a codec;
 * the others are larger than the students' input, and sharp crops and resizes them.
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { sampleId } from '../../src/distribute/content-id.ts'
import { DIGEST_BYTES } from '../../src/distribute/partition.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { openSource } from '../../node/image-sources/source.ts'
import { createImageDecoder } from '../../node/compute/inference/images.ts'
import { DEFAULT_LIMITS } from '../../node/compute/inference/limits.ts'

/** Side of CIFAR-10's images, and of the students' input. */
const CIFAR_SIDE = 32
const PHOTO_SIDE = 64

export const IMAGE_SETS = ['cifar10', 'flowers', 'photos'] as const
export type ImageSetName = (typeof IMAGE_SETS)[number]

/** Paths of one image set, in the layout of the folder that --data names. */
export interface DataFiles {
  readonly images: readonly string[]
  /** name,label */
  readonly labels: string
  readonly testImages: readonly string[]
  readonly testLabels: string
  /** Of the images that students see, in pixels */
  readonly side: number
  readonly zoo: string
  /** A file or folder as `coopt join --prior` takes it */
  prior(name: string): string
}
export type AllData = Readonly<Record<ImageSetName, DataFiles>>

/**
 * `own`: folder for the label files of photos, which have none. A photo is an animal or a thing by its class (the first 398 of ImageNet's, in the
 * order of their WordNet ids, are animals). Throws `InvalidInputError` naming a missing file.
 */
export async function dataFiles(folder: string, own: string): Promise<AllData> {
  const at = (...names: string[]): string => join(folder, ...names)
  const prior = (name: string): string =>
    name.startsWith('lite') ? at('priors-imagenet', `efficientnet-${name}`) : at('priors', `${name}.onnx`)
  const common = { zoo: at('priors', 'zoo.json'), prior }
  const photos = at('photos', 'photos-1k.tar')
  const sets: AllData = {
    cifar10: {
      ...common,
      images: [0, 1, 2, 3].map(i => at('cifar10', `unlabeled-u-0${i}.tar`)),
      labels: at('cifar10', 'labels-u.csv'),
      testImages: [at('cifar10', 'test-2k.tar')],
      testLabels: at('cifar10', 'labels-test-2k.csv'),
      side: CIFAR_SIDE
    },
    flowers: {
      ...common,
      images: [at('flowers', 'unlabeled.tar')],
      labels: at('flowers', 'labels-unlabeled.csv'),
      testImages: [at('flowers', 'test.tar')],
      testLabels: at('flowers', 'labels-test.csv'),
      side: PHOTO_SIDE
    },
    photos: {
      ...common,
      images: [photos],
      labels: join(own, 'photos-labels.csv'),
      testImages: [photos],
      testLabels: join(own, 'photos-labels-test.csv'),
      side: PHOTO_SIDE
    }
  }
  for (const { images, testImages, zoo } of Object.values(sets)) await mustExist([...images, ...testImages, zoo])
  for (const { labels, testLabels } of [sets.cifar10, sets.flowers]) await mustExist([labels, testLabels])
  return sets
}

/** Writes train.* and test.* of a set into `folder`, unless they exist. */
export async function writeImageFiles(name: ImageSetName, data: DataFiles, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const complete = join(folder, 'complete')
  if (await isFile(complete)) return
  if (name === 'photos') await writePhotoLabels(data)
  const test = await readLabels(data.testLabels)
  const train = await readLabels(data.labels)
  // a photo that is tested is not trained on, though its file is in the same tar
  if (name === 'photos') for (const held of test.keys()) train.delete(held)
  await writeSplit(data.images, train, { ...data, stem: join(folder, 'train'), rest: name === 'photos' })
  await writeSplit(data.testImages, test, { ...data, stem: join(folder, 'test'), rest: name === 'photos' })
  await writeFile(complete, '')
}

// --- internal ---

const ANIMALS = 398
/** Of ten photos, the last three are for tests. */
const isTest = (index: number): boolean => index % 10 >= 7

async function mustExist(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await stat(path).catch((cause: unknown) => {
      throw new InvalidInputError(
        `${path} is missing: --data names the folder with cifar10/, flowers/, photos/, priors/ and priors-imagenet/`,
        { cause }
      )
    })
  }
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false
  )
}

async function readLabels(path: string): Promise<Map<string, string>> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n').slice(1)
  return new Map(lines.map(line => line.trim().split(',', 2) as [string, string]))
}

async function writePhotoLabels({ images, labels, testLabels }: DataFiles): Promise<void> {
  const names: string[] = []
  await withSource(images, async source => {
    for (let i = 0; i < source.count; i++) names.push(memberName(source.nameOf(i)))
  })
  names.sort()
  const text = (chosen: readonly string[]): string =>
    `name,label\n${chosen.map(name => `${name},${names.indexOf(name) < ANIMALS ? 0 : 1}\n`).join('')}`
  await writeFile(labels, text(names))
  await writeFile(testLabels, text(names.filter((_, i) => isTest(i))))
}

type Opened = Awaited<ReturnType<typeof openSource>>

async function withSource(paths: readonly string[], work: (source: Opened) => Promise<void>): Promise<void> {
  const spool = await mkdtemp(join(tmpdir(), 'coopt-reproduce-'))
  try {
    const source = await openSource([...paths], { spool })
    try {
      await work(source)
    } finally {
      await source.close()
    }
  } finally {
    await rm(spool, { recursive: true, force: true })
  }
}

/** A member of a tar is named `TAR: NAME`. */
function memberName(name: string): string {
  return basename(name.split(': ').at(-1) ?? '')
}

interface Split {
  readonly side: number
  /** Path without .rgb and .csv */
  readonly stem: string
  /** The source holds images of other splits, too: those without a label are left out */
  readonly rest: boolean
}

async function writeSplit(
  paths: readonly string[],
  labels: ReadonlyMap<string, string>,
  { side, stem, rest }: Split
): Promise<void> {
  await withSource(paths, async source => {
    const read = await pixelReader(side)
    const parts: Uint8Array[] = []
    let rows = 'id,label\n'
    for (let i = 0; i < source.count; i++) {
      const name = memberName(source.nameOf(i))
      const label = labels.get(name)
      if (label === undefined && rest) continue
      if (label === undefined) throw new InvalidInputError(`there is no label for ${name}`)
      parts.push(await read(name, await source.read(i)))
      rows += `${sampleId(source.digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES))},${label}\n`
    }
    await writeFile(`${stem}.rgb`, Buffer.concat(parts))
    await writeFile(`${stem}.csv`, rows)
  })
}

/** Bytes [side, side, 3] of an encoded image. */
async function pixelReader(side: number): Promise<(name: string, bytes: Uint8Array) => Promise<Uint8Array>> {
  const decoder = await createImageDecoder(DEFAULT_LIMITS)
  return async (name, bytes) => {
    if (side !== CIFAR_SIDE)
      return await sharp(bytes)
        .resize(side, side, { fit: 'cover' })
        .toColourspace('srgb')
        .removeAlpha()
        .raw()
        .toBuffer()
    const image = await decoder.decode(bytes)
    if (image.width !== side || image.height !== side || image.channels !== 3)
      throw new InvalidInputError(`${name} is not a ${side} x ${side} colour image`)
    return image.data
  }
}
