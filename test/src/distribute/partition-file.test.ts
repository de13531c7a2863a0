import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, it } from 'vitest'
import { contentId } from '../../../src/distribute/content-id.ts'
import {
  MAX_ROW_GROUP_IMAGE_BYTES,
  MAX_ROW_GROUP_ROWS,
  partitionBytes,
  readSamples
} from '../../../src/distribute/partition-file.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { all, concat, fakeSamples, fileOf, partitionOf } from './samples.ts'

const arrayBuffer = (bytes: Uint8Array) => bytes.slice().buffer

describe('a partition file', () => {
  it('gives back the samples it was made of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 8, max: 3000 }), { maxLength: 60 }), async lengths => {
        const samples = await fakeSamples(lengths)
        const file = await concat(partitionBytes(samples))
        expect(await all(readSamples(fileOf(file)))).toEqual(samples)
      }),
      { numRuns: 30 }
    )
  })

  it('is read alike by hyparquet', async () => {
    const samples = await fakeSamples([100, 2000, 70_000])
    const file = await concat(partitionBytes(samples))
    const rows = await parquetReadObjects({ file: arrayBuffer(file), utf8: false })
    expect(rows).toEqual(samples.map(({ id, bytes }, i) => ({ id, image: { bytes, path: `0000000${i}.jpg` } })))
    const metadata = parquetMetadata(arrayBuffer(file))
    expect(metadata.key_value_metadata).toEqual([
      {
        key: 'huggingface',
        value: '{"info":{"features":{"id":{"dtype":"string","_type":"Value"},"image":{"_type":"Image"}}}}'
      }
    ])
  })

  it('has the known CID for known samples', async () => {
    const file = await partitionOf([10, 500, 1200, 33])
    expect((await contentId(file)).toString()).toBe('bafkreid7tk4dthpxwwaijqnc3wd5hwrfo7webavwf52kh5fg3cschsxl7e')
  })

  it('ends its row groups by rows and by image bytes', async () => {
    const many = parquetMetadata(arrayBuffer(await partitionOf(Array.from({ length: 2500 }, () => 20))))
    expect(many.row_groups.map(group => Number(group.num_rows))).toEqual([MAX_ROW_GROUP_ROWS, MAX_ROW_GROUP_ROWS, 500])
    const third = MAX_ROW_GROUP_IMAGE_BYTES / 3
    const large = parquetMetadata(
      arrayBuffer(await partitionOf([third, third, third, third, MAX_ROW_GROUP_IMAGE_BYTES + 1, 10]))
    )
    expect(large.row_groups.map(group => Number(group.num_rows))).toEqual([3, 1, 1, 1])
  })

  it('starts at any row without reading the row groups before it', async () => {
    const samples = await fakeSamples(Array.from({ length: 2500 }, () => 900))
    const bytes = await concat(partitionBytes(samples))
    for (const start of [0, 1, 999, 1000, 2499, 2500]) {
      const file = fileOf(bytes)
      const rest = await all(readSamples(file, { start }))
      expect(rest).toEqual(samples.slice(start))
      expect(file.read()).toBeLessThan((Math.ceil((2500 - start) / 1000) + 1) * 1000 * 1000)
    }
  })

  it('leaves no more than 32 KiB of images in a chunk that a shard has to store again', async () => {
    for (const lengths of [[200_000], [1_000_000, 40_000], [30_000], [1_048_000, 20_000]]) {
      const file = await partitionOf(lengths)
      const footer = file.byteLength - 8 - new DataView(file.buffer).getUint32(file.byteLength - 8, true)
      expect(footer % 1_048_576).toBeLessThanOrEqual(32_768)
    }
  })

  it('names the row whose id is not the CID of its image', async () => {
    const samples = await fakeSamples([100, 100, 100])
    const swapped = [samples[0], { ...samples[1], id: samples[2]?.id }, samples[2]] as typeof samples
    const file = await concat(partitionBytes(swapped))
    await expect(all(readSamples(fileOf(file)))).rejects.toThrow('row 1: the id is not the CID')
    const marked = samples.map(sample => ({ ...sample, id: `\ufeff${sample.id}` }))
    await expect(all(readSamples(fileOf(await concat(partitionBytes(marked)))))).rejects.toThrow('row 0: the id is not')
  })

  it('is refused when its columns are others', async () => {
    const others = [
      [{ name: 'id', data: ['a'] }],
      [
        { name: 'id', data: ['a'] },
        { name: 'image', data: [Uint8Array.of(1)], type: 'BYTE_ARRAY' as const }
      ]
    ]
    for (const columnData of others) {
      const file = fileOf(new Uint8Array(parquetWriteBuffer({ columnData })))
      await expect(all(readSamples(file))).rejects.toThrow('columns id and image')
    }
  })

  it('never crashes or hangs a reader, whatever bytes are changed or cut off', async () => {
    const bytes = await partitionOf([...Array.from({ length: 1001 }, (_, i) => 8 + (i % 30)), 40_000])
    const footer = bytes.byteLength - 8 - new DataView(bytes.buffer).getUint32(bytes.byteLength - 8, true)
    const law = fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.boolean()), { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(bytes.byteLength)),
      async (changes, cut) => {
        const hostile = bytes.slice(0, cut ?? undefined)
        for (const [at, value, inFooter] of changes) {
          const from = inFooter ? Math.min(footer, hostile.byteLength) : 0
          if (hostile.byteLength > from) hostile[from + (at % (hostile.byteLength - from))] = value
        }
        try {
          await all(readSamples(fileOf(hostile)))
          return true
        } catch (error) {
          return error instanceof InvalidContentError
        }
      }
    )
    await expect(fc.assert(law, { numRuns: 1500 })).resolves.toBeUndefined()
  })
})
