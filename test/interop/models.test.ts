/** Models as PyTorch, ONNX Runtime's tools and transformers write them give the features that ONNX Runtime gives in Python. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { loadPrior } from '../../node/priors/load-prior.ts'
import { python, SCRIPTS } from './python.ts'

interface Made {
  file: string
  feature: number[]
  /** Relative to the feature's length */
  tolerance: number
}

describe.skipIf(inject('models') === '')('models of the exporters', () => {
  let folder: string
  let models: Record<string, Made>
  let image: Uint8Array
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'coopt-interop-'))
    await python(folder, [join(SCRIPTS, 'interop', 'make_models.py'), folder], inject('models'))
    models = JSON.parse(await readFile(join(folder, 'models.json'), 'utf8')) as Record<string, Made>
    image = await readFile(join(folder, 'image.png'))
  })

  afterAll(async () => await rm(folder, { recursive: true, force: true }))

  it('give the same features: float32, float16, 8 bits in three forms, weights outside, If, optimised, towers', async () => {
    const names = Object.keys(models).filter(name => name !== 'ort-all')
    expect(names.length).toBeGreaterThanOrEqual(11)
    for (const name of names) {
      const { file, feature, tolerance } = models[name] as Made
      const prior = await loadPrior(join(folder, file))
      try {
        // with company, so that a batch is what it is in use
        const images = ['a', 'b', 'c'].map(id => ({ id, bytes: image }))
        const { features } = await prior.embed(images)
        expect(features.columns, name).toBe(feature.length)
        for (let row = 0; row < images.length; row++) {
          const got = features.data.subarray(row * features.columns, (row + 1) * features.columns)
          expect(distance(got, feature), `${name}, row ${row}`).toBeLessThan(tolerance)
        }
      } finally {
        await prior.close()
      }
    }
  })

  it('are refused where they are made for one machine, with the way out', async () => {
    const { file } = models['ort-all'] as Made
    await expect(loadPrior(join(folder, file))).rejects.toThrow(/nchwc.*ORT_ENABLE_EXTENDED/)
  })
})

function distance(got: Float32Array, wanted: readonly number[]): number {
  let [difference, length] = [0, 0]
  wanted.forEach((v, i) => {
    difference += (v - (got[i] as number)) ** 2
    length += v * v
  })
  return Math.sqrt(difference / length)
}
