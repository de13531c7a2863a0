/** Options that a prior has no use for, by every way in: loading, joining, checking. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { InvalidPriorError } from '../../../src/errors.ts'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior, type LoadPriorOptions } from '../../../node/priors/load-prior.ts'

/** Nothing listens there: a refusal comes before the first request. */
const SERVER = 'http://127.0.0.1:9/v2/models/m'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-refuse-'))
  for (const name of ['m.onnx', 'l.csv', 't.npy', 't.ids.txt']) await writeFile(join(folder, name), 'id,label\n')
  await mkdir(join(folder, 'bundle'))
  for (const name of ['model.onnx', 'bundle.json']) await writeFile(join(folder, 'bundle', name), '{}')
})
afterAll(async () => await rm(folder, { recursive: true, force: true }))

it.each<[string, LoadPriorOptions, RegExp]>([
  ['m.onnx', { key: 'k' }, /m\.onnx is a model, and needs no --key and --images/],
  ['m.onnx', { images: 'i' }, /m\.onnx is a model, and needs no --key and --images/],
  ['bundle', { key: 'k' }, /bundle is a bundle, and needs no --key/],
  ['bundle', { preprocessing: 'p' }, /bundle is a bundle, which has its own settings of images: leave --preprocessing/],
  [SERVER, { key: 'k' }, /models\/m is a model behind a server, and needs no --key and --images/],
  [SERVER, { images: 'i' }, /models\/m is a model behind a server, and needs no --key and --images/],
  [
    'l.csv',
    { preprocessing: 'p' },
    /l\.csv is a label file, and takes no settings of images: leave --preprocessing out/
  ],
  ['l.csv', { key: 'k' }, /l\.csv is a label file, whose first column is the key/],
  ['l.csv', { output: 'o' }, /l\.csv is a label file and has no tensor "o"/],
  ['t.npy', { preprocessing: 'p' }, /t\.npy is a table of vectors, and takes no settings of images/]
])('%s with %o is refused by name', async (name, options, message) => {
  const prior = name === SERVER ? name : join(folder, name)
  for (const open of [loadPrior, checkPrior]) {
    const error = await open(prior, options).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(InvalidPriorError)
    expect((error as Error).message).toMatch(message)
  }
})

it('a password in the URL of a server is not repeated by the refusal', async () => {
  const url = 'http://me:secret@127.0.0.1:9/v2/models/m'
  for (const open of [loadPrior, checkPrior])
    await expect(open(url, { key: 'k' })).rejects.toThrow(/^(?!.*secret).*password/s)
})
