/** Preprocessing beside that of transformers, timm and open_clip: the same photos, settings as these libraries write them. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createReadStream, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createImageDecoder } from '../../node/compute/inference/images.ts'
import { findConfig } from '../../node/priors/find-config.ts'
import type { ImageInput } from '../../src/optimize/onnx-facts.ts'
import { createTensorWriter } from '../../src/optimize/pixels.ts'
import { parsePreprocessor } from '../../src/optimize/preprocess.ts'
import type { Pixels } from '../../src/optimize/resize.ts'
import { python, SCRIPTS } from './python.ts'

interface Case {
  name: string
  /** `pillow`, or `torchvision`: transformers has both for most processors */
  backend: string
  shape: [number, number, number]
}

const PHOTOS = new URL('../../../shared/data/photos/photos-1k.tar', import.meta.url)
/** Every tenth, until there are as many: different cameras, sizes and shapes. 50 take two minutes and 3 GB. */
const COUNT = Number(process.env['COOPT_INTEROP_PHOTOS'] ?? 8)
const EVERY = 10
/** In levels of 255: the least that two roundings can differ, and float32 arithmetic */
const ONE_LEVEL = 1.001

/** transformers with itself: its torchvision backend takes other filters or places than its Pillow backend. */
const OWN_DIFFERENCES = /^(Chameleon|MobileViT|efficientnet-b0|vit-nearest|vit-lanczos|clip-larger-crop)$/

const missing = inject('models') === '' || !existsSync(PHOTOS)
if (missing)
  process.stderr.write('skipped: preprocessing is not compared (no PyTorch, or no photos beside the checkout)\n')

describe.skipIf(missing)('preprocessing of photos', () => {
  let folder: string
  let cases: Case[]
  const images: Pixels[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coopt-interop-'))
    const photos = await firstPhotos(join(folder, 'photos'))
    const decoder = await createImageDecoder({ imagePixels: 1e8, imageBytes: 1e8 })
    for (const path of photos) images.push(await decoder.decode(await readFile(path)))
    await python(folder, [join(SCRIPTS, 'interop', 'preprocess_reference.py'), folder, ...photos], inject('models'))
    ;({ cases } = JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8')) as { cases: Case[] })
  })

  afterAll(async () => await rm(folder, { recursive: true, force: true }))

  it('is that of transformers on Pillow, of timm and of open_clip: no number is more than one level of 255 off', async () => {
    const found = new Map<string, number>()
    for (const one of cases.filter(({ backend }) => backend === 'pillow'))
      found.set(one.name, (await compare(folder, one, images)).worst)
    expect(found.size).toBeGreaterThanOrEqual(43)
    for (const [name, worst] of found) expect(worst, name).toBeLessThanOrEqual(ONE_LEVEL)
  })

  it('is within two levels of transformers on torchvision, and off at all in one number of a hundred', async () => {
    for (const one of cases.filter(({ backend, name }) => backend === 'torchvision' && !OWN_DIFFERENCES.test(name))) {
      const { worst, off } = await compare(folder, one, images)
      expect(worst, one.name).toBeLessThanOrEqual(2.001)
      // DINOv3 rescales before it resizes and rounds nothing
      if (one.name === 'DINOv3ViT') expect(worst).toBeLessThanOrEqual(ONE_LEVEL)
      else expect(off, one.name).toBeLessThan(0.01)
    }
  })
})

/** The largest difference in levels of 255, and the share of numbers that differ by more than a hundredth of one. */
async function compare(
  folder: string,
  { name, backend, shape: [channels, height, width] }: Case,
  images: readonly Pixels[]
): Promise<{ worst: number; off: number }> {
  const input: ImageInput = {
    name: 'pixel_values',
    layout: 'nchw',
    channels: 3,
    elementType: 'float32',
    batch: undefined,
    height,
    width
  }
  const config = await findConfig(join(folder, name, 'model.onnx'))
  const steps = parsePreprocessor(config.value, input, config.path)
  expect(steps, name).toMatchObject({ assumed: false })
  const writer = createTensorWriter(steps, input)
  const bytes = await readFile(join(folder, `${name}.${backend}.f32`))
  const wanted = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  expect(wanted.length).toBe(images.length * channels * height * width)
  const out = new Float32Array(writer.size)
  let [worst, off] = [0, 0]
  images.forEach((image, i) => {
    writer.write(image, out, 0)
    for (let k = 0; k < out.length; k++) {
      const level = (steps.std[Math.floor(k / (height * width))] as number) / steps.rescale
      const difference = Math.abs((out[k] as number) - (wanted[i * out.length + k] as number)) * level
      if (!(difference <= worst)) worst = difference
      if (difference > 0.01) off++
    }
  })
  process.stdout.write(
    `${name.padEnd(20)} ${backend.padEnd(11)} worst ${worst.toFixed(4)}, ${((100 * off) / wanted.length).toFixed(2)} % off\n`
  )
  return { worst, off: off / wanted.length }
}

async function firstPhotos(folder: string): Promise<string[]> {
  await mkdir(folder)
  const paths: string[] = []
  let seen = 0
  const tar = createReadStream(PHOTOS).pipe(extract())
  for await (const entry of tar) {
    const chunks: Buffer[] = []
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk)
    if (!/\.jpe?g$/i.test(entry.header.name) || seen++ % EVERY !== 0) continue
    const path = join(folder, `${paths.length}.jpg`)
    await writeFile(path, Buffer.concat(chunks))
    paths.push(path)
    if (paths.length === COUNT) break
  }
  return paths
}
