import {
  appendFile,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { fetchBundle, heldBundle, keepBundle } from '../../../../node/priors/bundle/fetch-bundle.ts'
import { storeBundle } from '../../../../node/priors/bundle/bundle-files.ts'
import { goldenImages } from '../../../../node/priors/bundle/golden-images.ts'
import { openBundle } from '../../../../node/priors/bundle/open-bundle.ts'
import { packBundle } from '../../../../node/priors/bundle/pack-bundle.ts'
import type { Content } from '../../../../node/content/content.ts'
import { createContent } from '../../../../node/content/content.ts'
import { readCar } from '../../../../node/content/dag/car.ts'
import { checkPrior } from '../../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../../node/priors/load-prior.ts'
import { DurableBlockstore } from '../../../../node/store/durable-blockstore.ts'
import { rawCid } from '../../../../src/codec.ts'
import { directoryNode } from '../../../../src/distribute/unixfs-directory.ts'
import { importBytes } from '../../../../src/distribute/unixfs-import.ts'
import { priorIdentity } from '../../../../src/optimize/prior.ts'
import { parseCid } from '../../../../src/codec.ts'
import { makeSample } from '../../../../scripts/make-sample.ts'
import { bundledPrior } from '../../../helpers/test-node.ts'

let folder: string
let bundle: string
let cid: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-bundle-'))
  bundle = join(folder, 'packed')
  cid = (await packBundle(bundledPrior('resnet20'), { out: bundle, license: 'MIT' })).cid
})
afterAll(async () => await rm(folder, { recursive: true }))

/** A copy that the test may spoil. */
async function copy(): Promise<string> {
  const to = await mkdtemp(join(folder, 'copy-'))
  await cp(bundle, to, { recursive: true })
  return to
}

const refusal = async (path: string): Promise<string> => (await checkPrior(path)).refusals.join('; ')

async function edit(path: string, change: (value: Record<string, unknown>) => void): Promise<void> {
  const value = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  change(value)
  await writeFile(path, JSON.stringify(value))
}

describe('packing', () => {
  test('the same prior gives the same CID, as a folder, as a CAR and when it is opened again', async () => {
    const car = join(folder, 'same.car')
    const packed = await packBundle(bundledPrior('resnet20'), { out: car, license: 'MIT' })
    expect(packed.cid).toBe(cid)
    const opened = await openBundle(bundle)
    onTestFinished(opened.prior.close)
    expect(opened.root.cid.toString()).toBe(cid)
    expect(opened.root.dagBytes).toBe(packed.bytes)
    expect(opened.facts).toMatchObject({ name: 'resnet20', license: 'MIT', prior: packed.prior })

    const { roots, blocks } = await readCar(
      (async function* () {
        yield new Uint8Array(await readFile(car))
      })()
    )
    expect(roots.map(String)).toEqual([cid])
    let bytes = 0
    for await (const block of blocks) bytes += block.bytes.byteLength
    expect(bytes).toBe(packed.bytes)
    await expect(packBundle(bundledPrior('resnet20'), { out: car })).rejects.toMatchObject({
      name: 'InvalidInputError'
    })
  })

  test('the folder is a prior with the same features and identity as the one it was made of', async () => {
    const own = await loadPrior(bundledPrior('resnet20'))
    onTestFinished(own.close)
    const packed = await loadPrior(bundle)
    onTestFinished(packed.close)
    expect(priorIdentity(packed.descriptor).equals(priorIdentity(own.descriptor))).toBe(true)
    expect(packed.descriptor.bundle?.cid.toString()).toBe(cid)
    expect(own.descriptor.bundle).toBeUndefined()
    const images = goldenImages().map((bytes, i) => ({ id: `${i}`, bytes }))
    expect((await packed.embed(images)).features.data).toEqual((await own.embed(images)).features.data)
    expect(
      Buffer.compare(
        await readFile(join(bundle, 'model.onnx')),
        await readFile(join(bundledPrior('resnet20'), 'model.onnx'))
      )
    ).toBe(0)
  })

  test('preprocessing that was assumed is written down, and a named tensor is kept', async () => {
    const bare = join(folder, 'bare')
    await mkdir(bare)
    await copyFile(join(bundledPrior('vgg_small'), 'model.onnx'), join(bare, 'model.onnx'))
    const report = await checkPrior(join(bare, 'model.onnx'))
    expect(report.preprocessing[0]).toContain('assumed')
    const out = join(folder, 'bare-packed')
    const packed = await packBundle(join(bare, 'model.onnx'), { out, name: 'with a name' })
    const again = await checkPrior(out)
    expect(again).toMatchObject({
      name: 'with a name',
      refusals: [],
      bundle: { cid: packed.cid, trust: 'reexecutable' }
    })
    expect(again.preprocessing).toEqual(report.preprocessing.slice(1))
    expect(again.bundle?.license).toBeUndefined()
    await expect(openBundle(out, { output: 'another' })).rejects.toThrow('pack the model again')
  })

  test('golden images from a source are those with the lowest hashes, whatever they are called', async () => {
    const images = join(folder, 'images')
    await makeSample(images, { count: 12 })
    const out = join(folder, 'from-images')
    await packBundle(bundledPrior('resnet20'), { out, images })
    const digests = await Promise.all(
      (await readdir(images)).map(async name => rawCid(await readFile(join(images, name))))
    )
    const lowest = digests.sort((a, b) => Buffer.compare(a.multihash.digest, b.multihash.digest)).slice(0, 8)
    const names = (await readdir(join(out, 'golden'))).filter(name => name !== 'golden.json').sort()
    const chosen = await Promise.all(names.map(async name => rawCid(await readFile(join(out, 'golden', name)))))
    expect(chosen.map(String)).toEqual(lowest.map(String))
    expect(await refusal(out)).toBe('')
    const few = join(folder, 'few')
    await makeSample(few, { count: 3 })
    await expect(packBundle(bundledPrior('resnet20'), { out: join(folder, 'no'), images: few })).rejects.toThrow(
      'needs 8'
    )
  })

  test('a folder that holds anything is left as it was', async () => {
    const out = join(folder, 'occupied')
    await mkdir(out)
    await writeFile(join(out, 'notes.txt'), 'mine')
    await expect(packBundle(bundledPrior('resnet20'), { out })).rejects.toThrow('is not empty')
    expect(await readdir(out)).toEqual(['notes.txt'])
  })

  test('labels and bundles are not packed', async () => {
    const labels = join(folder, 'labels.csv')
    await writeFile(labels, 'id,label\n')
    for (const path of [labels, bundle])
      await expect(packBundle(path, { out: join(folder, 'never') })).rejects.toMatchObject({
        name: 'InvalidInputError'
      })
  })

  test('the synthetic images are the same bytes on every machine', () => {
    const ids = goldenImages().map(bytes => rawCid(bytes).toString())
    expect(new Set(ids).size).toBe(8)
    expect(ids[0]).toBe('bafkreicaxccry5qih2v7nsr6kwemebak66fyerokreeepppnysoggsiiem')
  })
})

describe('a bundle that is not what it says', () => {
  test('an honest one is reported with how exactly its features came out', async () => {
    const report = await checkPrior(bundle)
    expect(report).toMatchObject({ refusals: [], bundle: { cid, trust: 'reexecutable', golden: 8, license: 'MIT' } })
    expect(report.bundle?.deviation).toBeLessThan(1e-5)
  })

  test('a golden feature that the model does not give', async () => {
    const path = await copy()
    await edit(join(path, 'golden', 'golden.json'), value => {
      const [image] = value['images'] as { feature: number[] }[]
      if (image?.feature[0] !== undefined) image.feature[0] += 0.5
    })
    expect(await refusal(path)).toContain('golden image 0.png: the feature is off by')
    await expect(loadPrior(path)).rejects.toMatchObject({ name: 'InvalidPriorError' })
  })

  test('a bundle that sets its own tolerance', async () => {
    const path = await copy()
    await edit(join(path, 'golden', 'golden.json'), value => void (value['tolerance'] = 1e9))
    expect(await refusal(path)).toContain('golden.json is not that of a bundle')
  })

  test('another model, another tensor, other preprocessing, another image', async () => {
    const model = await copy()
    await copyFile(join(bundledPrior('superclass2'), 'model.onnx'), join(model, 'model.onnx'))
    expect(await refusal(model)).not.toBe('')
    const tail = await copy()
    await appendFile(join(tail, 'model.onnx'), Uint8Array.of(0x12, 0x01, 0x78)) // a second producer name: still a model
    expect(await refusal(tail)).toContain('says that its model is')
    const steps = await copy()
    await edit(join(steps, 'preprocessor_config.json'), value => void (value['resample'] = 3))
    expect(await refusal(steps)).toContain('model, tensor and preprocessing are')
    const image = await copy()
    await copyFile(join(image, 'golden', '1.png'), join(image, 'golden', '0.png'))
    expect(await refusal(image)).toContain('golden image 0.png is not the one')
  })

  test('files too many, too large, of another kind, missing or under other names', async () => {
    const extra = await copy()
    await writeFile(join(extra, 'run.sh'), 'true')
    expect(await refusal(extra)).toContain('"run.sh"')
    const large = await copy()
    await truncate(join(large, 'golden', '3.png'), 5 * 1024 * 1024)
    expect(await refusal(large)).toContain('5242880 bytes')
    const link = await copy()
    await rm(join(link, 'golden', '2.png'))
    await symlink('/etc/hostname', join(link, 'golden', '2.png'))
    expect(await refusal(link)).toContain('is not a plain file')
    const less = await copy()
    await rm(join(less, 'golden', '7.png'))
    expect(await refusal(less)).toContain('has no golden/7.png')
    const path = await copy()
    await edit(join(path, 'golden', 'golden.json'), value => {
      const [image] = value['images'] as { file: string }[]
      if (image !== undefined) image.file = '../../0.png'
    })
    expect(await refusal(path)).toContain('golden.json is not that of a bundle')
    const json = await copy()
    await writeFile(join(json, 'bundle.json'), '{')
    expect(await refusal(json)).toContain('bundle.json of the bundle is not JSON')
    const model = await copy()
    expect((await checkPrior(model, { limits: { modelBytes: 1000 } })).refusals.join()).toContain('at most 1000')
  })
})

describe('a bundle by its CID', () => {
  async function store(): Promise<Content> {
    const path = await mkdtemp(join(folder, 'store-'))
    const local = await DurableBlockstore.open({ path, minFreeBytes: 0 })
    return createContent({ local }, { blockTimeoutMs: 1000, attempts: 1 })
  }
  const signal = new AbortController().signal
  const MOST = 10_000_000

  test('comes out of a store as the folder it was', async () => {
    const content = await store()
    const opened = await openBundle(bundle)
    onTestFinished(opened.prior.close)
    const root = parseCid(cid)
    expect(await heldBundle(root, content)).toBeUndefined()
    await storeBundle(opened.files, content.put)
    expect(await heldBundle(root, content)).toHaveLength(13)
    const out = join(folder, 'fetched')
    await fetchBundle(root, out, { content, maxModelBytes: MOST, signal })
    const again = await openBundle(out)
    onTestFinished(again.prior.close)
    expect(again.root.cid.equals(root)).toBe(true)
    const small = fetchBundle(root, join(folder, 'too-large'), { content, maxModelBytes: 1000, signal })
    await expect(small).rejects.toMatchObject({ name: 'InvalidContentError' })
  })

  test('is kept for its author only as far as the stated bytes go', async () => {
    const content = await store()
    const opened = await openBundle(bundle)
    onTestFinished(opened.prior.close)
    await storeBundle(opened.files, content.put)
    const root = parseCid(cid)
    const dagBytes = opened.root.dagBytes
    // every file by itself is below this, all together are not
    const most = { cid: root, dagBytes: (await readFile(join(bundle, 'model.onnx'))).byteLength + 100 }
    await expect(keepBundle(most, content, { signal })).rejects.toMatchObject({ name: 'InvalidContentError' })
    await keepBundle({ cid: root, dagBytes }, content, { signal })
  })

  test('names that are not of the format never become files', async () => {
    const content = await store()
    const file = await importBytes([Uint8Array.of(1)], content.put)
    for (const [name, where] of [
      ['../evil', 'top'],
      ['model.onnx/..', 'top'],
      ['golden.json\0', 'golden'],
      ['8.png', 'golden']
    ] as const) {
      const entry = [{ name, file }]
      const golden = directoryNode(where === 'golden' ? entry : [])
      const root = directoryNode([...(where === 'top' ? entry : []), { name: 'golden', file: golden.file }])
      for (const { block } of [golden, root]) await content.put(block.cid, block.bytes)
      const out = join(folder, 'hostile')
      await expect(fetchBundle(root.file.cid, out, { content, maxModelBytes: MOST, signal })).rejects.toThrow(
        'does not belong to one'
      )
      expect(await readdir(folder)).not.toContain('hostile')
    }
    const merged = directoryNode([{ name: 'README.md', file }])
    await content.put(merged.block.cid, merged.block.bytes)
    await expect(
      fetchBundle(merged.file.cid, join(folder, 'x'), { content, maxModelBytes: MOST, signal })
    ).rejects.toThrow('is not a bundle of a prior')
    const wide = directoryNode(Array.from({ length: 200 }, (_, i) => ({ name: `file ${i}`, file })))
    await content.put(wide.block.cid, wide.block.bytes)
    await expect(
      fetchBundle(wide.file.cid, join(folder, 'x'), { content, maxModelBytes: MOST, signal })
    ).rejects.toThrow('is not the directory of a bundle')
  })
})
