import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'

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

describe('a file that is not a model', () => {
  it.each([
    [
      'an HTML page',
      '<!DOCTYPE html><html><body>Access to model is restricted</body></html>',
      /HTML page.*\/resolve\//
    ],
    [
      'a Git LFS pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:8eb7\nsize 348605698\n',
      /Git LFS pointer.*git lfs pull/
    ],
    ['a PyTorch checkpoint', 'PK\u0003\u0004model/data.pkl', /ZIP archive, such as PyTorch saves.*torch\.onnx\.export/],
    ['nothing', '', /empty/],
    ['the text of an error', 'Entry not found', /text that begins "Entry not found"/],
    ['an XML page', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', /XML page/],
    ['JSON', '{"error": "Repository not found"}', /JSON/],
    ['safetensors', '\u0010\0\0\0\0\0\0\0{"weight":{}}', /safetensors/]
  ])('%s is named with what to do', async (name, text, why) => {
    const path = join(await folder(`foreign ${name}`, { 'model.onnx': text }), 'model.onnx')
    await expect(loadPrior(path)).rejects.toThrow(why)
    expect((await checkPrior(path)).refusals.join()).toMatch(why)
  })

  it('is refused by its size alone above what protobuf allows', async () => {
    const path = join(await folder('huge', { 'model.onnx': '' }), 'model.onnx')
    await truncate(path, 2_300_000_000) // sparse: nothing is written
    await expect(loadPrior(path)).rejects.toThrow(/2300000000 bytes.*save_as_external_data=True/)
    await expect(checkPrior(path)).rejects.toThrow(/save_as_external_data=True/)
  })

  it('a folder names the models that it has under other names, or the weights of another framework', async () => {
    const hub = await folder('hub', { 'config.json': '{}', 'onnx/text_model.onnx': 'x', 'onnx/vision_model.onnx': 'x' })
    await expect(loadPrior(hub)).rejects.toThrow(/give one of its models: .*text_model\.onnx, .*vision_model\.onnx/)
    const torch = await folder('torch', { 'config.json': '{}', 'model.safetensors': 'x' })
    await expect(loadPrior(torch)).rejects.toThrow(/model\.safetensors.*optimum-cli export onnx --model/)
  })
})
