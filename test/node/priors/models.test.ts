import { link, mkdir, mkdtemp, open, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { png } from '../../../node/priors/synthetic-image.ts'
import { ELEMENT } from '../../../src/optimize/onnx-facts.ts'
import { priorIdentity } from '../../../src/optimize/prior.ts'
import { bytesField, integerField, message } from '../../../src/optimize/protobuf.ts'
import { floats, graphAttribute, integers, model, node, tensorAttribute, value } from '../../helpers/onnx.ts'

const PLAIN = JSON.stringify({ do_resize: false, do_rescale: false, do_normalize: false })
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

/** A 4 x 4 PNG of one colour. */
function flat(r: number, g: number, b: number): Uint8Array {
  const rows = new Uint8Array(4 * 13)
  for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) rows.set([r, g, b], y * 13 + 1 + x * 3)
  return png(4, 4, deflateSync(rows))
}

async function features(path: string, images: readonly Uint8Array[]): Promise<number[]> {
  const prior = await loadPrior(path)
  try {
    return [...(await prior.embed(images.map((bytes, i) => ({ id: `s${i}`, bytes })))).features.data]
  } finally {
    await prior.close()
  }
}

/** Image -> average over space [N, 3] -> `nodes`, whose last makes `out`. */
const pooled = (nodes: readonly Uint8Array[], initializers: readonly Uint8Array[] = []): Uint8Array =>
  model({
    nodes: [node('GlobalAveragePool', ['image'], ['pooled']), node('Flatten', ['pooled'], ['flat']), ...nodes],
    initializers,
    outputs: [value('out', ['N', 3])]
  })

const IMAGES = [flat(10, 20, 30), flat(40, 50, 60), flat(7, 8, 9)]
const COLOURS = [10, 20, 30, 40, 50, 60, 7, 8, 9]

describe('a model', () => {
  it('may take and give half-precision numbers', async () => {
    const half = model({
      nodes: [node('GlobalAveragePool', ['image'], ['pooled']), node('Flatten', ['pooled'], ['out'])],
      inputs: [value('image', ['N', 3, 4, 4], ELEMENT.float16)],
      outputs: [value('out', ['N', 3], ELEMENT.float16)]
    })
    expect(
      await features(await folder('half', { 'model.onnx': half, 'preprocessor_config.json': PLAIN }), IMAGES)
    ).toEqual(COLOURS)
  })

  it('may choose between branches', async () => {
    const branch = (op: string) =>
      message(
        bytesField(1, node(op, ['flat'], ['chosen'])),
        bytesField(2, op),
        bytesField(12, value('chosen', ['N', 3]))
      )
    const flag = message(integerField(2, ELEMENT.bool), bytesField(8, 'flag'), bytesField(9, Uint8Array.of(0)))
    const choice = node('If', ['flag'], ['out'], {
      attributes: [graphAttribute('then_branch', branch('Neg')), graphAttribute('else_branch', branch('Identity'))]
    })
    const path = await folder('if', { 'model.onnx': pooled([choice], [flag]), 'preprocessor_config.json': PLAIN })
    expect(await features(path, IMAGES)).toEqual(COLOURS)
  })

  it('whose batch is fixed at 1 inside is run with one image at a time, and prior check says so', async () => {
    const baked = pooled([node('Reshape', ['flat', 'shape'], ['out'])], [integers('shape', [1, 3])])
    const path = await folder('baked', { 'model.onnx': baked, 'preprocessor_config.json': PLAIN })
    expect(await features(path, IMAGES)).toEqual(COLOURS)
    const report = await checkPrior(path)
    expect(report.output?.rule).toMatch(/one image at a time: its batch is fixed at 1 inside/)
  })

  it('whose batch is fixed at more inside is refused with the way to export it', async () => {
    const baked = pooled([node('Reshape', ['flat', 'shape'], ['out'])], [integers('shape', [4, 3])])
    const load = loadPrior(await folder('baked-4', { 'model.onnx': baked }))
    await expect(load).rejects.toThrow(/batch of 1.*dynamic_axes=/)
  })

  it('that looks at its whole batch is run with one image at a time: an image has one feature', async () => {
    const centred = pooled(
      [node('ReduceMean', ['flat'], ['mean'], { attributes: [] }), node('Sub', ['flat', 'mean'], ['out'])],
      []
    )
    const path = await folder('company', { 'model.onnx': centred, 'preprocessor_config.json': PLAIN })
    expect(await features(path, IMAGES)).toEqual([-10, 0, 10, -10, 0, 10, -1, 0, 1])
    const fixed = model({
      nodes: [
        node('GlobalAveragePool', ['image'], ['pooled']),
        node('Flatten', ['pooled'], ['flat']),
        node('ReduceMean', ['flat'], ['mean']),
        node('Sub', ['flat', 'mean'], ['out'])
      ],
      inputs: [value('image', [4, 3, 4, 4])],
      outputs: [value('out', [4, 3])]
    })
    const load = loadPrior(await folder('company-4', { 'model.onnx': fixed }))
    await expect(load).rejects.toThrow(/depends on the others in its batch, which is fixed at 4/)
  })

  it('of an operator set that is too new is refused with one that is not', async () => {
    const parts = { nodes: [node('Relu', ['image'], ['out'])], outputs: [value('out', ['N', 3, 4, 4])], opset: 99 }
    const load = loadPrior(await folder('opset', { 'model.onnx': model(parts) }))
    await expect(load).rejects.toThrow(/export it again with opset_version=\d+ or lower/)
    const version = message(model({ ...parts, opset: 13 }), integerField(1, 99))
    const other = loadPrior(await folder('ir', { 'model.onnx': version }))
    await expect(other).rejects.toThrow(/m\.ir_version = \d+; onnx\.save/)
  })

  it('of 8-bit operators gives its feature dequantised', async () => {
    const byte = (name: string, v: number) =>
      message(integerField(2, ELEMENT.uint8), bytesField(8, name), bytesField(9, Uint8Array.of(v)))
    const quantised = pooled(
      [
        node('QuantizeLinear', ['pooled', 'scale', 'zero'], ['q']),
        node('Flatten', ['q'], ['hidden']),
        node('DequantizeLinear', ['hidden', 'scale', 'zero'], ['again']),
        node('MatMul', ['again', 'w'], ['out'])
      ],
      [floats('scale', [], [0.5]), byte('zero', 3), floats('w', [3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1])]
    )
    const path = await folder('q', { 'model.onnx': quantised, 'preprocessor_config.json': PLAIN })
    const prior = await loadPrior(path, { output: 'hidden' })
    expect([...(await prior.embed([{ id: 'a', bytes: IMAGES[0] as Uint8Array }])).features.data]).toEqual([10, 20, 30])
    await prior.close()
  })
})

describe('weights in other files', () => {
  const weights = Float32Array.of(2, 0, 0, 0, 2, 0, 0, 0, 2)
  const data = new Uint8Array(weights.buffer)
  const external = (location: string) =>
    message(
      ...[3, 3].map(d => integerField(1, d)),
      integerField(2, ELEMENT.float),
      bytesField(8, 'w'),
      ...Object.entries({ location, offset: '0', length: '36' }).map(([k, v]) =>
        bytesField(13, message(bytesField(1, k), bytesField(2, v)))
      ),
      integerField(14, 1)
    )
  const named = (location: string) =>
    pooled([node('MatMul', ['flat', 'w'], ['product']), node('Relu', ['product'], ['out'])], [external(location)])
  const settings = { 'preprocessor_config.json': PLAIN }

  it('are read, and are part of what the prior is', async () => {
    const one = await folder('data', { 'model.onnx': named('model.onnx.data'), 'model.onnx.data': data, ...settings })
    expect(await features(one, IMAGES)).toEqual(COLOURS.map(v => 2 * v))
    expect((await checkPrior(one)).bytes).toBe(named('model.onnx.data').byteLength + 36)
    const other = await folder('data-2', {
      'model.onnx': named('model.onnx.data'),
      'model.onnx.data': new Uint8Array(Float32Array.from(weights, v => -v).buffer),
      ...settings
    })
    const [a, b] = await Promise.all([loadPrior(one), loadPrior(other)])
    expect(a.descriptor.id.equals(b.descriptor.id), 'the .onnx files are the same').toBe(true)
    expect(priorIdentity(a.descriptor).equals(priorIdentity(b.descriptor))).toBe(false)
    await Promise.all([a.close(), b.close()])
  })

  it('may lie in a folder below', async () => {
    const below = await folder('below', { 'model.onnx': named('weights/w.bin'), 'weights/w.bin': data, ...settings })
    expect(await features(below, IMAGES)).toEqual(COLOURS.map(v => 2 * v))
  })

  it('that are missing, cut off, a pointer or elsewhere are named with the remedy', async () => {
    const without = await folder('without', { 'model.onnx': named('w.bin'), ...settings })
    await expect(loadPrior(without)).rejects.toThrow(
      /weight "w" is in the file "w\.bin", which is missing: put it into/
    )
    const cut = await folder('cut', { 'model.onnx': named('w.bin'), 'w.bin': data.subarray(4), ...settings })
    await expect(loadPrior(cut)).rejects.toThrow(
      /ends at byte 36 of "w\.bin", which has 32: the download is incomplete/
    )
    const pointer = 'version https://git-lfs.github.com/spec/v1\n'.slice(0, 35)
    const lfs = await folder('lfs', { 'model.onnx': named('w.bin'), 'w.bin': pointer.padEnd(35), ...settings })
    await expect(loadPrior(lfs)).rejects.toThrow(/ends at byte 36/)
    const secret = await folder('secret', { 'w.bin': data })
    const links = await folder('links', { 'model.onnx': named('w.bin'), ...settings })
    await symlink(join(secret, 'w.bin'), join(links, 'w.bin'))
    await expect(loadPrior(links)).rejects.toThrow(/not a plain file in the model's folder.*cp -rL/)
    const folders = await folder('folders', { 'model.onnx': named('w.bin'), 'w.bin/x': data, ...settings })
    await expect(loadPrior(folders)).rejects.toThrow(/not a plain file/)
  })

  it('may be more than a protobuf message, 2 GiB, can hold', async () => {
    // 200 million rows of 3, of which the model takes the last; those before it are a hole in the file
    const rows = 200_000_000
    const bytes = 12 * rows
    const large = message(
      integerField(1, rows),
      integerField(1, 3),
      integerField(2, ELEMENT.float),
      bytesField(8, 'w'),
      ...Object.entries({ location: 'w.bin', offset: '0', length: `${bytes}` }).map(([k, v]) =>
        bytesField(13, message(bytesField(1, k), bytesField(2, v)))
      ),
      integerField(14, 1)
    )
    const nodes = [
      node('Gather', ['w', 'at'], ['row']),
      node('Add', ['flat', 'row'], ['sum']),
      node('Relu', ['sum'], ['out'])
    ]
    const path = await folder('large', {
      'model.onnx': pooled(nodes, [large, integers('at', [rows - 1])]),
      'w.bin': new Uint8Array(0),
      ...settings
    })
    const file = await open(join(path, 'w.bin'), 'r+')
    await file.write(new Uint8Array(Float32Array.of(100, 200, 300).buffer), 0, 12, bytes - 12)
    await file.close()
    expect(await features(path, IMAGES.slice(0, 1))).toEqual([110, 220, 330])
    await expect(loadPrior(path, { limits: { memoryBytes: 2 ** 31 } })).rejects.toThrow(/inference\.memoryBytes/)
  }, 120_000)

  it('are counted against the limit on models', async () => {
    const path = await folder('limited', { 'model.onnx': named('w.bin'), ...settings })
    await link(join(await folder('large-file', { 'w.bin': data }), 'w.bin'), join(path, 'w.bin'))
    await truncate(join(path, 'w.bin'), 5_000_000)
    await expect(loadPrior(path, { limits: { modelBytes: 1_000_000 } })).rejects.toThrow(/inference\.modelBytes/)
  })
})

it('constants of a graph keep their place where they are external too', async () => {
  const outside = message(
    integerField(1, 3),
    integerField(2, ELEMENT.float),
    bytesField(8, 'c'),
    bytesField(13, message(bytesField(1, 'location'), bytesField(2, 'c.bin'))),
    integerField(14, 1)
  )
  const bytes = pooled([
    node('Constant', [], ['c'], { attributes: [tensorAttribute('value', outside)] }),
    node('Add', ['flat', 'c'], ['out'])
  ])
  const load = loadPrior(await folder('constant', { 'model.onnx': bytes }))
  await expect(load).rejects.toThrow(/weight "c" is in the file "c\.bin", which is missing/)
})
