import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { checkPrior } from '../../../../node/priors/check-prior.ts'
import { loadPrior, type LoadPriorOptions } from '../../../../node/priors/load-prior.ts'
import { temporaryFolder } from '../../../helpers/test-node.ts'
import {
  cids,
  hashes,
  images,
  l,
  npy,
  open,
  parquet,
  put,
  rowsOf,
  safetensors,
  strings,
  unknown,
  vectors
} from '../../../helpers/vector-tables.ts'

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
})

describe('a table of vectors', () => {
  const keyed = vectors.slice(0, 6)
  const asked = [cids[4], unknown, cids[0], cids[6], cids[5]] as string[]
  const expected = [vectors[4], undefined, vectors[0], undefined, vectors[5]]
  const made = async (files: Record<string, Uint8Array | string>): Promise<string> => {
    for (const [name, bytes] of Object.entries(files)) await put(folder, name, bytes)
    return folder
  }
  const six = <T>(all: readonly T[]): T[] => all.slice(0, 6)
  const layouts: Record<string, () => Promise<string>> = {
    'npy with lines of CIDs': async () => await made({ 'v.npy': npy(keyed), 'ids.txt': `${six(cids).join('\n')}\n` }),
    'npy with a CSV of sha256': async () =>
      await made({
        'v.npy': npy(keyed),
        'v.csv': `n,sha256\n${six(hashes)
          .map((h, i) => `${i},${h}`)
          .join('\r\n')}`
      }),
    'npy with strings of NumPy': async () => await made({ 'v.npy': npy(keyed), 'v_ids.npy': strings(six(hashes)) }),
    'npy with Parquet': async () => await made({ 'v.npy': npy(keyed), 'v.parquet': parquet({ id: six(cids) }) }),
    safetensors: async () => await made({ 'v.safetensors': safetensors(keyed), 'v.ids.txt': six(cids).join('\n') }),
    Parquet: async () =>
      await made({ 'v.parquet': parquet({ caption: six(cids).map(() => 'a cat'), sha256: six(hashes), emb: keyed }) }),
    'several Parquet files': async () =>
      await made({
        'a.parquet': parquet({ id: cids.slice(0, 2), emb: vectors.slice(0, 2) }),
        'b.parquet': parquet({ id: cids.slice(2, 6), emb: vectors.slice(2, 6) })
      }),
    "clip-retrieval's folder": async () =>
      await made({
        'img_emb/img_emb_10.npy': npy(vectors.slice(2, 6)),
        'img_emb/img_emb_9.npy': npy(vectors.slice(0, 2)),
        'metadata/metadata_9.parquet': parquet({ caption: ['x', 'y'], key: cids.slice(0, 2) }),
        'metadata/metadata_10.parquet': parquet({ caption: ['x', 'y', 'x', 'y'], key: cids.slice(2, 6) })
      })
  }

  it.each(Object.keys(layouts))('is read from %s, and other images are absent', async layout => {
    const path = await (layouts[layout] as () => Promise<string>)()
    const prior = await open(path, { scratch: folder })
    expect(prior.descriptor).toMatchObject({ kind: 'table', dimension: l })
    expect(prior.descriptor.assumed?.join(), 'what was guessed').toMatch(/keys/)
    expect(await rowsOf(prior, asked)).toEqual(expected)
    const report = await checkPrior(path)
    expect(report).toMatchObject({
      kind: 'table',
      id: prior.descriptor.id.toString(),
      images: 6,
      dimension: l,
      refusals: []
    })
    expect(report.assumed).toEqual(prior.descriptor.assumed)
    expect(
      (await readdir(folder)).filter(name => name.startsWith('coopt-table')),
      'nothing is left'
    ).toEqual([])
  })

  it('is found in a folder with other names of keys,', async () => {
    await put(folder, 'embeddings.npy', npy(keyed))
    await put(
      folder,
      'metadata.csv',
      `caption,file_sha\n${six(hashes)
        .map(hash => `"a, b",${hash}`)
        .join('\n')}`
    )
    expect(await rowsOf(await open(folder), asked)).toEqual(expected)
  })

  it('tells how far it is, and is let go of when that is not wanted', async () => {
    const stop = (rows: number) => {
      throw new Error(`after ${rows}`)
    }
    await put(folder, 'ids.txt', cids.join('\n'))
    await expect(loadPrior(await put(folder, 'v.npy', npy(vectors)), { onRows: stop })).rejects.toThrow('after 7')
    const parts: number[] = []
    const path = await put(folder, 't.parquet', parquet({ id: cids, emb: vectors }))
    await open(path, { onRows: rows => parts.push(rows) })
    expect(parts).toEqual([3, 6, 7])
  })

  it('shows the vector of an image, and says where it has none', async () => {
    const path = await put(folder, 't.parquet', parquet({ id: cids, emb: vectors }))
    const image = await put(folder, 'any.jpg', images[4] as Buffer)
    expect((await checkPrior(path, { image })).feature?.head).toEqual(vectors[4])
    const other = await put(folder, 'other.jpg', 'x')
    await expect(checkPrior(path, { image: other })).rejects.toThrow(/no vector of .*other\.jpg/)
  })

  it('gives the vectors of a file alone, and of the columns that are named', async () => {
    const other = vectors.map(row => row.map(v => v * 2))
    const path = await put(folder, 't.parquet', parquet({ a: cids, b: hashes.toReversed(), x: vectors, y: other }))
    await expect(loadPrior(path)).rejects.toThrow(/x, y.*--output/)
    expect(await rowsOf(await open(path, { output: 'y', key: 'b' }), [cids[6] as string])).toEqual([other[0]])
    await expect(loadPrior(path, { output: 'z' })).rejects.toThrow(/no column of vectors "z"; .*x, y/)
    await expect(loadPrior(path, { output: 'x', key: 'z' })).rejects.toThrow(/no column of text "z"; it has a, b/)
  })

  it('leaves an image out whose vector is null', async () => {
    const path = await put(
      folder,
      't.parquet',
      parquet({ id: cids, emb: [vectors[0], null, ...vectors.slice(2)] }, 100)
    )
    const prior = await open(path)
    expect(await rowsOf(prior, [cids[2], cids[1]] as string[])).toEqual([vectors[2], undefined])
  })

  it('has another identity when any of its files or columns is another', async () => {
    const ids = new Set<string>()
    const id = async (path: string, options?: LoadPriorOptions) =>
      ids.add((await open(path, options)).descriptor.id.toString())
    const path = await put(folder, 'v.npy', npy(vectors))
    await put(folder, 'ids.txt', cids.join('\n'))
    await id(path)
    await id(path)
    expect(ids.size).toBe(1)
    await put(folder, 'ids.txt', cids.toReversed().join('\n'))
    await id(path)
    await put(folder, 'v.npy', npy(vectors.map(row => row.map(v => v + 1))))
    await id(path)
    const table = await put(folder, 't.parquet', parquet({ id: cids, x: vectors, y: vectors }))
    await id(table, { output: 'x' })
    await id(table, { output: 'y' })
    expect(ids.size).toBe(5)
  })

  it('is refused by the name of what is wrong', async () => {
    const refuses = async (files: Record<string, Uint8Array | string>, file: string, why: RegExp) => {
      const path = join(await made(files), file)
      await expect(loadPrior(path)).rejects.toThrow(why)
    }
    const keys = cids.join('\n')
    const broken = vectors.map((row, i) => (i === 4 ? [0, Number.NaN, 0] : row))
    await refuses({ 'v.npy': npy(vectors) }, 'v.npy', /no keys: put a file beside it.*v\.ids\.txt/)
    await refuses({ 'ids.txt': keys, 'v.npy': npy(broken) }, 'v.npy', new RegExp(`${cids[4]}.*number 1 .*NaN`))
    await refuses(
      { 'b.parquet': parquet({ id: cids, emb: broken }) },
      'b.parquet',
      new RegExp(`${cids[4]}.*number 1 .*NaN`)
    )
    await refuses(
      { 'v.npy': npy(vectors), 'ids.txt': [...cids.slice(0, 6), cids[2]].join('\n') },
      'v.npy',
      new RegExp(`${cids[2]}.*twice`)
    )
    const same = [...hashes.slice(0, 6), hashes[0]?.toUpperCase()] as string[]
    await refuses({ 'b.parquet': parquet({ id: same, emb: vectors }) }, 'b.parquet', /occurs twice/)
    await refuses({ 'ids.txt': cids.slice(1).join('\n') }, 'v.npy', /6 keys, .* 7 vectors/)
    await refuses({ 'ids.txt': keys.replace(cids[3] as string, '') }, 'v.npy', /row 3 has no key/)
    await refuses(
      { 'ids.txt': keys.replace(cids[3] as string, hashes[3] as string) },
      'v.npy',
      /one of sha256 in hex, the keys before it are CIDs/
    )
    await refuses(
      { 'b.parquet': parquet({ id: cids, emb: [...vectors.slice(1), [1]] }) },
      'b.parquet',
      new RegExp(`${cids[6]}.*1 numbers, the first has 3`)
    )
    await refuses({ 'b.parquet': 'PAR1 is no table' }, 'b.parquet', /cannot be read as Parquet/)
    await refuses({ 'w.safetensors': 'x', 'ids.txt': keys }, 'w.safetensors', /cannot be read as safetensors/)
    await expect(loadPrior(folder)).rejects.toThrow(/several tables/)
    await rename(join(folder, 'v.npy'), join(folder, 'img_emb'))
    await expect(loadPrior(await put(folder, 'm.onnx', 'x'), { images: folder })).rejects.toThrow(
      /needs no --key and --images/
    )
    expect((await checkPrior(join(folder, 'b.parquet'))).refusals).toHaveLength(1)
  })
})
