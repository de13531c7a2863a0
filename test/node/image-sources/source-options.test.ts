import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource, type Source } from '../../../node/image-sources/source.ts'
import { contentId } from '../../../src/distribute/content-id.ts'
import { sampleId } from '../../../src/distribute/content-id.ts'
import { fakeImage } from '../../src/distribute/samples.ts'
import { writeTar } from './archives.ts'

let root: string
let spool: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-source-options-'))
  spool = join(root, 'spool')
  await mkdir(spool)
})
afterEach(async () => await rm(root, { recursive: true, force: true }))

async function folder(files: Record<string, Uint8Array | string>): Promise<string> {
  const path = await mkdtemp(join(root, 'images-'))
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(path, name), bytes)
  return path
}

/** Ids of all images as their bytes say, checked against digests and sizes. */
async function idsOf(source: Source): Promise<string[]> {
  const ids: string[] = []
  let bytes = 0
  for (let i = 0; i < source.count; i++) {
    const image = await source.read(i)
    bytes += image.byteLength
    const id = (await contentId(image)).toString()
    expect(sampleId(source.digests.subarray(i * 32, i * 32 + 32))).toBe(id)
    ids.push(id)
  }
  expect(source.bytes).toBe(bytes)
  expect(source.digests).toHaveLength(source.count * 32)
  return ids
}

describe('duplicates', () => {
  it.each(['folder', 'tar'] as const)('are kept and counted, or kept once, in a %s', async kind => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(6), { minLength: 1, maxLength: 30 }), async seeds => {
        const files = Object.fromEntries(seeds.map((seed, i) => [`${i}.jpg`, fakeImage(seed, 20 + seed)]))
        const path = kind === 'folder' ? await folder(files) : await writeTar(join(root, 'x.tar'), files)
        const all = await openSource(path, { spool })
        const once = await openSource(path, { spool, dedupe: true })
        const distinct = new Set(seeds).size
        expect(all).toMatchObject({ count: seeds.length, duplicates: seeds.length - distinct })
        expect(once).toMatchObject({ count: distinct, duplicates: seeds.length - distinct })
        const ids = await idsOf(once)
        expect(new Set(ids).size).toBe(distinct)
        expect(new Set(await idsOf(all))).toEqual(new Set(ids))
        await all.close()
        await once.close()
      }),
      { numRuns: 20 }
    )
  })

  it('are found across sources of different kinds', async () => {
    const one = await folder({ 'a.jpg': fakeImage(1, 30), 'b.jpg': fakeImage(2, 40) })
    const two = await writeTar(join(root, 'two.tar'), { 'c.jpg': fakeImage(2, 40), 'd.jpg': fakeImage(3, 50) })
    const three = await folder({ 'e.jpg': fakeImage(3, 50), 'f.jpg': fakeImage(4, 60) })
    const source = await openSource([one, two, three], { spool, dedupe: true })
    expect(source).toMatchObject({ count: 4, duplicates: 2 })
    expect(new Set(await idsOf(source)).size).toBe(4)
    await source.close()
  })
})

describe('broken images', () => {
  const inspect = async (batch: readonly Uint8Array[]) =>
    batch.map(bytes => ((bytes[4] ?? 0) % 4 === 0 ? 'premature end of data' : undefined))
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`image-${i}.jpg`, fakeImage(i, 20)]))

  it.each(['folder', 'tar'] as const)('are each listed and left out of a %s when that is asked for', async kind => {
    const files = { ...many, 'page.jpeg': '<html>' }
    const path = kind === 'folder' ? await folder(files) : await writeTar(join(root, 'x.tar'), files)
    const listed: string[] = []
    const source = await openSource(path, {
      spool,
      inspect,
      onBroken: (name, fault) => listed.push(`${name}: ${fault}`)
    })
    expect(source).toMatchObject({ count: 75, duplicates: 0, leftOut: [{ reason: 'broken', count: 26 }] })
    const expected = Array.from({ length: 25 }, (_, i) => `image-${4 * i}.jpg: premature end of data`)
    expect(listed.toSorted()).toEqual([...expected.toSorted(), expect.stringMatching(/^page\.jpeg: it is a web page/)])
    for (const id of await idsOf(source)) expect(id).not.toBe((await contentId(fakeImage(0, 20))).toString())
    for (let i = 0; i < source.count; i++) expect(new Uint8Array(await source.read(i))).toEqual(many[source.nameOf(i)])
    await source.close()
  })

  it('that are all there is leave nothing to publish', async () => {
    const path = await folder({ 'a.jpg': fakeImage(4, 20), 'b.txt': 'x' })
    await expect(openSource(path, { spool, inspect, onBroken: () => undefined })).rejects.toThrow(
      'has no image (JPEG, PNG, WebP, GIF, TIFF and AVIF): 1 file of another kind (b.txt); 1 image or archive that cannot be used (a.jpg)'
    )
  })

  it('include files that cannot be read', async () => {
    const path = await folder({ 'a.jpg': fakeImage(1, 20), 'locked.jpg': fakeImage(2, 20) })
    await symlink(join(path, 'nowhere'), join(path, 'dangling.jpg'))
    await expect(openSource(path, { spool })).rejects.toThrow('dangling.jpg: it cannot be read')
    await chmod(join(path, 'locked.jpg'), 0)
    const listed: string[] = []
    const source = await openSource(path, { spool, onBroken: name => listed.push(name) })
    // root reads everything
    const isRoot = process.getuid?.() === 0
    expect(listed.sort()).toEqual(isRoot ? ['dangling.jpg'] : ['dangling.jpg', 'locked.jpg'])
    expect(source.count).toBe(isRoot ? 2 : 1)
    await source.close()
  })
})

describe('tar shards', () => {
  const shard = (from: number) =>
    Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [
        [`${from + i}.jpg`, fakeImage(from + i, 100)] as const,
        [`${from + i}.cls`, `${i}`] as const,
        [`${from + i}.json`, '{}'] as const
      ]).flat()
    )

  it('are read from a folder or by name, images only, the rest counted', async () => {
    const path = await folder({ 'README.md': 'about' })
    await writeTar(join(path, 'train-000001.tar'), shard(10))
    await writeTar(join(path, 'train-000000.tar'), shard(0))
    const byName = [join(path, 'train-000000.tar'), join(path, 'train-000001.tar')]
    const expected = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => (await contentId(fakeImage(i, 100))).toString())
    )
    for (const source of [await openSource(path, { spool }), await openSource(byName, { spool })]) {
      expect(source).toMatchObject({ count: 20, duplicates: 0 })
      const others = source.leftOut.find(({ reason }) => reason === 'other')
      // README.md is beside them in the folder
      expect(others?.count).toBe(others?.examples[0] === 'README.md' ? 41 : 40)
      expect(await idsOf(source)).toEqual(expected)
      expect(source.nameOf(13)).toBe('train-000001.tar: 13.jpg')
      await source.close()
    }
  })

  it('show no control characters of their names', async () => {
    const path = await writeTar(join(root, 'x.tar'), { '\u001b[2Jevil.jpg': 'text' })
    const error = String(await openSource(path, { spool }).catch((caught: unknown) => caught))
    expect(error).toContain('\ufffd[2Jevil.jpg')
    expect(error).not.toContain('\u001b')
  })

  it('stop everything when one of them is cut off', async () => {
    const path = await folder({})
    await writeTar(join(path, 'a.tar'), shard(0))
    await writeFile(join(path, 'b.tar'), 'not a tar')
    await expect(openSource(path, { spool })).rejects.toThrow('b.tar: cannot be read as a tar: it is not a tar archive')
  })
})
