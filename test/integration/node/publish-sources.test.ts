import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { importer } from 'ipfs-unixfs-importer'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { bundledPrior, IMAGES, pictures, SHARED, startNode, temporaryFolder } from '../../helpers/test-node.ts'
import { writeParquet, writeTar } from '../../node/image-sources/archives.ts'

const SMALL = { partitions: 2, shared: 16, dimension: 64 }

/** Every file below a folder. */
async function imagesBelow(folder: string): Promise<Uint8Array[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = all.filter(e => e.isFile()).map(e => join(e.parentPath, e.name))
  return await Promise.all(paths.sort().map(async path => new Uint8Array(await readFile(path))))
}

test('tar shards, Parquet files, a directory on IPFS and all together become swarms', async () => {
  const node = await startNode()
  const images = await imagesBelow(await pictures(40))
  const folder = await temporaryFolder()
  const shards = [
    await writeTar(join(folder, '0.tar'), Object.fromEntries(images.slice(0, 20).map((b, i) => [`${i}.webp`, b]))),
    await writeTar(join(folder, '1.tar'), Object.fromEntries(images.slice(20).map((b, i) => [`${i}.webp`, b])))
  ]
  expect(await node.publish(folder, SMALL)).toMatchObject({ samples: 40, duplicates: 0 })
  const parquet = await writeParquet(join(await temporaryFolder(), 'x.parquet'), images, {
    codec: 'SNAPPY',
    rowGroupSize: 7
  })
  expect(await node.publish(parquet, SMALL)).toMatchObject({ samples: 40, duplicates: 0 })
  const store = {
    put: async (
      cid: Parameters<typeof node.runtime.content.put>[0],
      bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
    ) => {
      const parts: Uint8Array[] = []
      if (bytes instanceof Uint8Array) parts.push(bytes)
      else for await (const part of bytes) parts.push(part)
      await node.runtime.content.put(cid, new Uint8Array(Buffer.concat(parts)))
      return cid
    }
  }
  let root = ''
  const files = images.map((content, i) => ({ path: `a/${i}.webp`, content }))
  for await (const { cid } of importer(files, store, { wrapWithDirectory: true })) root = cid.toString()
  expect(await node.publish(`/ipfs/${root}`, SMALL)).toMatchObject({ samples: 40, duplicates: 0 })
  const more = [...shards, parquet]
  const kept = await node.publish(`/ipfs/${root}`, { ...SMALL, more })
  expect(kept).toMatchObject({ samples: 120, duplicates: 80 })
  const once = await node.publish(`/ipfs/${root}`, { ...SMALL, more, dedupe: true })
  expect(once).toMatchObject({ samples: 40, duplicates: 80 })
  expect(node.events).toContainEqual({
    type: 'log',
    level: 'warn',
    message: 'left out: 80 images that occurred before'
  })
})

test('images that cannot be decoded are listed and left out only when that is asked for', async () => {
  const node = await startNode()
  const folder = await pictures(40)
  const [good] = await imagesBelow(folder)
  if (good === undefined) throw new Error('there are no pictures')
  await writeFile(join(folder, 'cut.jpg'), good.subarray(0, good.byteLength / 2))
  await expect(node.publish(folder, SMALL)).rejects.toThrow('--skip-bad')
  expect((await node.node.status()).swarms).toEqual([])
  expect(await node.publish(folder, { ...SMALL, skipBad: true })).toMatchObject({
    samples: 40,
    leftOut: [{ reason: 'broken', count: 1, examples: ['cut.jpg'] }]
  })
  expect(node.events).toContainEqual({
    type: 'log',
    level: 'warn',
    message: expect.stringContaining('left out cut.jpg: ') as string
  })
  await rm(join(folder, 'cut.jpg'))
  expect(await node.publish(folder, { ...SMALL, skipBad: true })).toMatchObject({ leftOut: [] })
})

test('how large an image may be is said by the publisher, and every participant goes by it', async () => {
  const publisher = await startNode()
  const folder = await pictures()
  // 12 megapixels, as a telephone makes them
  const photo = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: '#48a' } })
    .jpeg()
    .toBuffer()
  await writeFile(join(folder, 'photo.jpg'), photo)
  await expect(publisher.publish(folder, { ...SMALL, maxPixels: 1_000_000 })).rejects.toThrow(
    'photo.jpg: 4000 x 3000 = 12000000 pixels, at most 1000000 by --max-pixels of publish'
  )
  const usual = await publisher.publish(folder, SMALL)
  expect(publisher.membership(usual.manifest).swarm.manifest.images).toBeUndefined()
  const maxPixels = 12_000_000
  const { manifest, invite, samples } = await publisher.publish(folder, { ...SMALL, shared: SHARED, maxPixels })
  expect(samples).toBe(IMAGES + 1)
  const { images } = publisher.membership(manifest).swarm.manifest
  expect(images).toEqual({ maxPixels, maxBytes: 67_108_864 })
  const report = await publisher.join(invite, bundledPrior('resnet20'))
  expect(report.complete).toBe(true)
})
