import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { classifier } from '../../helpers/onnx.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-models-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

/** A folder with these files; those that are not bytes are text. */
async function folder(name: string, files: Record<string, Uint8Array | string>): Promise<string> {
  const path = join(home, name)
  for (const [file, bytes] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true })
    await writeFile(join(path, file), bytes)
  }
  return path
}

describe('the settings of the images', () => {
  const half = {
    do_normalize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    size: { height: 4, width: 4 }
  }
  const vit = { ...half, image_processor_type: 'ViTImageProcessor' }
  const timm = {
    architecture: 'resnet18',
    pretrained_cfg: { input_size: [3, 4, 4], mean: [0.1, 0.2, 0.3], std: [1, 1, 1] }
  }
  const clip = {
    model_cfg: { vision_cfg: { image_size: 4 } },
    preprocess_cfg: { mean: [0.6, 0.6, 0.6], std: [1, 1, 1] }
  }
  const mean = async (path: string) => {
    const prior = await loadPrior(path)
    await prior.close()
    return prior.descriptor.preprocessing
  }

  it.each([
    ['beside the model', { 'model.onnx': '', 'preprocessor_config.json': vit }, 0.5],
    [
      'nested, as transformers 5 writes it',
      { 'model.onnx': '', 'processor_config.json': { image_processor: vit } },
      0.5
    ],
    [
      'nested before plain',
      {
        'model.onnx': '',
        'processor_config.json': { image_processor: vit },
        'preprocessor_config.json': { ...vit, image_mean: 0 }
      },
      0.5
    ],
    [
      'plain where the other has none',
      {
        'model.onnx': '',
        'processor_config.json': { processor_class: 'CLIPProcessor' },
        'preprocessor_config.json': vit
      },
      0.5
    ],
    ["timm's", { 'model.onnx': '', 'config.json': timm }, 0.1],
    ["open_clip's", { 'model.onnx': '', 'open_clip_config.json': clip, 'config.json': { model_type: 'clip' } }, 0.6]
  ])('are found %s', async (name, files, wanted) => {
    const bytes = Object.entries(files).map(
      ([file, content]) => [file, content === '' ? classifier() : JSON.stringify(content)] as const
    )
    const preprocessing = await mean(await folder(`settings ${name}`, Object.fromEntries(bytes)))
    expect(preprocessing).toMatchObject({ assumed: false })
    expect(preprocessing?.mean[0]).toBe(wanted)
  })

  it('are found in the folder above one called onnx, and not further', async () => {
    const files = { 'preprocessor_config.json': JSON.stringify(vit), 'onnx/vision_model.onnx': classifier() }
    const hub = await folder('above', { ...files, 'other/model.onnx': classifier() })
    expect(await mean(join(hub, 'onnx', 'vision_model.onnx'))).toMatchObject({ assumed: false, mean: [0.5, 0.5, 0.5] })
    const lost = await mean(join(hub, 'other'))
    expect(lost?.assumed).toBe(true)
    expect(lost?.notes?.join()).toMatch(/preprocessor_config\.json is in another folder and is not used: copy it/)
    const report = await checkPrior(join(hub, 'other'))
    expect(report.preprocessing.slice(0, 2)).toEqual([
      expect.stringMatching(/^assumed, no settings were found/),
      expect.stringMatching(/^assumed: .*another folder/)
    ])
  })

  it('are named with their file where they are wrong', async () => {
    const path = await folder('wrong settings', {
      'model.onnx': classifier(),
      'processor_config.json': JSON.stringify({ image_processor: { ...vit, do_convert_grayscale: true } })
    })
    await expect(loadPrior(path)).rejects.toThrow(/processor_config\.json: setting "do_convert_grayscale" \(true\)/)
  })

  it('that are no JSON are an error', async () => {
    const path = await folder('no json', { 'model.onnx': classifier(), 'preprocessor_config.json': '{' })
    await expect(loadPrior(path)).rejects.toThrow(/preprocessor_config\.json is not JSON/)
  })
})
