import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource, type Source, type SourceOptions } from '../../../node/image-sources/source.ts'
import { fakeImage } from '../../src/distribute/samples.ts'
import { rawTar, type RawEntry } from './archives.ts'

let root: string
let spool: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-tar-'))
  spool = join(root, 'spool')
  await mkdir(spool)
})
const opened: Source[] = []
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close()
  await rm(root, { recursive: true, force: true })
})

const USTAR = 'ustar\x0000'
const GNU = 'ustar  '
const many = Array.from({ length: 12 }, (_, i) => ({ name: `${i}.jpg`, bytes: fakeImage(i, 300 + 70 * i) }))
const tarOf = (from: number, to: number): Uint8Array =>
  rawTar(many.slice(from, to).map(entry => ({ ...entry, magic: USTAR })))

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(root, name), bytes)
  return join(root, name)
}

async function read(path: string, options: Partial<SourceOptions> = {}): Promise<Source> {
  const source = await openSource(path, { spool, ...options })
  opened.push(source)
  return source
}

/** Names and whether the bytes are those of `many`. */
async function contents(source: Source): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {}
  for (let i = 0; i < source.count; i++) found[source.nameOf(i)] = new Uint8Array(await source.read(i))
  return found
}
const expected = (entries = many): Record<string, Uint8Array> =>
  Object.fromEntries(entries.map(({ name, bytes }) => [name, bytes]))

describe('a tar', () => {
  it.each([
    ['v7, which has no magic', ''],
    ['ustar', USTAR],
    ['GNU', GNU]
  ])('of the format %s is read', async (_, magic) => {
    const path = await file('x.tar', rawTar(many.map(entry => ({ ...entry, magic }))))
    expect(await contents(await read(path))).toEqual(expected())
  })

  it('of long names is read, as GNU and as PAX write them', async () => {
    const long = (k: number): string => `${'folder/'.repeat(30)}${k}.jpg`
    const pax = (name: string): string => {
      const length = `path=${name}\n`.length + 4
      return `${length} path=${name}\n`
    }
    const entries: RawEntry[] = [
      { name: '././@LongLink', type: 'L', bytes: `${long(1)}\0`, magic: GNU },
      { name: long(1).slice(0, 99), bytes: fakeImage(1, 100), magic: GNU },
      { name: 'PaxHeaders/x', type: 'x', bytes: pax(long(2)), magic: USTAR },
      { name: long(2).slice(0, 99), bytes: fakeImage(2, 100), magic: USTAR }
    ]
    const found = await contents(await read(await file('x.tar', rawTar(entries))))
    expect(found).toEqual({ [long(1)]: fakeImage(1, 100), [long(2)]: fakeImage(2, 100) })
  })

  it('with links in it has their images under both names', async () => {
    const entries: RawEntry[] = [
      { name: './early.jpg', type: '1', linkname: './a/0.jpg' },
      { name: 'a/0.jpg', bytes: fakeImage(0, 100) },
      { name: 'a/again.jpg', type: '1', linkname: 'a/0.jpg' },
      { name: 'a/soft.jpg', type: '2', linkname: '../a/0.jpg' },
      { name: 'out.jpg', type: '2', linkname: '/etc/passwd' },
      { name: 'up.jpg', type: '2', linkname: '../../0.jpg' }
    ].map(entry => ({ ...entry, magic: USTAR }))
    const source = await read(await file('x.tar', rawTar(entries)))
    expect(source).toMatchObject({
      count: 4,
      duplicates: 3,
      leftOut: [{ reason: 'link', count: 2, examples: ['out.jpg', 'up.jpg'] }]
    })
    const image = fakeImage(0, 100)
    const names = ['a/0.jpg', './early.jpg', 'a/again.jpg', 'a/soft.jpg']
    expect(await contents(source)).toEqual(Object.fromEntries(names.map(name => [name, image])))
  })

  it.each([
    ['other bytes', Buffer.from('signature of somebody'.repeat(100))],
    ['less than a block', Buffer.from('x')],
    ['zeros', Buffer.alloc(9000)]
  ])('is read to its end when %s follow it', async (_, trailing) => {
    const bytes = Buffer.concat([tarOf(0, 12), trailing])
    expect(await contents(await read(await file('x.tar', bytes)))).toEqual(expected())
    const packed = Buffer.concat([gzipSync(bytes), Buffer.from('more')])
    expect(await contents(await read(await file('x.tgz', packed)))).toEqual(expected())
  })

  it('without the mark of its end is read, and that is said', async () => {
    const notes: string[] = []
    const bytes = rawTar(many, true)
    const source = await read(await file('x.tar', bytes), { onNote: note => notes.push(note) })
    expect(await contents(source)).toEqual(expected())
    expect(notes).toEqual([expect.stringContaining('no mark at its end')])
  })

  it('that is cut off anywhere but between entries is refused', async () => {
    const whole = tarOf(0, 12)
    for (const length of [100, 600, 1100, 5000]) {
      await expect(read(await file('x.tar', whole.slice(0, length)))).rejects.toThrow('x.tar cannot be read as a tar')
    }
  })

  it('leaves out hidden and AppleDouble files, also under another name', async () => {
    const double = Uint8Array.of(0, 5, 0x16, 7, 0, 2, 0, 0)
    const entries = [
      ...many,
      { name: './._0.jpg', bytes: double },
      { name: '__MACOSX/._1.jpg', bytes: double },
      { name: 'x/.thumbnails/2.jpg', bytes: fakeImage(2, 100) },
      { name: 'renamed.jpg', bytes: double }
    ]
    const source = await read(await file('x.tar', rawTar(entries)))
    expect(source.leftOut).toEqual([
      { reason: 'hidden', count: 4, examples: ['./._0.jpg', '__MACOSX/._1.jpg', 'x/.thumbnails/2.jpg'] }
    ])
    expect(await contents(source)).toEqual(expected())
  })
})

describe('a compressed tar', () => {
  it.each([
    ['gzip', 'x.tar.gz', gzipSync],
    ['gzip, under a name that does not say so', 'x', gzipSync],
    ['Zstandard', 'x.tar.zst', zstdCompressSync]
  ])('is read: %s', async (_, name, compress) => {
    expect(await contents(await read(await file(name, compress(tarOf(0, 12)))))).toEqual(expected())
  })

  it('of several gzip members or Zstandard frames is read to the last', async () => {
    const bytes = tarOf(0, 12)
    for (const compress of [gzipSync, zstdCompressSync]) {
      const parts = [bytes.subarray(0, 3000), bytes.subarray(3000, 3001), bytes.subarray(3001)]
      const path = await file('x', Buffer.concat(parts.map(part => compress(part))))
      expect(await contents(await read(path))).toEqual(expected())
    }
  })

  it('that is something else inside, or compressed in another way, says what to do', async () => {
    await expect(read(await file('x.gz', gzipSync('text')))).rejects.toThrow('not a tar inside')
    await expect(read(await file('x.tar.bz2', Buffer.from('BZh91AY')))).rejects.toThrow('run bunzip2')
    await expect(read(await file('x.zip', Buffer.from('PK\u0003\u0004')))).rejects.toThrow('zip archive: unpack it')
    const path = await file('x.tar.gz', gzipSync(tarOf(0, 12)).subarray(0, 2000))
    await expect(read(path)).rejects.toThrow('unexpected end of file')
  })
})

describe('a tar of tars', () => {
  it('gives their images, with the names of all of them', async () => {
    const entries = [
      { name: 'n01.tar', bytes: tarOf(0, 3) },
      { name: 'n02.tar', bytes: Buffer.concat([tarOf(3, 6), Buffer.from('trailing'.repeat(200))]) },
      { name: 'deep/n03.tar.gz', bytes: gzipSync(rawTar([{ name: 'n04.tar', bytes: tarOf(6, 9) }])) },
      { name: '9.jpg', bytes: many[9]?.bytes ?? '' },
      { name: 'notes.txt', bytes: 'x' }
    ]
    const source = await read(await file('train.tar', rawTar(entries)))
    expect(source.leftOut).toEqual([{ reason: 'other', count: 1, examples: ['notes.txt'] }])
    const name = (i: number): string =>
      `${i < 3 ? 'n01.tar: ' : i < 6 ? 'n02.tar: ' : i < 9 ? 'deep/n03.tar.gz: n04.tar: ' : ''}${i}.jpg`
    expect(await contents(source)).toEqual(
      Object.fromEntries(many.slice(0, 10).map(({ bytes }, i) => [name(i), bytes]))
    )
  })

  it('with other archives in it names them', async () => {
    const entries = [...many, { name: 'more.zip', bytes: 'PK\u0003\u0004' }, { name: 'x.parquet', bytes: 'PAR1' }]
    const path = await file('x.tar', rawTar(entries))
    await expect(read(path)).rejects.toThrow(/more\.zip: it is a zip archive[^]*x\.parquet: it lies in a tar/)
    const source = await read(path, { onBroken: () => undefined })
    expect(source.leftOut).toEqual([{ reason: 'broken', count: 2, examples: ['more.zip', 'x.parquet'] }])
    expect(await contents(source)).toEqual(expected())
  })

  it('that holds itself again and again ends', async () => {
    let bytes = tarOf(0, 1)
    for (let depth = 0; depth < 12; depth++) bytes = rawTar([{ name: 'x.tar', bytes }])
    await expect(read(await file('x.tar', bytes))).rejects.toThrow('lies in more than 8 archives')
  })
})

describe('WebDataset shards whose samples have several images', () => {
  const shard = rawTar(
    [0, 1, 2].flatMap(i => [
      { name: `s/000${i}.jpg`, bytes: fakeImage(i, 100) },
      { name: `s/000${i}.seg.png`, bytes: fakeImage(10 + i, 100) },
      { name: `s/000${i}.json`, bytes: '{}' }
    ])
  )

  it('are not read before one is chosen', async () => {
    const path = await file('x.tar', shard)
    const message = /several images for each sample, jpg and seg\.png: choose one with --component jpg.*--component all/
    await expect(read(path)).rejects.toThrow(message)
    // damaged parts may be left out; this is not one
    await expect(read(path, { onBroken: () => undefined })).rejects.toThrow(message)
  })

  it.each([
    ['jpg', [0, 1, 2]],
    ['.SEG.PNG', [10, 11, 12]],
    ['all', [0, 10, 1, 11, 2, 12]]
  ])('give the component %s', async (component, seeds) => {
    const source = await read(await file('x.tar', shard), { component })
    expect(Object.values(await contents(source))).toEqual(seeds.map(seed => fakeImage(seed, 100)))
    const others = source.leftOut.find(({ reason }) => reason === 'component')
    expect(others?.count).toBe(component === 'all' ? undefined : 3)
  })

  it('are told from names with dots and numbers', async () => {
    const names = ['cat.0.jpg', 'cat.1.jpg', 'dog.0.jpg', 'dog.1.jpg', 'holiday.2019.01.jpg', 'holiday.2019.02.jpg']
    const path = await file('x.tar', rawTar(names.map((name, i) => ({ name, bytes: fakeImage(i, 50) }))))
    expect((await read(path)).count).toBe(6)
  })
})

describe.skipIf(process.platform === 'win32')('a pipe', () => {
  const pipe = async (bytes: Uint8Array): Promise<string> => {
    const path = join(root, 'pipe')
    await promisify(execFile)('mkfifo', [path])
    // the write ends when the pipe is read
    void writeFile(path, bytes).catch(() => undefined)
    return path
  }

  it('with a tar, compressed or not, is read', async () => {
    const source = await read(await pipe(gzipSync(tarOf(0, 12))))
    expect(await contents(source)).toEqual(expected())
  })

  it('with Parquet says why not', async () => {
    await expect(read(await pipe(Buffer.from('PAR1 and so on PAR1')))).rejects.toThrow('write it to a file first')
  })

  it('with neither says so', async () => {
    await expect(read(await pipe(Buffer.from('<html>')))).rejects.toThrow('it is a web page')
  })
})
