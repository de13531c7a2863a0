import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tar from 'tar-stream'
import { expect, onTestFinished, test } from 'vitest'
import { writeWebDataset } from '../../../node/export/write-webdataset.ts'
import { rawCid } from '../../../src/codec.ts'

test('one image in rows that follow each other makes a sample of each row', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-webdataset-'))
  onTestFinished(async () => await rm(folder, { recursive: true }))
  const cid = rawCid(Uint8Array.of(1))
  const rows = async function* () {
    for (const id of ['a', 'b', 'b', 'b', 'a'])
      yield { id, image: Uint8Array.of(1), target: Float32Array.of(1, 2), weight: 1 }
  }
  const written = await writeWebDataset({ shards: [{ name: '0.parquet', cid, rows }] }, folder, () => {})
  expect(written).toMatchObject({ files: 1, rows: 5 })
  const names: string[] = []
  for await (const entry of createReadStream(join(folder, '0.tar')).pipe(tar.extract())) {
    names.push(entry.header.name)
    entry.resume()
  }
  const keys = names.filter((_, i) => i % 3 === 0).map(name => name.replace('.bin', ''))
  expect(keys).toEqual(['a', 'b', 'b_2', 'b_3', 'a'])
  expect(names).toEqual(keys.flatMap(key => [`${key}.bin`, `${key}.npy`, `${key}.json`]))
})
