/** Models and settings as people have them, from public reports of bugs, beside the checkout: each gives the right value or says what to do. */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'

const CASES = fileURLToPath(new URL('../../../../shared/cases/', import.meta.url))
const missing = !existsSync(CASES)
if (missing) process.stderr.write('skipped: there are no files of other people beside the checkout\n')

/** Everything that is shown or refused, as one text. */
async function said(path: string): Promise<string> {
  try {
    const { output, preprocessing, refusals } = await checkPrior(join(CASES, path))
    return [...refusals.map(r => `refused: ${r}`), `feature ${output?.name}: ${output?.rule}`, ...preprocessing].join(
      '\n'
    )
  } catch (error) {
    return `refused: ${(error as Error).message}`
  }
}

describe.skipIf(missing)('a model of somebody else', () => {
  it.each([
    ['batch_baked_in/model.onnx', [/^feature features/, /one image at a time: its batch is fixed at 1 inside/]],
    ['clip_three_inputs/model.onnx', [/^refused.*3 inputs.*onnx\/vision_model\.onnx/]],
    ['contrib_ops/ort_extended.onnx', [/^feature \/ReduceMean_output_0/]],
    ['contrib_ops/small_qoperator.onnx', [/^feature \/ReduceMean_output_0/]],
    ['contrib_ops/vit_ort_extended.onnx', [/^feature pooler_output/]],
    ['contrib_ops/vit_q4.onnx', [/^feature pooler_output/]],
    ['convnext_size_int', [/^feature/, /shortest edge 36 \(bicubic\)/, /crop the centre, 32 x 32/]],
    ['do_grayscale_ignored', [/^refused.*"do_grayscale"/]],
    ['external_data', [/^feature \/ReduceMean_output_0/]],
    ['fp16_input/model.onnx', [/^feature pooler_output/]],
    ['html_as_model/model.onnx', [/^refused.*HTML page, not a model/]],
    ['hub_onnx_subfolder', [/^refused.*give one of its models: .*vision_model\.onnx/]],
    ['hub_onnx_subfolder/onnx/vision_model.onnx', [/^feature/, /subtract \[0\.5, 0\.5, 0\.5\]/]],
    ['int8_dynamic_classifier/model.onnx', [/^feature \/ReduceMean_output_0/, /one image at a time/]],
    ['lfs_pointer_model/model.onnx', [/^refused.*Git LFS pointer.*git lfs pull/]],
    ['null_keys_of_fast_processors', [/^feature/, /32 x 32 \(bicubic\)/, /subtract \[0\.5, 0\.5, 0\.5\]/]],
    ['processor_config_v5', [/^feature/, /32 x 32 \(bilinear\)/, /subtract \[0\.5, 0\.5, 0\.5\]/]],
    ['timm_pretrained_cfg', [/^feature/, /shortest edge 35 \(bicubic\)/, /subtract \[0\.5, 0\.5, 0\.5\]/]]
  ] as const)('%s', async (path, wanted) => {
    const text = await said(path)
    for (const one of wanted) expect(text).toMatch(one)
  })

  it('is refused at once by a size that no file of its kind can have', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coopt-huge-'))
    try {
      await writeFile(join(folder, 'm.onnx'), '')
      await truncate(join(folder, 'm.onnx'), 2300 * 1024 * 1024)
      await expect(checkPrior(join(folder, 'm.onnx'))).rejects.toThrow(/save_as_external_data=True/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('with its weights in another file says which one is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coopt-without-'))
    try {
      await cp(join(CASES, 'external_data', 'model.onnx'), join(folder, 'model.onnx'))
      expect((await checkPrior(folder)).refusals.join()).toMatch(/"model\.onnx_data", which is missing: put it into/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
