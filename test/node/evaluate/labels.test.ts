import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readLabels } from '../../../node/evaluate/label-file.ts'
import { labelledImages, type LabelledImage } from '../../../node/evaluate/labelled-images.ts'
import { readResults } from '../../../node/lab/report/results-file.ts'
import { syntheticPng } from '../../../node/priors/synthetic-image.ts'
import { rawCid } from '../../../src/codec.ts'
import { temporaryFolder } from '../../helpers/test-node.ts'

const image = (side: number): Uint8Array => syntheticPng(side, side)

async function file(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'file')
  await writeFile(path, text)
  return path
}

async function folder(images: Record<string, Uint8Array>): Promise<string> {
  const path = await temporaryFolder()
  for (const [name, bytes] of Object.entries(images)) {
    await mkdir(join(path, name, '..'), { recursive: true })
    await writeFile(join(path, name), bytes)
  }
  return path
}

async function all(images: AsyncIterable<LabelledImage>): Promise<LabelledImage[]> {
  const out: LabelledImage[] = []
  for await (const one of images) out.push(one)
  return out
}

describe('labels of an evaluation', () => {
  it('are by name or by id, as the header says', async () => {
    const byName = await readLabels(await file('name,label\nx.png,cat\ny.png,dog\n'))
    expect([byName.by, byName.names, byName.of('y.png'), byName.of('z.png')]).toEqual([
      'name',
      ['cat', 'dog'],
      1,
      undefined
    ])
    expect((await readLabels(await file('id,label\nx,1\ny,2\n'))).by).toBe('id')
  })

  it('are refused with what is wrong with them', async () => {
    await expect(readLabels('/does/not/exist')).rejects.toThrow('/does/not/exist cannot be read as labels')
    await expect(readLabels(await file('id,p0,p1\nx,0.5,0.5\n'))).rejects.toThrow('has probabilities')
    await expect(readLabels(await file('id,label\nx,1\nx,2\n'))).rejects.toThrow('line 3: sample x is labelled twice')
  })

  it('find images by path, by the last part of it, and by their bytes', async () => {
    const source = await folder({ 'a/x.png': image(4), 'b/y.png': image(5), 'b/notes.txt': new Uint8Array(3) })
    const named = await readLabels(await file('name,label\na/x.png,cat\ny.png,dog\nz.png,cat\n'))
    const found = new Map((await all(labelledImages([source], named, {}))).map(one => [one.id, one.label]))
    expect(found).toEqual(
      new Map([
        [rawCid(image(4)).toString(), 0],
        [rawCid(image(5)).toString(), 1]
      ])
    )
    const byId = await readLabels(await file(`id,label\n${rawCid(image(5))},dog\n${rawCid(image(6))},cat\n`))
    expect((await all(labelledImages([source], byId, {}))).map(one => one.id)).toEqual([rawCid(image(5)).toString()])
  })

  it('are an error when a name stands for two images, or no image has one', async () => {
    const source = await folder({ 'cat/1.png': image(4), 'dog/1.png': image(5) })
    const labels = await readLabels(await file('name,label\n1.png,cat\n2.png,dog\n'))
    await expect(all(labelledImages([source], labels, {}))).rejects.toThrow('"1.png" matches several images')
    const others = await readLabels(await file('name,label\nq.png,cat\nr.png,dog\n'))
    await expect(all(labelledImages([source], others, {}))).rejects.toThrow(/no name in .* matches an image of/)
  })
})

describe('results of trained students', () => {
  it('may have any of their tables, and are refused when one is not as it should be', async () => {
    const tab7 = { rows: [{ name: 'best', mean: 0.6, deviation: 0.1 }] }
    expect(await readResults(await file(JSON.stringify({ tables: { tab7 } })))).toEqual({ tab7 })
    await expect(readResults(await file('{"tables":{"tab7":{"rows":[]}}}'))).rejects.toThrow('is not a results file')
    await expect(readResults(await file('{'))).rejects.toThrow('cannot be read as results')
  })
})
