import { createWriteStream } from 'node:fs'
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import tar from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { floats, model, node as operator, value } from '../../helpers/onnx.ts'
import { bytesField, integerField, message } from '../../../src/optimize/protobuf.ts'
import { rawCid } from '../../../src/codec.ts'
import { ELEMENT } from '../../../src/optimize/onnx-facts.ts'
import {
  bundledPrior,
  leftInSpool,
  pictures,
  priorFolder,
  startNode,
  temporaryFolder
} from '../../helpers/test-node.ts'

const SMALL = { partitions: 2, shared: 16, dimension: 64 }

/** Every file below a folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true })
  return all.filter(e => e.isFile()).map(e => join(e.parentPath, e.name))
}

async function tarOf(folder: string): Promise<string> {
  const path = join(await temporaryFolder(), 'images.tar')
  const pack = tar.pack()
  const out = createWriteStream(path)
  pack.pipe(out)
  for (const file of await filesBelow(folder)) pack.entry({ name: file.slice(folder.length + 1) }, await readFile(file))
  pack.finalize()
  await finished(out)
  return path
}

test('the manifest has the rules that were asked for, and else those of its kind of swarm', async () => {
  const node = await startNode()
  const images = await pictures(40)
  const rules = async (options: object) => {
    const { manifest } = await node.node.publish(images, { name: 'test', ...SMALL, ...options })
    const found = node.runtime.swarms.get(manifest)?.swarm.manifest
    return { uniformity: found?.uniformity, policy: found?.election.policy }
  }
  expect(await rules({})).toEqual({ uniformity: { t: 2, centred: false }, policy: 'corroboration' })
  expect((await rules({ allow: [node.peer] })).policy).toBe('consensus')
  expect(await rules({ centred: true, election: 'consensus' })).toEqual({
    uniformity: { t: 2, centred: true },
    policy: 'consensus'
  })
})

describe('a source of images', () => {
  test('with one broken image stops before anything is published, and the error names the file', async () => {
    const node = await startNode()
    const images = await pictures(40)
    const good = await readFile((await filesBelow(images))[0] as string)
    await writeFile(join(images, 'secret-class-b', 'broken.jpg'), good.subarray(0, good.byteLength / 2))
    await expect(node.publish(images, SMALL)).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: expect.stringContaining('broken.jpg') as string
    })
    expect((await node.node.status()).swarms).toEqual([])
    expect(await filesBelow(join(node.home, 'blocks')), 'no block was made').toEqual([])
    expect(await leftInSpool(node), 'nothing is left in the spool').toEqual([])
  })

  test('that is empty, too small, missing or no source at all is refused with the reason', async () => {
    const node = await startNode()
    const empty = await temporaryFolder()
    const refused = async (path: string, options: object, message: RegExp) =>
      await expect(node.publish(path, { ...SMALL, ...options })).rejects.toMatchObject({
        name: 'InvalidInputError',
        message: expect.stringMatching(message) as string
      })
    await refused(empty, {}, /has no image \(JPEG/)
    await writeFile(join(empty, 'notes.txt'), 'no image')
    await refused(empty, {}, /1 file of another kind \(notes.txt\)/)
    await refused(join(empty, 'nowhere'), {}, /nowhere cannot be read/)
    await refused(join(empty, 'notes.txt'), {}, /neither a folder nor a tar/)
    const few = await pictures(20)
    await refused(few, { partitions: 21 }, /20 images, too few for 21 partitions/)
    await refused(few, { shared: 15 }, /16 at least/)
    await refused(await pictures(12), {}, /12 images, 16 at least/)
    await refused(few, { allow: ['not-a-peer'] }, /not-a-peer/)
    const referencePrior = join(empty, 'notes.txt')
    await expect(node.publish(few, { ...SMALL, referencePrior })).rejects.toMatchObject({ name: 'InvalidPriorError' })
    expect(await filesBelow(join(node.home, 'blocks'))).toEqual([])
  })

  test('may be a tar; one that was cut publishes nothing', async () => {
    const node = await startNode()
    const images = await pictures(40)
    const path = await tarOf(images)
    expect(await node.publish(path, SMALL)).toMatchObject({ samples: 40, partitions: 2, shared: 16 })
    const blocks = (await filesBelow(join(node.home, 'blocks'))).length
    const bytes = await readFile(path)
    const cut = join(await temporaryFolder(), 'cut.tar')
    await writeFile(cut, bytes)
    for (const size of [Math.floor(bytes.byteLength / 2), 700]) {
      await truncate(cut, size)
      await expect(node.publish(cut, SMALL)).rejects.toMatchObject({
        name: 'InvalidInputError',
        message: expect.stringContaining('cut.tar') as string
      })
    }
    expect((await node.node.status()).swarms).toHaveLength(1)
    expect((await filesBelow(join(node.home, 'blocks'))).length).toBe(blocks)
  })

  test('leaves nothing of its names in any block', async () => {
    const node = await startNode()
    const { manifest } = await node.publish(await pictures(60), SMALL)
    await node.publish(await tarOf(await pictures(60)), SMALL)
    const blocks = await filesBelow(join(node.home, 'blocks'))
    expect(blocks.length).toBeGreaterThan(4)
    for (const file of [...blocks, ...(await filesBelow(join(node.home, 'swarms', manifest)))])
      expect((await readFile(file)).includes('secret'), file).toBe(false)
  })
})

describe('a prior', () => {
  const inputs = [value('image', ['N', 3, 32, 32])]
  const pooled = [operator('GlobalAveragePool', ['image'], ['pooled']), operator('Flatten', ['pooled'], ['flat'])]

  test('that is no model, has external data, or gives NaN is refused, and the node works on', async () => {
    const node = await startNode()
    const { invite } = await node.publish(await pictures(40), SMALL)

    const noise = await priorFolder(Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251))
    await expect(node.join(invite, noise)).rejects.toMatchObject({ name: 'InvalidPriorError' })
    expect((await node.node.priorCheck(noise, {})).refusals).not.toEqual([])
    await expect(node.join(invite, join(noise, 'nowhere.onnx'))).rejects.toMatchObject({ name: 'InvalidPriorError' })

    const w = message(
      integerField(1, 3),
      integerField(2, ELEMENT.float),
      bytesField(8, 'w'),
      bytesField(13, message(bytesField(1, 'location'), bytesField(2, '../../../../etc/passwd'))),
      integerField(14, 1)
    )
    const external = await priorFolder(
      model({
        nodes: [...pooled, operator('Mul', ['flat', 'w'], ['feature'])],
        initializers: [w],
        inputs,
        outputs: [value('feature', ['N', 3])]
      })
    )
    await expect(node.join(invite, external)).rejects.toMatchObject({
      name: 'InvalidPriorError',
      message: expect.stringContaining('external') as string
    })

    const nan = await priorFolder(
      model({
        nodes: [...pooled, operator('Sub', ['flat', 'much'], ['below']), operator('Sqrt', ['below'], ['feature'])],
        initializers: [floats('much', [1], [1000])],
        inputs,
        outputs: [value('feature', ['N', 3])]
      })
    )
    await expect(node.join(invite, nan)).rejects.toMatchObject({
      name: 'NonFiniteFeatureError',
      message: expect.stringMatching(/NaN/) as string
    })
    const [swarm] = (await node.node.status()).swarms
    expect(swarm?.peers, 'nobody published a score').toEqual([])
    expect(await node.node.priorCheck(bundledPrior('resnet20'), {})).toMatchObject({ dimension: 64, refusals: [] })
  })

  test('of more dimensions than the swarm keeps is warned of', async () => {
    const node = await startNode()
    const { invite } = await node.publish(await pictures(40), SMALL)
    const joining = node.join(invite, bundledPrior('vgg_small'))
    const text = /128 dimensions, this swarm keeps 64/
    await node.until(event => event.type === 'log' && event.level === 'warn' && text.test(event.message))
    node.stop()
    await joining.catch((error: unknown) => expect(error).toMatchObject({ name: 'AbortError' }))
  })

  test('of labels cannot be what the gate judges against', async () => {
    const node = await startNode()
    const labels = join(await temporaryFolder(), 'labels.csv')
    const [a, b] = [1, 2].map(byte => rawCid(Uint8Array.of(byte)))
    await appendFile(labels, `id,label\n${a},0\n${b},1\n`)
    await expect(node.publish(await pictures(40), { ...SMALL, referencePrior: labels })).rejects.toMatchObject({
      name: 'InvalidInputError'
    })
    expect(await filesBelow(join(node.home, 'blocks'))).toEqual([])
  })
})
