import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { createOnnxPrior, scanModelFile } from '../../../node/priors/onnx-prior.ts'
import { png, syntheticPng } from '../../../node/priors/synthetic-image.ts'
import { rawCid } from '../../../src/codec.ts'
import { InvalidImageError, InvalidPriorError, NonFiniteFeatureError } from '../../../src/errors.ts'
import { idOfDigest } from '../../../src/optimize/sample-key.ts'
import { cifarImages, hasSharedData, readReference, zooModel, zooNames } from '../../helpers/cifar.ts'
import { classifier, floats, model, node, value } from '../../helpers/onnx.ts'
import { deflateSync } from 'node:zlib'

const PLAIN = { do_resize: false, do_rescale: false, do_normalize: false }
const CIFAR = {
  do_resize: false,
  do_normalize: true,
  image_mean: [0.4914, 0.4822, 0.4465],
  image_std: [0.247, 0.2435, 0.2616]
}

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-test-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

async function folder(name: string, bytes: Uint8Array | URL, config?: object): Promise<string> {
  const path = join(home, name)
  await mkdir(path, { recursive: true })
  if (bytes instanceof URL) await copyFile(bytes, join(path, 'model.onnx'))
  else await writeFile(join(path, 'model.onnx'), bytes)
  if (config !== undefined) await writeFile(join(path, 'preprocessor_config.json'), JSON.stringify(config))
  return path
}

/** A 4 x 4 PNG of one colour. */
function flat(r: number, g: number, b: number): Uint8Array {
  const rows = new Uint8Array(4 * 13)
  for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) rows.set([r, g, b], y * 13 + 1 + x * 3)
  return png(4, 4, deflateSync(rows))
}

describe.skipIf(!hasSharedData)('the zoo of real priors (shared data set; skipped where it is absent)', () => {
  it.each(zooNames())('%s gives the features that its training framework gave', async name => {
    const reference = readReference()
    const prior = await loadPrior(await folder(name, zooModel(name), CIFAR))
    try {
      const { features, absent } = await prior.embed(cifarImages(3))
      expect(absent).toEqual([false, false, false])
      expect(prior.descriptor.dimension).toBe(features.columns)
      reference.features[name]?.forEach((row, i) =>
        row.forEach((wanted, j) => {
          const got = features.data[i * features.columns + j] as number
          expect(Math.abs(got - wanted), `image ${i}, feature ${j}`).toBeLessThan(1e-4)
        })
      )
    } finally {
      await prior.close()
    }
  })
})

describe('loadPrior', () => {
  it('takes the layer before the classifier, with the preprocessing of the folder', async () => {
    const bytes = classifier()
    const prior = await loadPrior(await folder('classifier', bytes, PLAIN), { license: 'MIT' })
    try {
      expect(prior.descriptor).toMatchObject({ kind: 'onnx', name: 'classifier', dimension: 3, license: 'MIT' })
      expect(prior.descriptor.id.equals(rawCid(bytes))).toBe(true)
      expect(prior.descriptor.feature).toMatch(/"hidden"/)
      const images = Array.from({ length: 71 }, (_, i) => ({ id: `s${i}`, bytes: flat(i, 2 * i, 255 - i) }))
      const { features } = await prior.embed(images)
      images.forEach((_, i) => expect([...features.data.subarray(3 * i, 3 * i + 3)]).toEqual([i, 2 * i, 255 - i]))
    } finally {
      await prior.close()
    }
  })

  it('fills up a batch that the model fixes', async () => {
    const prior = await loadPrior(await folder('fixed', classifier({ batch: 4 }), PLAIN))
    try {
      const images = [1, 2, 3, 4, 5, 6].map(i => ({ id: `s${i}`, bytes: flat(i, 0, 9) }))
      const { features } = await prior.embed(images)
      expect([...features.data]).toEqual([1, 2, 3, 4, 5, 6].flatMap(i => [i, 0, 9]))
    } finally {
      await prior.close()
    }
  })

  it('averages maps over space and tokens over the sequence', async () => {
    const map = model({ nodes: [node('Relu', ['image'], ['map'])], outputs: [value('map', ['N', 3, 4, 4])] })
    const prior = await loadPrior(await folder('map', map, PLAIN))
    try {
      const { features } = await prior.embed([{ id: 'a', bytes: flat(10, 20, 30) }])
      expect([...features.data]).toEqual([10, 20, 30])
    } finally {
      await prior.close()
    }
  })

  it('names the sample whose feature is not a number, and the one that is no image', async () => {
    const bad = model({
      nodes: [
        node('GlobalAveragePool', ['image'], ['pooled']),
        node('Flatten', ['pooled'], ['flat']),
        node('Sub', ['flat', 'seven'], ['shifted']),
        node('Sqrt', ['shifted'], ['feature'])
      ],
      initializers: [floats('seven', [1], [7])],
      outputs: [value('feature', ['N', 3])]
    })
    const prior = await loadPrior(await folder('nan', bad, PLAIN))
    try {
      const good = { id: 'fine', bytes: flat(9, 9, 9) }
      const nan = prior.embed([good, { id: 'sample-x', bytes: flat(9, 3, 9) }])
      await expect(nan).rejects.toThrow(NonFiniteFeatureError)
      await expect(nan).rejects.toThrow(/sample-x: feature 1 .*NaN/)
      const broken = prior.embed([good, { id: 'sample-y', bytes: flat(9, 9, 9).subarray(0, 50) }])
      await expect(broken).rejects.toThrow(InvalidImageError)
      await expect(broken).rejects.toThrow(/sample-y/)
      await expect(prior.embed([{ id: 'sample-z', bytes: syntheticPng(5, 4) }])).rejects.toThrow(/sample-z.*5 x 4/)
      expect([...(await prior.embed([good])).features.data]).toEqual([...new Float32Array(3).fill(Math.SQRT2)])
    } finally {
      await prior.close()
    }
  })

  it('refuses a model file that was exchanged between the scan and the load', async () => {
    const path = join(await folder('exchanged', classifier()), 'model.onnx')
    const scanned = await scanModelFile(path, undefined, { maxBytes: 1e6 })
    await writeFile(
      path,
      model({ nodes: [node('Relu', ['image'], ['hidden'])], outputs: [value('hidden', ['N', 3, 4, 4])] })
    )
    await expect(createOnnxPrior(scanned, { name: 'x', threads: 1 })).rejects.toThrow(/changed while it was in use/)
  })

  it('refuses what the scan lets through and the runtime does not', async () => {
    const wrong = model({
      nodes: [node('Conv', ['image', 'w'], ['feature'])],
      initializers: [floats('w', [1, 2, 1, 1], [1, 1])],
      outputs: [value('feature', ['N', 1, 4, 4])]
    })
    const load = loadPrior(await folder('wrong', wrong))
    await expect(load).rejects.toThrow(InvalidPriorError)
    await expect(load).rejects.toThrow(/ONNX Runtime refuses|does not run/)
  })

  it('reads labels as a prior, absent where there is none', async () => {
    const path = join(home, 'labels.csv')
    const [a, b, unknown] = ['a', 'b', 'c'].map(one => rawCid(Buffer.from(one)).toString()) as [string, string, string]
    const text = `id,label\n${a},cat\n${b},dog\n`
    await writeFile(path, text)
    const prior = await loadPrior(path, { name: 'people' })
    const { features, absent } = await prior.embed([b, unknown, a].map(id => ({ id, bytes: new Uint8Array(0) })))
    expect(prior.descriptor).toMatchObject({ kind: 'human', name: 'people', dimension: 2 })
    expect(prior.descriptor.id.equals(rawCid(Buffer.from(text)))).toBe(true)
    expect(absent).toEqual([false, true, false])
    expect([...features.data]).toEqual([0, 1, 0, 0, 1, 0])
    await prior.close()
  })

  it('streams a label file of a million rows', async () => {
    const path = join(home, 'many.csv')
    const rows = Array.from({ length: 1_000_000 }, (_, i) => `${`${i}`.padStart(64, '0')},${i % 10}`)
    await writeFile(path, ['id,label', ...rows].join('\n'))
    const prior = await loadPrior(path)
    const id = idOfDigest(Buffer.from('999997'.padStart(64, '0'), 'hex'))
    const { features } = await prior.embed([{ id, bytes: new Uint8Array(0) }])
    expect(features.data.indexOf(1)).toBe(7)
    expect(prior.descriptor.id.multihash.digest).toEqual(
      Uint8Array.from(
        createHash('sha256')
          .update(await readFile(path))
          .digest()
      )
    )
  })

  it.each([
    ['missing.onnx', /does not exist/],
    ['empty', /neither model.onnx/],
    ['notes.txt', /is not a prior/]
  ])('says what is missing at %s', async (name, why) => {
    await mkdir(join(home, 'empty'), { recursive: true })
    await writeFile(join(home, 'notes.txt'), 'hello')
    await expect(loadPrior(join(home, name))).rejects.toThrow(why)
  })
})

describe('checkPrior', () => {
  it('tells what would be used, and the first values of an image', async () => {
    const image = join(home, 'image.png')
    await writeFile(image, flat(3, 4, 12))
    const path = await folder('check', classifier(), PLAIN)
    expect(await checkPrior(path, { image })).toMatchObject({
      kind: 'onnx',
      input: { name: 'image', shape: ['N', 3, 4, 4] },
      output: { name: 'hidden' },
      dimension: 3,
      refusals: [],
      imagesPerSecond: expect.any(Number) as number,
      feature: { norm: 13, head: [3, 4, 12] }
    })
  })

  it('says that the preprocessing is assumed', async () => {
    const bundled = fileURLToPath(new URL('../../../node/priors/bundled/superclass2/model.onnx', import.meta.url))
    const path = join(home, 'alone.onnx')
    await copyFile(bundled, path)
    const report = await checkPrior(path)
    expect(report.preprocessing[0]).toMatch(/assumed/)
    expect(report).toMatchObject({ name: 'alone', dimension: 80, refusals: [] })
  })

  it('gives refusals as facts', async () => {
    const path = join(home, 'hostile.onnx')
    await writeFile(path, model({ nodes: [node('RandomNormal', [], ['y'])], outputs: [value('y', ['N', 3])] }))
    expect((await checkPrior(path)).refusals).toEqual([expect.stringMatching(/RandomNormal is random/)])
    await writeFile(path, 'no model')
    expect(await checkPrior(path)).toMatchObject({ bytes: 8, refusals: [expect.stringMatching(/not an ONNX model/)] })
  })
})
