import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrowFileCandidates } from '../../node/image-sources/arrow-candidates.ts'
import { parquetCandidates } from '../../node/image-sources/parquet-candidates.ts'
import { openSource } from '../../node/image-sources/source.ts'
import { CoOptError } from '../../src/errors.ts'
import { allDecoders } from '../helpers/decoders/all.ts'
import { attack } from '../helpers/decoders/attack.ts'
import { damaged, madeUp } from '../helpers/decoders/inputs.ts'
import { all, fakeImage } from '../src/distribute/samples.ts'
import { arrowBytes, rawTar, writeParquet } from './image-sources/archives.ts'

/** Errors that nobody handled: each ends a process that does not expect them. */
const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
const root = await mkdtemp(join(tmpdir(), 'coopt-damaged-'))

beforeAll(() => void process.on('unhandledRejection', note))
afterAll(async () => {
  process.off('unhandledRejection', note)
  await rm(root, { recursive: true, force: true })
})

const images = Array.from({ length: 12 }, (_, i) => fakeImage(i % 5, 60))
const tarOf = (): Uint8Array =>
  rawTar([
    ...images.map((bytes, i) => ({ name: `${i}.jpg`, bytes, magic: 'ustar\x0000' })),
    { name: 'l.jpg', type: '1', linkname: '3.jpg', magic: 'ustar\x0000' }
  ])

/** Rejections are told after the microtasks of a turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('damaged input', () => {
  it.each(allDecoders(root))(
    'of $name is an error of ours or is read, and leaves no rejection behind',
    async decoder => {
      const good = new Uint8Array(await decoder.good())
      const path = join(root, 'input')
      await writeFile(path, good)
      await decoder.read(good, path)
      // few where every one waits for the disk
      const runs = decoder.syncs === true ? 10 : 100
      await attack(decoder, damaged(good), { runs, folder: root })
      const { inputs } = await attack(decoder, madeUp(decoder, good), { runs: runs / 5, folder: root })
      expect(inputs).toBe(runs / 5)
      await settled()
      expect(unhandled.splice(0)).toEqual([])
    }
  )

  it('of two columns of a Parquet file, the second at once and the first later, leaves no rejection behind', async () => {
    const path = await writeParquet(join(root, 'two.parquet'), images, { codec: 'SNAPPY' })
    const bad = await readFile(path)
    // the path of image.path names a column that the schema does not have
    bad.write('hath', bad.lastIndexOf('path'), 'latin1')
    // the pages of image.bytes are no Snappy any more
    const first = bad.indexOf(Uint8Array.of(0xff, 0xd8, 0xff))
    bad.fill(0xfe, first - 8, first + 60)
    await writeFile(path, bad)
    await expect(all(parquetCandidates(path))).rejects.toThrow(CoOptError)
    await settled()
    expect(unhandled.splice(0)).toEqual([])
  })

  it('of several kinds in one folder costs the damaged parts only', async () => {
    const folder = join(root, 'shards')
    await mkdir(folder)
    await writeFile(join(folder, '0.tar'), tarOf())
    await writeFile(join(folder, '1.tar'), tarOf().subarray(0, 5000))
    await writeFile(join(folder, '2.tar.gz'), gzipSync(tarOf()).subarray(0, 300))
    await writeFile(join(folder, '3.tar'), tarOf())
    const broken: string[] = []
    const opened = await openSource(folder, { spool: root, onBroken: name => broken.push(name) })
    expect(broken).toEqual(['1.tar', '2.tar.gz'])
    expect(opened.count).toBe(26)
    expect(opened.nameOf(13)).toBe('3.tar: 0.jpg')
    expect(new Uint8Array(await opened.read(13))).toEqual(images[0])
    await opened.close()
  })

  it('of an Arrow file whose few bytes say that they are many rows is refused', async () => {
    const bad = arrowBytes(images, { rowsPerBatch: 5 })
    // the number of rows of the first column of the first batch
    const rows = [...bad.keys()].filter(at =>
      Buffer.from(bad)
        .subarray(at, at + 8)
        .equals(Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]))
    )
    expect(rows.length).toBeGreaterThan(0)
    const path = join(root, 'many.arrow')
    const said: string[] = []
    for (const at of rows) {
      const more = bad.slice()
      more[at + 2] = 7
      await writeFile(path, more)
      await all(arrowFileCandidates(path)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(CoOptError)
        said.push(String(error))
      })
    }
    expect(said).toContainEqual(expect.stringMatching(/a column of 458757 rows in \d+ bytes/))
  })

  it('that stops an Arrow file in its middle is an error of it', async () => {
    const path = join(root, 'cut.arrow')
    await writeFile(path, arrowBytes(images).subarray(0, 400))
    await expect(all(arrowFileCandidates(path))).rejects.toThrow('cut off')
  })
})
