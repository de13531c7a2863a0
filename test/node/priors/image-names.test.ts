import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../node/priors/check-prior.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import { temporaryFolder } from '../../helpers/test-node.ts'
import { cids, hashes, images, npy, open, put, rowsOf, unknown, vectors } from '../../helpers/vector-tables.ts'

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
})

describe('file names', () => {
  const put6 = async (names: readonly string[]) => {
    for (const [i, name] of names.entries()) await put(folder, join('images', name), images[i] as Buffer)
    return join(folder, 'images')
  }
  const table = async (names: readonly string[]): Promise<string> => {
    await put(folder, 'v.ids.txt', names.join('\n'))
    return await put(folder, 'v.npy', npy(vectors.slice(0, names.length)))
  }
  const found = async (path: string, where: string) =>
    await rowsOf(await open(path, { images: where }), cids.slice(0, 3))

  it('mean nothing in a swarm until their owner says where they lead', async () => {
    const names = ['cat/1.jpg', 'cat/2.jpg', 'dog/1.jpg']
    const path = await table(names)
    await expect(loadPrior(path)).rejects.toThrow(/such as "cat\/1\.jpg".*--images/)
    const where = await put6(names)
    await put(folder, 'images/other.jpg', 'not in the table')
    const prior = await open(path, { images: where })
    expect(await rowsOf(prior, [...cids.slice(0, 3), unknown])).toEqual([...vectors.slice(0, 3), undefined])
    expect(prior.descriptor.assumed?.join()).toMatch(/file names mean 3 files of .*images, by their paths/)
  })

  it('lead by whole paths, absolute ones too, or by the names of the files alone', async () => {
    const where = await put6(['cat/1.jpg', 'cat/2.jpg', 'dog/3.jpg'])
    const expected = vectors.slice(0, 3)
    expect(
      await found(await table(['cat/1.jpg', 'cat/2.jpg', 'dog/3.jpg'].map(name => join(where, name))), where)
    ).toEqual(expected)
    expect(await found(await table(['/elsewhere/1.jpg', '/elsewhere/2.jpg', '/elsewhere/3.jpg']), where)).toEqual(
      expected
    )
    expect(await found(await table(['1', '2', '3']), where)).toEqual(expected)
  })

  it('are refused where they may mean several files, or none', async () => {
    const where = await put6(['cat/1.jpg', 'dog/1.jpg'])
    await expect(open(await table(['/x/cat/1.jpg', '/x/dog/1.jpg']), { images: where })).rejects.toThrow(
      /several files called like/
    )
    await expect(open(await table(['1.jpg']), { images: where })).rejects.toThrow(/both fit one key/)
    await expect(open(await table(['9.jpg']), { images: where })).rejects.toThrow(
      /no file of .* is named in .*"9\.jpg"/
    )
    await expect(open(await table(['9.jpg']), { images: join(folder, 'missing') })).rejects.toThrow(
      /missing.*cannot be read/
    )
  })

  it('lead to one row of several copies of an image, and that is told', async () => {
    const where = await put6(['a.jpg', 'b.jpg'])
    await put(folder, 'images/c.jpg', images[0] as Buffer)
    const prior = await open(await table(['a.jpg', 'b.jpg', 'c.jpg']), { images: where })
    expect(await rowsOf(prior, cids.slice(0, 2))).toEqual(vectors.slice(0, 2))
    expect(prior.descriptor.assumed?.join()).toMatch(/1 are copies of others/)
  })

  it('lead by a CSV of sha256 or CIDs where the images are in no folder', async () => {
    const path = await table(['a.jpg', 'b.jpg', 'c.jpg'])
    const csv = await put(
      folder,
      'names.csv',
      `name,sha256\na.jpg,${hashes[0]}\n"b.jpg",${cids[1]}\nz.jpg,${hashes[5]}\n`
    )
    expect(await found(path, csv)).toEqual([vectors[0], vectors[1], undefined])
    const wrong = await put(folder, 'wrong.csv', 'name,sha256\na.jpg,12\n')
    await expect(open(path, { images: wrong })).rejects.toThrow(/line 2: "12" is neither/)
  })

  it('key the labels of people as well', async () => {
    const where = await put6(['a.jpg', 'b.jpg', 'c.jpg'])
    const path = await put(folder, 'labels.csv', 'file_name,label\nb.jpg,dog\na.jpg,cat\n')
    await expect(loadPrior(path)).rejects.toThrow(/--images/)
    const prior = await open(path, { images: where })
    const { features, absent } = await prior.embed(cids.slice(0, 3).map(id => ({ id, bytes: new Uint8Array(0) })))
    expect(absent).toEqual([false, false, true])
    expect([...features.data.subarray(0, 4)]).toEqual([1, 0, 0, 1])
    expect(await checkPrior(path, { images: where })).toMatchObject({ kind: 'human', images: 2, refusals: [] })
  })
})
