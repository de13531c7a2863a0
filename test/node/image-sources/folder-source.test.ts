import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource, type Source, type SourceOptions } from '../../../node/image-sources/source.ts'
import { fakeImage } from '../../src/distribute/samples.ts'
import { arrowBytes, rawTar, writeParquet } from './archives.ts'

let root: string
let spool: string
beforeEach(async () => {
  const parent = await mkdtemp(join(tmpdir(), 'coopt-folder-'))
  spool = join(parent, 'spool')
  root = join(parent, 'set')
  await mkdir(spool)
  await mkdir(root)
})
const opened: Source[] = []
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close()
  await rm(dirname(spool), { recursive: true, force: true })
})

async function put(files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), bytes)
  }
}
const image = (seed: number): Uint8Array => fakeImage(seed, 100)
const tarOf = (...seeds: number[]): Uint8Array =>
  rawTar(seeds.map(seed => ({ name: `${seed}.jpg`, bytes: image(seed) })))
const read = async (options: Partial<SourceOptions> = {}): Promise<Source> => {
  const source = await openSource(root, { spool, ...options })
  opened.push(source)
  return source
}
const counts = (source: Source): Record<string, number> =>
  Object.fromEntries(source.leftOut.map(({ reason, count }) => [reason, count]))
const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:8eb7\nsize 348605698\n'

/** A table of facts about images, as img2dataset and embedding tools write. */
function metadata(): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'url', data: ['https://x/0'], type: 'STRING' },
        { name: 'width', data: [8], type: 'INT32' }
      ]
    })
  )
}

describe('links that Git checked out as text', () => {
  it('are counted as that beside images, and other text with a path is not', async () => {
    await put({ 'a.jpg': image(1), 'real/b.jpg': image(2), 'sub/linked': '../real', 'gone.txt': '../nowhere/at/all' })
    await put({ 'notes.txt': 'see real/ for more' })
    const source = await read()
    expect(source.count).toBe(2)
    expect(counts(source)).toEqual({ 'text-link': 1, other: 2 })
  })

  it('are faults with a remedy where their names are those of images', async () => {
    await put({ 'real/b.jpg': image(2), 'b.jpg': 'real/b.jpg' })
    await expect(read()).rejects.toThrow(
      'b.jpg: it is a link that Git checked out as text: run "git config core.symlinks true"'
    )
  })
})

describe('a folder without images', () => {
  it('is refused with what was found there and what to give instead', async () => {
    await put({ 'README.md': 'x', 'labels.csv': 'y' })
    await expect(read()).rejects.toThrow(
      /set has no image \(JPEG.*: 2 files of other kinds \((README.md, labels.csv|labels.csv, README.md)\)\. Give the folder, archive or table/
    )
  })
})

describe('a folder of images', () => {
  it('is published without hidden files, AppleDouble files, trash and thumbnails, which are counted', async () => {
    await put({
      'a.jpg': image(1),
      'b/c.jpg': image(2),
      '._a.jpg': Uint8Array.of(0, 5, 0x16, 7),
      '.Trash-1000/files/old.jpg': image(3),
      'b/.thumbnails/large/c.jpg': image(4),
      '@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg': image(5),
      'Thumbs.db': 'x',
      'b/desktop.ini': 'x',
      '__MACOSX/._a.jpg': 'x',
      'notes.txt': 'x'
    })
    const source = await read()
    expect(source.count).toBe(2)
    expect(counts(source)).toEqual({ hidden: 7, other: 1 })
  })

  it('may be hidden itself', async () => {
    root = join(root, '.cache', 'images')
    await put({ 'a.jpg': image(1) })
    expect((await read()).count).toBe(1)
  })

  it('names pointers of Git LFS, empty files and web pages that are called images', async () => {
    await put({ 'a.jpg': image(1), 'b.jpg': LFS, 'c.png': '', 'd.jpg': '<!DOCTYPE html><p>404' })
    const error = String(await read().catch((caught: unknown) => caught))
    expect(error).toContain('b.jpg: it is a Git LFS pointer and not the file itself: run "git lfs pull"')
    expect(error).toContain('c.png: it is empty')
    expect(error).toContain('d.jpg: it is a web page')
  })

  it('names formats that are not read, with a way to those that are', async () => {
    const heic = Buffer.from('\0\0\0\u0018ftypheic\0\0\0\0mif1heic', 'latin1')
    await put({ 'a.jpg': image(1), 'b.heic': heic, 'c.bmp': Buffer.from('BM\u0001\0\0\0\0\0\0\0', 'latin1') })
    const error = String(await read().catch((caught: unknown) => caught))
    expect(error).toMatch(/b\.heic: HEIC .*heif-convert/)
    expect(error).toMatch(/c\.bmp: BMP cannot be read here; convert it to JPEG or PNG/)
  })

  it('has components too, where one is asked for', async () => {
    await put({ '0.jpg': image(1), '0.seg.png': image(2), '1.jpg': image(3) })
    const source = await read({ component: 'jpg' })
    expect(source.count).toBe(2)
    expect(counts(source)).toEqual({ component: 1 })
  })

  it('refuses images of more bytes than allowed, by name, size and option', async () => {
    await put({ 'a.jpg': image(1), 'big.jpg': fakeImage(2, 5000) })
    await expect(read({ maxBytes: 1000 })).rejects.toThrow('big.jpg: 5000 bytes, at most 1000 by --max-image-bytes')
  })
})

describe('a folder of one kind of archives', () => {
  it('stands for them, whatever their compression, and counts the rest', async () => {
    await put({ '0.tar': tarOf(1, 2), 'x/1.tar.gz': gzipSync(tarOf(3)), 'stats.json': '{}', '.2.tar': tarOf(4) })
    const source = await read()
    expect(source.count).toBe(3)
    expect(counts(source)).toEqual({ hidden: 1, other: 1 })
  })

  it('may have tables without images beside them: img2dataset writes one for each shard', async () => {
    await put({ '00000.tar': tarOf(1, 2), '00000.parquet': metadata(), '00000_stats.json': '{}' })
    const source = await read()
    expect(source.count).toBe(2)
    expect(counts(source)).toEqual({ metadata: 1, other: 1 })
  })

  it('may have tables without images beside Parquet files with them, and beside images', async () => {
    await writeParquet(join(root, 'train.parquet'), [image(1), image(2)])
    await put({ 'metadata.parquet': metadata() })
    const source = await read()
    expect(source.count).toBe(2)
    expect(counts(source)).toEqual({ metadata: 1 })
    await rm(join(root, 'train.parquet'))
    await put({ '0.jpg': image(1) })
    expect(counts(await read())).toEqual({ metadata: 1 })
  })

  it('of nothing but such tables says what they have', async () => {
    await put({ 'a.parquet': metadata(), 'b.parquet': metadata() })
    await expect(read()).rejects.toThrow(/a\.parquet: .*only url, width\. Links and paths are not followed: download/)
  })

  it('names an archive of a kind that is not read, and can leave it out', async () => {
    await put({
      '0.tar': tarOf(1, 2),
      '1.zip': 'PK\u0003\u0004',
      '2.tar.xz': Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)
    })
    await expect(read()).rejects.toThrow(/1\.zip: .*it is a zip archive[^]*2\.tar\.xz: .*run unxz/)
    const broken: string[] = []
    const source = await read({ onBroken: name => broken.push(name) })
    expect(broken).toEqual(['1.zip', '2.tar.xz'])
    expect(source.count).toBe(2)
  })

  it('loses a damaged one only, with all that it gave before it broke', async () => {
    await put({ '0.tar': tarOf(1, 2), '1.tar': tarOf(3, 4, 5).subarray(0, 2000), '2.tar': LFS, '3.tar': tarOf(6) })
    await expect(read()).rejects.toThrow('2 of the files cannot be used')
    const broken: string[] = []
    const source = await read({ onBroken: (name, fault) => broken.push(`${name}: ${fault}`) })
    expect(broken).toEqual([
      '1.tar: cannot be read as a tar: Unexpected end of data',
      expect.stringMatching(/^2\.tar: .*Git LFS pointer/)
    ])
    expect(counts(source)).toEqual({ broken: 2 })
    const found: Uint8Array[] = []
    for (let i = 0; i < source.count; i++) found.push(new Uint8Array(await source.read(i)))
    expect(found).toEqual([image(1), image(2), image(6)])
    expect(source.bytes).toBe(300)
  })

  it('follows links to shards', async () => {
    await writeFile(join(dirname(root), 'blob'), tarOf(1, 2))
    await symlink(join(dirname(root), 'blob'), join(root, '0.tar'))
    expect((await read()).count).toBe(2)
  })
})

describe('a folder of several kinds', () => {
  it.each([
    [
      'image files and a Parquet file',
      { parquet: true, image: true },
      '1 image file (assets/banner.jpg), 1 Parquet file (data/x.parquet)'
    ],
    ['a tar and an Arrow file', { tar: true, arrow: true }, '1 tar archive (0.tar), 1 Arrow file (x.arrow)'],
    ['image files and a tar', { image: true, tar: true }, '1 image file (assets/banner.jpg), 1 tar archive (0.tar)']
  ])('is an error that says what was found: %s', async (_, has: Record<string, boolean>, text) => {
    if (has['parquet'] === true) {
      await mkdir(join(root, 'data'))
      await writeParquet(join(root, 'data', 'x.parquet'), [image(1)])
    }
    if (has['image'] === true) await put({ 'assets/banner.jpg': image(2) })
    if (has['tar'] === true) await put({ '0.tar': tarOf(3) })
    if (has['arrow'] === true) await put({ 'x.arrow': arrowBytes([image(4)]) })
    await put({ 'README.md': 'x' })
    await expect(read()).rejects.toThrow(
      `several kinds of files that hold images: ${text}. Say which to read with --only`
    )
    await expect(read({ onBroken: () => undefined })).rejects.toThrow('several kinds')
  })

  it.each(['images', 'tar', 'parquet', 'arrow'] as const)('gives the kind that is asked for: %s', async only => {
    await put({ 'a.jpg': image(1), '0.tar': tarOf(2), 'x.arrow': arrowBytes([image(3)]), 'b.zip': 'PK\u0003\u0004' })
    await writeParquet(join(root, 'x.parquet'), [image(4)])
    const source = await read({ only })
    expect(source.count).toBe(1)
    expect(new Uint8Array(await source.read(0))).toEqual(image({ images: 1, tar: 2, arrow: 3, parquet: 4 }[only]))
    expect(counts(source)).toEqual({ kind: 4 })
  })

  it('without the kind that is asked for says what it has', async () => {
    await put({ 'a.jpg': image(1) })
    await expect(read({ only: 'parquet' })).rejects.toThrow('has no Parquet files, only 1 image file')
  })
})

it('a single image is not a source', async () => {
  await put({ 'a.jpg': image(1) })
  await expect(openSource(join(root, 'a.jpg'), { spool })).rejects.toThrow('it is one image: give its folder')
})
