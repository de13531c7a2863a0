import { mkdir, mkdtemp, open, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createWriteStream, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import tar from 'tar-stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource, type Source } from '../../../node/image-sources/source.ts'
import { rawCid } from '../../../src/codec.ts'
import { sampleId } from '../../../src/distribute/content-id.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { fakeImage } from '../../src/distribute/samples.ts'

let root: string
let spool: string

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-source-'))
  spool = join(root, 'spool')
  await mkdir(spool)
})
afterEach(async () => await rm(root, { recursive: true, force: true }))

async function folder(files: Record<string, Uint8Array | string>): Promise<string> {
  const path = join(root, 'images')
  await mkdir(path, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), bytes)
  }
  return path
}

async function tarOf(files: Record<string, Uint8Array | string>): Promise<string> {
  const path = join(root, 'images.tar')
  const pack = tar.pack()
  const out = createWriteStream(path)
  pack.pipe(out)
  for (const [name, bytes] of Object.entries(files)) pack.entry({ name }, Buffer.from(bytes))
  pack.entry({ name: 'link.jpg', type: 'symlink', linkname: '/etc/passwd' })
  pack.finalize()
  await finished(out)
  return path
}

/** Name and bytes of every image, by name. */
async function contents(source: Source): Promise<[string, Uint8Array][]> {
  const found: [string, Uint8Array][] = []
  for (let i = 0; i < source.count; i++) found.push([source.nameOf(i), new Uint8Array(await source.read(i))])
  return found.sort(([a], [b]) => (a < b ? -1 : 1))
}

const files = {
  'cat/one.jpg': fakeImage(1, 50),
  'dog/two.JPEG': fakeImage(2, 70_000),
  'dog/deep/er/no-extension': fakeImage(3, 10),
  'four.png': Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 9),
  'five.webp': new TextEncoder().encode('RIFF....WEBPVP8 '),
  'again.jpg': fakeImage(1, 50),
  'labels.csv': 'a,b',
  'empty.txt': ''
}
const images = Object.entries(files)
  .filter(([name]) => !/csv|txt/.test(name))
  .sort(([a], [b]) => (a < b ? -1 : 1))

describe('openSource', () => {
  it.each(['folder', 'tar'] as const)('reads the images of a %s by their magic bytes', async kind => {
    const source = await openSource(await (kind === 'tar' ? tarOf(files) : folder(files)), { spool })
    const found = await contents(source)
    expect(found).toEqual(images)
    expect(source).toMatchObject({ count: 6, duplicates: 1 })
    const link = { reason: 'link', count: 1, examples: ['link.jpg'] }
    expect(source.leftOut).toEqual([
      { reason: 'other', count: 2, examples: expect.arrayContaining(['labels.csv', 'empty.txt']) as string[] },
      ...(kind === 'tar' ? [link] : [])
    ])
    expect(source.bytes).toBe(images.reduce((sum, [, bytes]) => sum + bytes.length, 0))
    for (let i = 0; i < source.count; i++) {
      const id = rawCid(await source.read(i)).toString()
      expect(sampleId(source.digests.subarray(i * 32, i * 32 + 32))).toBe(id)
    }
    expect(await readdir(spool)).toEqual([])
    await source.close()
  })

  it('follows links, to each folder once: what a link points to counts where it lies, and circles end', async () => {
    const real = join(root, 'real')
    await mkdir(join(real, 'deep'), { recursive: true })
    await writeFile(join(real, 'x.jpg'), fakeImage(3, 10))
    await writeFile(join(real, 'deep', 'y.jpg'), fakeImage(4, 10))
    await symlink(real, join(real, 'deep', 'circle'))
    const path = await folder({ 'a.jpg': fakeImage(1, 10), 'b/c.jpg': fakeImage(2, 10) })
    await symlink(join(path, 'a.jpg'), join(path, 'same.jpg'))
    await symlink(path, join(path, 'b', 'itself'))
    await symlink(root, join(path, 'above'))
    await symlink(join(path, 'b'), join(path, 'a-link-to-b'))
    await symlink(real, join(path, 'class'))
    await symlink(join(real, 'deep'), join(path, 'deep'))
    await symlink(join(path, 'nowhere'), join(path, 'broken'))
    const source = await openSource(path, { spool })
    const found = (await contents(source)).map(([, bytes]) => bytes[4] ?? 0)
    // 1 twice: a link to a file is a file
    expect(found.toSorted((a, b) => a - b)).toEqual([1, 1, 2, 3, 4])
    // circle, itself, above, a-link-to-b, broken, and the second way to "deep"
    expect(source.leftOut).toMatchObject([{ reason: 'link', count: 6 }])
  })

  it('names the first ten broken images and counts all, before anything can be built', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`image-${i}.jpg`, fakeImage(i, 20)]))
    const inspect = async (batch: readonly Uint8Array[]) =>
      batch.map(bytes => ((bytes[4] ?? 0) % 4 === 0 ? 'premature end of data' : undefined))
    for (const path of [await folder(many), await tarOf(many)]) {
      const error = await openSource(path, { spool, inspect }).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(InvalidInputError)
      const text = String(error)
      expect(text).toContain('25 of the images')
      expect(text.match(/image-\d+\.jpg: premature end of data/g)).toHaveLength(10)
      expect(text).toContain('and 15 more')
    }
  })

  it('inspects some batches at once, in whatever time, and keeps images and faults in the order of the source', async () => {
    const names = Array.from({ length: 600 }, (_, i) => `image-${i}.jpg`)
    const many = Object.fromEntries(
      names.map((name, i) => [name, i % 100 === 99 ? 'text' : fakeImage(i, 20 + (i % 50))])
    )
    const path = await tarOf(many)
    const broken: string[] = []
    const waiting: (() => void)[] = []
    let most = 0
    const source = await openSource(path, {
      spool,
      inspect: async batch => {
        const asked = new Promise<void>(resolve => waiting.push(resolve))
        most = Math.max(most, waiting.length)
        // the latest is answered first, once all that go together are there
        setImmediate(() => setImmediate(() => waiting.pop()?.()))
        await asked
        return batch.map(bytes => (bytes.byteLength === 20 + 7 ? 'premature end of data' : undefined))
      },
      onBroken: name => broken.push(name)
    })
    const isBroken = (i: number): boolean => i % 100 === 99 || i % 50 === 7
    expect(broken).toEqual(names.filter((_, i) => isBroken(i)))
    expect(Array.from({ length: source.count }, (_, i) => source.nameOf(i))).toEqual(
      names.filter((_, i) => !isBroken(i))
    )
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
    await source.close()
  })

  it('does not pass over a file that is named like an image but is none', async () => {
    const path = await folder({ 'a.jpg': fakeImage(1, 10), 'empty.png': '', 'page.jpeg': '<html>' })
    await expect(openSource(path, { spool })).rejects.toThrow('2 of the images')
  })

  it('refuses an image above 64 MiB without reading it', async () => {
    const path = await folder({ 'huge.jpg': fakeImage(1, 10), 'other.bin': 'x' })
    await truncate(join(path, 'huge.jpg'), 67_108_865)
    await truncate(join(path, 'other.bin'), 67_108_865)
    await expect(openSource(path, { spool })).rejects.toThrow('huge.jpg: 67108865 bytes')
  })

  it('refuses what is not there, not a tar, compressed, cut off, or without images', async () => {
    await expect(openSource(join(root, 'missing'), { spool })).rejects.toThrow(InvalidInputError)
    await writeFile(join(root, 'text'), 'x'.repeat(1000))
    await expect(openSource(join(root, 'text'), { spool })).rejects.toThrow('neither a folder nor a tar')
    await writeFile(join(root, 'x.tar.gz'), Uint8Array.of(0x1f, 0x8b, 8, 0))
    await expect(openSource(join(root, 'x.tar.gz'), { spool })).rejects.toThrow('unexpected end of file')
    await expect(openSource(await folder({ 'notes.txt': 'x' }), { spool })).rejects.toThrow('has no image (JPEG')
    const cut = await tarOf({ 'a.jpg': fakeImage(1, 10), 'b.jpg': fakeImage(2, 100_000) })
    await truncate(cut, 50_000)
    await expect(openSource(cut, { spool })).rejects.toThrow(InvalidInputError)
    const damaged = await tarOf({ 'a.jpg': fakeImage(1, 10) })
    const file = await open(damaged, 'r+')
    await file.write(Buffer.from('garbage'), 0, 7, 1024)
    await file.close()
    await expect(openSource(damaged, { spool })).rejects.toThrow('cannot be read as a tar')
  })

  it('stops when it is told to', async () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`image-${i}.jpg`, fakeImage(i, 20)]))
    for (const path of [await folder(many), await tarOf(many)]) {
      const stop = new AbortController()
      const inspect = async (batch: readonly Uint8Array[]) => {
        stop.abort(new Error('enough'))
        return batch.map(() => undefined)
      }
      await expect(openSource(path, { spool, inspect, signal: stop.signal })).rejects.toThrow('enough')
    }
  })

  const real = '../shared/data/cifar10/test-2k.tar'
  it.skipIf(!existsSync(real))('reads a real tar', async () => {
    const source = await openSource(real, { spool })
    expect(source).toMatchObject({ count: 2000, leftOut: [] })
    await source.close()
  })
})
