import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  binary,
  columnFromArray,
  type DataType,
  dictionary,
  field,
  int32,
  largeBinary,
  list,
  struct,
  tableFromColumns,
  tableToIPC,
  utf8
} from '@uwdata/flechette'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSource, type Source, type SourceOptions } from '../../../node/image-sources/source.ts'
import { fakeImage } from '../../src/distribute/samples.ts'
import { arrowBytes, type TestCodec, writeParquet } from './archives.ts'

let root: string
let spool: string
const opened: Source[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-column-'))
  spool = join(root, 'spool')
  await mkdir(spool)
})
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close()
  await rm(root, { recursive: true, force: true })
})

async function read(path: string, options: Partial<SourceOptions> = {}): Promise<Source> {
  const source = await openSource(path, { spool, ...options })
  opened.push(source)
  return source
}
async function contents(source: Source): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (let i = 0; i < source.count; i++) found.push(new Uint8Array(await source.read(i)))
  return found
}
async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(root, name), bytes)
  return join(root, name)
}
const images = Array.from({ length: 10 }, (_, i) => fakeImage(i, 100 + 40 * i))
const LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:8eb7\nsize 348605698\n'

describe('a Parquet file', () => {
  it.each<TestCodec>(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4', 'LZ4_RAW'])(
    'of the codec %s is read',
    async codec => {
      const path = await writeParquet(join(root, 'x.parquet'), images, { codec, rowGroupSize: 4 })
      expect(await contents(await read(path))).toEqual(images)
    }
  )

  it('of a codec that is not read says which, and what to do', async () => {
    const bytes = parquetWriteBuffer({
      codec: 'LZO',
      compressors: { LZO: raw => raw },
      schema: [
        { name: 'root', num_children: 1 },
        { name: 'image', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }
      ],
      columnData: [{ name: 'image', data: images }]
    })
    await expect(read(await file('x.parquet', new Uint8Array(bytes)))).rejects.toThrow(
      'compressed with LZO, which is not read: write the file again with Zstandard'
    )
  })

  it('may have lists of images in its rows, of any length', async () => {
    const path = await writeParquet(join(root, 'x.parquet'), [images[0] ?? null, null, images[1] ?? null], {
      layout: 'list',
      column: 'photos',
      codec: 'ZSTD'
    })
    const source = await read(path)
    expect(await contents(source)).toEqual([images[0], images[0], images[1], images[1]])
    expect([source.nameOf(1), source.nameOf(3)]).toEqual(['row 0, image 1', 'row 2, image 1'])
  })

  it('may call the bytes of a struct data, as Spark does', async () => {
    const path = await writeParquet(join(root, 'x.parquet'), images, { layout: 'data' })
    expect(await contents(await read(path))).toEqual(images)
  })

  it('of several columns is asked about by name, down to the leaf', async () => {
    const names = ['left', 'right'] as const
    const bytes = parquetWriteBuffer({
      schema: [
        { name: 'root', num_children: 3 },
        ...names.flatMap(
          name =>
            [
              { name, repetition_type: 'OPTIONAL', num_children: 1 },
              { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }
            ] as const
        ),
        { name: 'text', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
      ],
      columnData: [
        { name: 'left', data: images.map(value => ({ bytes: value })) },
        { name: 'right', data: images.toReversed().map(value => ({ bytes: value })) },
        { name: 'text', data: images.map(() => 'x') }
      ]
    })
    const path = await file('x.parquet', new Uint8Array(bytes))
    await expect(read(path)).rejects.toThrow(
      'any of the columns left, right may have the images: choose one with --column left'
    )
    // nothing is damaged that could be left out
    await expect(read(path, { onBroken: () => undefined })).rejects.toThrow('--column left')
    for (const column of ['right', 'right.bytes'])
      expect(await contents(await read(path, { column }))).toEqual(images.toReversed())
    await expect(read(path, { column: 'text' })).rejects.toThrow(
      'the column text has no bytes: columns of bytes are left, right'
    )
    await expect(read(path, { column: 'nope' })).rejects.toThrow('the column nope does not exist')
  })

  it('says which column was taken where it could have been another', async () => {
    const bytes = parquetWriteBuffer({
      schema: [
        { name: 'root', num_children: 2 },
        { name: 'image', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'mask', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }
      ],
      columnData: [
        { name: 'image', data: images },
        { name: 'mask', data: images }
      ]
    })
    const notes: string[] = []
    const source = await read(await file('x.parquet', new Uint8Array(bytes)), { onNote: note => notes.push(note) })
    expect(source.count).toBe(10)
    expect(notes).toEqual(['images are taken from the column image and not from mask: --column chooses'])
  })

  it('with paths and no bytes says so once, and can be left out', async () => {
    const path = await writeParquet(
      join(root, 'x.parquet'),
      images.map(() => null),
      { rowGroupSize: 3 }
    )
    await expect(read(path)).rejects.toThrow('the column image has no bytes in any of 10 rows, only paths or nothing')
    await writeParquet(join(root, 'y.parquet'), images)
    await rm(spool, { recursive: true })
    await mkdir(spool)
    const broken: string[] = []
    const source = await read(root, { onBroken: name => broken.push(name) })
    expect(broken).toEqual(['x.parquet'])
    expect(await contents(source)).toEqual(images)
  })

  it('names rows without bytes where others have some', async () => {
    const path = await writeParquet(join(root, 'x.parquet'), [null, images[0] ?? null, null], { rowGroupSize: 2 })
    const broken: string[] = []
    const source = await read(path, { onBroken: (name, fault) => broken.push(`${name}: ${fault}`) })
    expect(broken).toEqual(['row 0: it has no image bytes', 'row 2: it has no image bytes'])
    expect(source.count).toBe(1)
  })

  it('that is a pointer of Git LFS, or something else, says so', async () => {
    await expect(read(await file('x.parquet', Buffer.from(LFS)))).rejects.toThrow(
      'Git LFS pointer and not the file itself'
    )
    await expect(read(await file('y.parquet', Buffer.from('PK\u0003\u0004')))).rejects.toThrow('a zip archive')
    await expect(read(await file('z.parquet', Buffer.from('what is this')))).rejects.toThrow(
      'z.parquet cannot be read as Parquet'
    )
  })

  it('of no rows is an empty part', async () => {
    const folder = join(root, 'parts')
    await mkdir(folder)
    await writeParquet(join(folder, 'part-0.parquet'), images)
    await writeParquet(join(folder, 'part-1.parquet'), [])
    expect(await contents(await read(folder))).toEqual(images)
    await expect(read(join(folder, 'part-1.parquet'))).rejects.toThrow(
      'has no image (JPEG, PNG, WebP, GIF, TIFF and AVIF)'
    )
  })
})

const bytesAndPath = struct({ bytes: binary(), path: utf8() })

describe('Arrow', () => {
  it.each<[string, DataType, (bytes: Uint8Array, i: number) => unknown]>([
    ['binary', binary(), bytes => bytes],
    ['large binary', largeBinary(), bytes => bytes],
    ['a dictionary of binary', dictionary(binary()), bytes => bytes],
    ['a struct of bytes and path', bytesAndPath, (bytes, i) => ({ bytes, path: `${i}.jpg` })],
    ['a list of one struct', list(bytesAndPath), (bytes, i) => [{ bytes, path: `${i}.jpg` }]]
  ])('files and streams of %s are read', async (_, type, valueOf) => {
    for (const format of ['file', 'stream'] as const) {
      const bytes = arrowBytes(images.map(valueOf), { type, format, rowsPerBatch: 4 })
      expect(await contents(await read(await file(`x-${format}.arrow`, bytes)))).toEqual(images)
    }
  })

  it('may have lists of any length, and nulls', async () => {
    const values = [[{ bytes: images[0] }, { bytes: images[1] }], [], null, [{ bytes: images[2] }]]
    const path = await file('x.arrow', arrowBytes(values, { type: list(struct({ bytes: binary() })) }))
    expect(await contents(await read(path))).toEqual(images.slice(0, 3))
    const broken: string[] = []
    const nulls = await file('y.arrow', arrowBytes([images[0], null, images[1]]))
    const source = await read(nulls, { onBroken: name => broken.push(name) })
    expect([source.count, broken]).toEqual([2, ['row 1']])
  })

  it('of several columns is asked about by name', async () => {
    const table = tableFromColumns({
      a: columnFromArray(images, binary()),
      n: columnFromArray(
        images.map((_, i) => i),
        int32()
      ),
      b: columnFromArray(images.toReversed(), binary())
    })
    const bytes = tableToIPC(table, { format: 'file' })
    const path = await file('x.feather', bytes ?? new Uint8Array())
    await expect(read(path)).rejects.toThrow('any of the columns a, b may have the images: choose one with --column a')
    expect(await contents(await read(path, { column: 'b' }))).toEqual(images.toReversed())
    await expect(read(path, { column: 'n' })).rejects.toThrow('the column n has no bytes')
  })

  it('with paths and no bytes says so', async () => {
    const values = images.map((_, i) => ({ bytes: null, path: `${i}.jpg` }))
    const path = await file('x.arrow', arrowBytes(values, { type: bytesAndPath }))
    await expect(read(path)).rejects.toThrow('the column image has no bytes in any of 10 rows')
    const text = await file('y.arrow', arrowBytes(['a'], { type: utf8(), column: 'url' }))
    await expect(read(text)).rejects.toThrow('there are no images in it, only url')
  })

  it('of a list that reaches beyond its entries is refused', async () => {
    const values = images.map(bytes => [bytes])
    const good = arrowBytes(values, { type: list(field('item', binary())) })
    // the offsets of ten lists of one: 0 to 10
    const offsets = Buffer.from(Int32Array.from({ length: 11 }, (_, i) => i).buffer)
    const at = Buffer.from(good).indexOf(offsets)
    const bad = Buffer.from(good)
    bad.writeInt32LE(2 ** 30, at + 40)
    await expect(read(await file('x.arrow', bad))).rejects.toThrow('a list beyond its 10 entries')
  })

  it('of lists in lists that overlap is refused before the entries that they stand for are made', async () => {
    const count = 20_000
    const half = count / 2
    const values = [Array.from({ length: count }, (_, i) => (i % 2 === 0 ? [Uint8Array.of(1)] : null))]
    const good = arrowBytes(values, { type: list(field('item', list(field('item', binary())))) })
    const offsets = Buffer.from(Int32Array.from({ length: count + 1 }, (_, i) => Math.ceil(i / 2)).buffer)
    const at = Buffer.from(good).indexOf(offsets)
    const bad = Buffer.from(good)
    // every inner list that is not null has all entries: 100 million
    for (let i = 0; i <= count; i++) bad.writeInt32LE(i % 2 === 0 ? 0 : half, at + 4 * i)
    await expect(read(await file('x.arrow', bad))).rejects.toThrow('a batch of more than 4194304 values')
  })
})
