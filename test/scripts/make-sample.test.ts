import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeSample, type MadeSample } from '../../scripts/make-sample.ts'
import { drawPicture, KINDS } from '../../scripts/sample-shapes.ts'
import { rawCid } from '../../src/codec.ts'
import { createRandomStream } from '../../src/random.ts'

let dir: string
let made: MadeSample
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coopt-sample-'))
  made = await makeSample(join(dir, 'a'), { count: 60 })
})
afterAll(async () => await rm(dir, { recursive: true, force: true }))

describe('makeSample', () => {
  it('writes as many different 32 x 32 JPEG files as asked, evenly over ten kinds', async () => {
    const names = await readdir(join(dir, 'a'))
    expect(names).toHaveLength(60)
    expect(made.kinds).toHaveLength(10)
    for (let kind = 0; kind < 10; kind++) expect(made.labels.filter(label => label.kind === kind)).toHaveLength(6)
    const ids = new Set<string>()
    for (const name of names) {
      const bytes = await readFile(join(dir, 'a', name))
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 32, height: 32, channels: 3 })
      expect(name).toBe(`${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}.jpg`)
      ids.add(rawCid(bytes).toString())
    }
    expect(ids).toEqual(new Set(made.labels.map(label => label.id)))
  })

  it('writes the same files every time', async () => {
    expect(await makeSample(join(dir, 'b'), { count: 60 })).toEqual(made)
    expect((await readdir(join(dir, 'b'))).sort()).toEqual((await readdir(join(dir, 'a'))).sort())
  })

  it('draws the pixels that it always drew', () => {
    const hash = createHash('sha256')
    for (const kind of Object.values(KINDS)) hash.update(drawPicture(kind, createRandomStream('test')))
    expect(hash.digest('hex')).toBe('41f05d26792079891e071623e82733f30db86db9d3e32cdf27660e5c1435feb6')
  })
})
