import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import type { CID } from 'multiformats/cid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { buildDataset, type BuiltDataset } from '../../../node/publish/build.ts'
import { openSource } from '../../../node/image-sources/source.ts'
import { rawCid } from '../../../src/codec.ts'
import { InvalidContentError, InvalidInputError } from '../../../src/errors.ts'
import { memoryContent } from '../../helpers/memory-content.ts'
import { all, fakeImage } from '../../src/distribute/samples.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-build-'))
})
afterEach(async () => await rm(root, { recursive: true, force: true }))

const seed = new Uint8Array(32).fill(3)
const IMAGES = Array.from({ length: 101 }, (_, i) => fakeImage(i, 100 + ((i * 7919) % 40_000)))

/** CID, bytes and rows of four partitions and the shared set: as the first release wrote them. */
const PINNED = [
  ['bafybeihacqcsix5ean64mewx7tbhvyewktfgyyz6g3halheatqxoilqpqe', 1_048_894, 25],
  ['bafybeigb4xxz5zfb2xvoxepsbybnbkiwwu6z525wayw5fvhpsrvmhsxa5i', 1_048_894, 25],
  ['bafybeifutzw5mwc6amehsslsoxi7cakrb3wxmbhinhovivy75ferycncsi', 1_048_894, 25],
  ['bafybeifm2ftkdabkuktxpnsc3rokq57ifdsv5umvqd4niku4kntpnfpg5e', 1_048_894, 26],
  ['bafybeid77c2gcfwnroa32rjb7acxhdg2635iqatupiqguhdlcwy2n756xy', 1_048_894, 10]
]

async function folder(name: (i: number) => string, order = IMAGES.map((_, i) => i)): Promise<string> {
  const path = await mkdtemp(join(root, 'images-'))
  for (const i of order) {
    await mkdir(join(path, name(i), '..'), { recursive: true })
    await writeFile(join(path, name(i)), IMAGES[i] as Uint8Array)
  }
  return path
}

async function build(path: string, options: { partitions?: number; onProgress?: (...args: unknown[]) => void } = {}) {
  const store = new MemoryBlockstore()
  const blocks: Uint8Array[] = []
  const put = async (cid: CID, block: Uint8Array) => {
    blocks.push(block)
    await store.put(cid, block)
  }
  const source = await openSource(path, { spool: root })
  const built = await buildDataset(source, { partitions: 4, sharedRows: 10, seed, put, ...options })
  await source.close()
  return { built, store, content: memoryContent(store), blocks }
}

const { signal } = new AbortController()

const ids = async (content: Content, built: BuiltDataset) =>
  await Promise.all(
    built.partitions.map(async file => (await all(content.samples(file, 0, signal))).map(sample => sample.id))
  )

describe('buildDataset', () => {
  it('writes every image once into partitions of nearly equal size, and the shared set', async () => {
    const steps: unknown[][] = []
    const { built, content } = await build(await folder(i => `${i}.jpg`), { onProgress: (...step) => steps.push(step) })
    const rows = await ids(content, built)
    expect(rows.map(list => list.length)).toEqual(built.partitions.map(partition => partition.rows))
    expect(built.partitions.map(partition => partition.rows).sort((a, b) => a - b)).toEqual([25, 25, 25, 26])
    expect(rows.flat().sort()).toEqual(IMAGES.map(bytes => rawCid(bytes).toString()).sort())
    const shared = await all(content.samples(built.shared, 0, signal))
    expect(shared).toHaveLength(10)
    expect(rows.flat()).toEqual(expect.arrayContaining(shared.map(sample => sample.id)))
    expect(built).toMatchObject({ samples: 101, duplicates: 0 })
    expect(steps.at(-1)).toEqual(['shared', 10, 10])
    expect(steps.filter(([step]) => step === 'partitions').at(-1)).toEqual(['partitions', 101, 101])
  })

  it('lets no file or folder name into any block, and does not depend on names or order', async () => {
    const one = await build(await folder(i => `tabbycat-${i % 5}/holiday_${i}.jpg`))
    const two = await build(await folder(i => `${i * 17}.bin`, IMAGES.map((_, i) => i).reverse()))
    expect(JSON.stringify(two.built)).toBe(JSON.stringify(one.built))
    const stored = Buffer.concat(one.blocks)
    expect(stored.includes('00000007.jpg')).toBe(true)
    for (const name of ['tabbycat', 'holiday', root]) expect(stored.includes(name)).toBe(false)
  })

  it('writes the same bytes as ever: the CIDs of these images are pinned', async () => {
    const { built } = await build(await folder(i => `${i}.jpg`))
    const files = [...built.partitions, built.shared].map(({ cid, bytes, rows }) => [cid.toString(), bytes, rows])
    expect(files).toEqual(PINNED)
  })

  it('stores no node of a file before all of its leaves', async () => {
    const source = await openSource(await folder(i => `${i}.jpg`), { spool: root })
    const waiting: (() => void)[] = []
    const stored: string[] = []
    let most = 0
    const put = async (cid: CID) => {
      const isLeaf = cid.code === rawCid(new Uint8Array(0)).code
      if (isLeaf) {
        const asked = new Promise<void>(resolve => waiting.push(resolve))
        most = Math.max(most, waiting.length)
        setImmediate(() => waiting.pop()?.()) // the latest first
        await asked
      }
      stored.push(isLeaf ? 'leaf' : 'node')
    }
    await buildDataset(source, { partitions: 1, sharedRows: 5, seed, put })
    await source.close()
    expect(stored).toEqual(['leaf', 'leaf', 'leaf', 'node', 'leaf', 'leaf', 'node'])
    expect(most).toBeGreaterThan(1)
  })

  it('notices an image that changes while it runs', async () => {
    const path = await folder(i => `${i}.jpg`)
    const source = await openSource(path, { spool: root })
    await writeFile(join(path, '5.jpg'), fakeImage(999, 100))
    const building = buildDataset(source, { partitions: 2, sharedRows: 5, seed, put: async () => {} })
    await expect(building).rejects.toThrow('5.jpg changed')
  })

  it('refuses impossible counts before it writes anything', async () => {
    const path = await folder(i => `${i}.jpg`)
    let blocks = 0
    const source = await openSource(path, { spool: root })
    const put = async () => {
      blocks++
    }
    await expect(buildDataset(source, { partitions: 102, sharedRows: 5, seed, put })).rejects.toThrow(InvalidInputError)
    await expect(
      buildDataset({ ...source, bytes: 2 ** 41 }, { partitions: 5, sharedRows: 5, seed, put })
    ).rejects.toThrow('use')
    expect(blocks).toBe(0)
  })
})

describe('samples of a partition', () => {
  it('start at any row, and are refused when a block is not as long as its tree says', async () => {
    const { built, store, content } = await build(await folder(i => `${i}.jpg`), { partitions: 1 })
    const [file] = built.partitions
    if (file === undefined) throw new Error('no partition')
    const samples = await all(content.samples(file, 0, signal))
    for (const start of [1, 50, 100, 101])
      expect(await all(content.samples(file, start, signal))).toEqual(samples.slice(start))
    const { cid, bytes } = file
    await expect(all(content.samples({ cid, bytes: bytes - 1 }, 0, signal))).rejects.toThrow(InvalidContentError)
    await expect(all(content.samples({ cid, bytes: bytes + 1 }, 0, signal))).rejects.toThrow(InvalidContentError)
    expect(await content.read(cid, bytes, { signal })).toHaveLength(bytes)
    const short = Object.assign(new MemoryBlockstore(), {
      get: async function* (child: CID) {
        for await (const part of store.get(child)) yield child.code === 0x55 ? part.subarray(1) : part
      }
    })
    await expect(all(memoryContent(short).samples(file, 0, signal))).rejects.toThrow(/the leaf .* has \d+ bytes, not/)
  })

  it('end when the signal does, also where every block is here', async () => {
    const { built, content } = await build(await folder(i => `${i}.jpg`))
    const file = built.partitions[0] as BuiltDataset['shared']
    await expect(all(content.samples(file, 0, AbortSignal.abort(new Error('enough'))))).rejects.toThrow('enough')
  })
})
