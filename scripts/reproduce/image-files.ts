/**
 * Writes the images as the students read them: STEM.rgb, bytes [rows, side, side, 3], and STEM.csv, `id,label` of each row. An id is the image's CID,
 * as in a merged dataset. Images are decoded here, with the same decoder as for the priors, so Python does not need a codec.
 */
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { sampleId } from '../../src/distribute/content-id.ts'
import { DIGEST_BYTES } from '../../src/distribute/partition.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { openSource } from '../../node/image-sources/source.ts'
import { createImageDecoder } from '../../node/compute/inference/images.ts'
import { DEFAULT_LIMITS } from '../../node/compute/inference/limits.ts'

/** Side of CIFAR-10's images, and of the students' input. */
const SIDE = 32
const BYTES = SIDE * SIDE * 3

/** Paths of the evaluation's data: the layout of the folder that --data names. */
export interface DataFiles {
  readonly images: readonly string[]
  readonly labels: string
  readonly testImages: string
  readonly testLabels: string
  readonly zoo: string
  prior(name: string): string
}

/** Throws `InvalidInputError` naming a missing file. */
export async function dataFiles(folder: string): Promise<DataFiles> {
  const cifar = join(folder, 'cifar10')
  const files = {
    images: [0, 1, 2, 3].map(i => join(cifar, `unlabeled-u-0${i}.tar`)),
    labels: join(cifar, 'labels-u.csv'),
    testImages: join(cifar, 'test-2k.tar'),
    testLabels: join(cifar, 'labels-test-2k.csv'),
    zoo: join(folder, 'priors', 'zoo.json'),
    prior: (name: string) => join(folder, 'priors', `${name}.onnx`)
  }
  for (const path of [...files.images, files.labels, files.testImages, files.testLabels, files.zoo]) {
    await stat(path).catch((cause: unknown) => {
      throw new InvalidInputError(`${path} is missing: --data names the folder with cifar10/ and priors/`, { cause })
    })
  }
  return files
}

/** Writes train.* and test.* into `folder`, unless they exist. */
export async function writeImageFiles(data: DataFiles, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const complete = join(folder, 'complete')
  if (await isFile(complete)) return
  await writeSplit(data.images, data.labels, join(folder, 'train'))
  await writeSplit([data.testImages], data.testLabels, join(folder, 'test'))
  await writeFile(complete, '')
}

// --- internal ---

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false
  )
}

async function writeSplit(tars: readonly string[], labelFile: string, stem: string): Promise<void> {
  const labels = new Map<string, string>()
  for (const line of (await readFile(labelFile, 'utf8')).trim().split('\n').slice(1)) {
    const [name = '', label = ''] = line.trim().split(',')
    labels.set(name, label)
  }
  const spool = await mkdtemp(join(tmpdir(), 'coopt-reproduce-'))
  try {
    const source = await openSource(tars, { spool })
    try {
      const decoder = await createImageDecoder(DEFAULT_LIMITS)
      const pixels = new Uint8Array(source.count * BYTES)
      let rows = 'id,label\n'
      for (let i = 0; i < source.count; i++) {
        // a member of a tar is named `TAR: NAME`
        const name = basename(source.nameOf(i).split(': ').at(-1) ?? '')
        const label = labels.get(name)
        if (label === undefined) throw new InvalidInputError(`${labelFile} has no label for ${name}`)
        const image = await decoder.decode(await source.read(i))
        if (image.width !== SIDE || image.height !== SIDE || image.channels !== 3)
          throw new InvalidInputError(`${name} is not a ${SIDE} x ${SIDE} colour image`)
        pixels.set(image.data, i * BYTES)
        rows += `${sampleId(source.digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES))},${label}\n`
      }
      await writeFile(`${stem}.rgb`, pixels)
      await writeFile(`${stem}.csv`, rows)
    } finally {
      await source.close()
    }
  } finally {
    await rm(spool, { recursive: true, force: true })
  }
}
