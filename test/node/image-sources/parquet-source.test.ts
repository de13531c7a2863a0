import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parquetCandidates } from '../../../node/image-sources/parquet-candidates.ts'
import { openSource, type Source } from '../../../node/image-sources/source.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { all, fakeImage, partitionOf } from '../../src/distribute/samples.ts'
import { writeParquet } from './archives.ts'

let root: string
let spool: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-parquet-'))
  spool = join(root, 'spool')
  await mkdir(spool)
})
afterEach(async () => await rm(root, { recursive: true, force: true }))

async function contents(source: Source): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (let i = 0; i < source.count; i++) found.push(new Uint8Array(await source.read(i)))
  await source.close()
  return found
}

describe('a Parquet file', () => {
  it('gives the images of its column, whatever the layout, codec and row groups', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 8, max: 5000 }), { minLength: 1, maxLength: 40 }),
        fc.constantFrom('UNCOMPRESSED' as const, 'SNAPPY' as const),
        fc.constantFrom('struct' as const, 'binary' as const),
        fc.integer({ min: 1, max: 50 }),
        async (lengths, codec, layout, rowGroupSize) => {
          const images = lengths.map((length, i) => fakeImage(i % 7, length))
          const path = join(root, 'x.parquet')
          await writeParquet(path, images, { codec, layout, rowGroupSize })
          const source = await openSource(path, { spool })
          expect(source.count).toBe(images.length)
          expect(source.nameOf(images.length - 1)).toBe(`row ${images.length - 1}`)
          expect(await contents(source)).toEqual(images)
        }
      ),
      { numRuns: 40 }
    )
  })

  it('of ours is a source like any other', async () => {
    const path = join(root, 'partition.parquet')
    await writeFile(path, await partitionOf([100, 2000, 30]))
    expect(await contents(await openSource(path, { spool }))).toEqual([
      fakeImage(0, 100),
      fakeImage(1, 2000),
      fakeImage(2, 30)
    ])
  })

  it('may be one of many in a folder', async () => {
    const path = join(root, 'data')
    await mkdir(join(path, 'data'), { recursive: true })
    await writeFile(join(path, 'README.md'), 'card')
    await writeParquet(join(path, 'data', 'train-1.parquet'), [fakeImage(2, 50), fakeImage(3, 50)])
    await writeParquet(join(path, 'data', 'train-0.parquet'), [fakeImage(1, 50)])
    const source = await openSource(path, { spool })
    expect(source.nameOf(2)).toBe('train-1.parquet: row 1')
    expect(await contents(source)).toEqual([fakeImage(1, 50), fakeImage(2, 50), fakeImage(3, 50)])
  })

  it('with rows that are no image is refused, or read without them', async () => {
    const text = new TextEncoder().encode('text and more')
    const path = await writeParquet(join(root, 'x.parquet'), [fakeImage(1, 50), null, text, fakeImage(2, 60)])
    await expect(openSource(path, { spool })).rejects.toThrow('2 of the images')
    const listed: string[] = []
    const source = await openSource(path, { spool, onBroken: (name, fault) => listed.push(`${name}: ${fault}`) })
    expect(listed).toEqual([
      'row 1: it has no image bytes',
      'row 2: it is not an image of a known format (JPEG, PNG, WebP, GIF, TIFF and AVIF)'
    ])
    expect(await contents(source)).toEqual([fakeImage(1, 50), fakeImage(2, 60)])
  })

  it('tells its image column by type, then by name', async () => {
    const path = join(root, 'x.parquet')
    const images = [fakeImage(1, 50)]
    const binary = (name: string) => ({ name, type: 'BYTE_ARRAY' as const, repetition_type: 'OPTIONAL' as const })
    const write = async (names: string[]): Promise<void> => {
      const file = parquetWriteBuffer({
        schema: [{ name: 'root', num_children: names.length }, ...names.map(binary)],
        columnData: names.map(name => ({ name, data: name === 'key' ? [Uint8Array.of(1)] : images }))
      })
      await writeFile(path, new Uint8Array(file))
    }
    await writeParquet(path, images, { column: 'whatever' })
    expect(await contents(await openSource(path, { spool }))).toEqual(images)
    await write(['key', 'img'])
    expect(await contents(await openSource(path, { spool }))).toEqual(images)
    await write(['key', 'other'])
    await expect(openSource(path, { spool })).rejects.toThrow('key, other may have the images')
    const text = parquetWriteBuffer({ columnData: [{ name: 'image', data: ['text'], type: 'STRING' }] })
    await writeFile(path, new Uint8Array(text))
    await expect(openSource(path, { spool })).rejects.toThrow('no column is binary')
  })

  it('that is damaged anywhere is an error that names it, or gives its images', async () => {
    const images = Array.from({ length: 20 }, (_, i) => fakeImage(i % 5, 40))
    const path = await writeParquet(join(root, 'x.parquet'), images, { codec: 'SNAPPY', rowGroupSize: 7 })
    const good = new Uint8Array(await readFile(path))
    const outcomes = { refused: 0, read: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.byteLength - 1), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 4
        }),
        async changes => {
          const bad = good.slice()
          for (const [at, by] of changes) bad[at] = (bad[at] ?? 0) ^ by
          await writeFile(path, bad)
          try {
            const rows = await all(parquetCandidates(path))
            expect(rows.length).toBeLessThanOrEqual(images.length)
            outcomes.read++
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidInputError)
            expect(String(error)).toContain(path)
            outcomes.refused++
          }
        }
      ),
      { numRuns: 600 }
    )
    expect(outcomes.refused).toBeGreaterThan(50)
    expect(outcomes.read).toBeGreaterThan(50)
    for (const length of [0, 4, 11, good.byteLength >> 1, good.byteLength - 1]) {
      await writeFile(path, good.subarray(0, length))
      await expect(all(parquetCandidates(path))).rejects.toThrow(InvalidInputError)
    }
  })

  it('stops when it is told to', async () => {
    const path = await writeParquet(join(root, 'x.parquet'), [fakeImage(1, 50)])
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(openSource(path, { spool, signal })).rejects.toThrow('enough')
  })
})
