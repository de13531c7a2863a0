import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { expect, onTestFinished, test } from 'vitest'
import { isSafeName, writeNewFile } from '../../../node/store/new-file.ts'
import { writeFiles } from '../../../node/export/write-files.ts'
import { pbCid, rawCid } from '../../../src/codec.ts'

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'coopt-export-'))
  onTestFinished(async () => await rm(made, { recursive: true, force: true }))
  return made
}

/** A directory of one-word files, and a way to get its blocks. */
function directory(names: readonly string[]) {
  const blocks = new Map<string, Uint8Array>()
  const add = (cid: CID, bytes: Uint8Array): CID => {
    blocks.set(cid.toString(), bytes)
    return cid
  }
  const word = new TextEncoder().encode('word')
  const file = add(rawCid(word), word)
  const block = dagPb.encode({
    Data: new UnixFS({ type: 'directory' }).marshal(),
    Links: names.map(Name => ({ Name, Hash: file, Tsize: 4 }))
  })
  const root = add(pbCid(block), block)
  const get = async (cid: CID): Promise<Uint8Array> => blocks.get(cid.toString()) as Uint8Array
  return { root, get }
}

test.each(['..', '.', '', '../up', '/etc/passwd', 'a/b', 'a\\b', 'C:', 'con\0', 'naïve', 'x'.repeat(129)])(
  'an entry called %j is refused and nothing is written for it',
  async name => {
    const out = await folder()
    const { root, get } = directory([name])
    await expect(writeFiles(root, join(out, 'in'), get, () => {})).rejects.toMatchObject({
      name: 'InvalidContentError'
    })
    expect(await readdir(out)).toEqual([])
  }
)

test('a safe name stays in its folder', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', '-') }), (a, b) => {
      for (const name of [a, b]) {
        if (isSafeName(name)) expect(join('/folder', name)).toBe(`/folder/${name}`)
      }
    })
  )
})

test('a file that repeats one block beyond the size of any shard is refused before it is written', async () => {
  const leaf = new Uint8Array(1024)
  const blocks = new Map<string, Uint8Array>([[rawCid(leaf).toString(), leaf]])
  let [child, bytes] = [rawCid(leaf), BigInt(leaf.byteLength)]
  for (let level = 0; level < 3; level++) {
    const count = 1024
    const Data = new UnixFS({ type: 'file', blockSizes: Array.from({ length: count }, () => bytes) }).marshal()
    const block = dagPb.encode({
      Data,
      Links: Array.from({ length: count }, () => ({ Hash: child, Name: '', Tsize: 1 }))
    })
    ;[child, bytes] = [pbCid(block), bytes * BigInt(count)]
    blocks.set(child.toString(), block)
  }
  const top = dagPb.encode({
    Data: new UnixFS({ type: 'directory' }).marshal(),
    Links: [{ Name: 'bomb', Hash: child, Tsize: 1 }]
  })
  blocks.set(pbCid(top).toString(), top)
  const out = await folder()
  const get = async (cid: CID): Promise<Uint8Array> => blocks.get(cid.toString()) as Uint8Array
  await expect(writeFiles(pbCid(top), join(out, 'in'), get, () => {})).rejects.toThrow('a file of a dataset at most')
  expect(await readdir(out)).toEqual([])
})

test('an entry that comes twice is refused', async () => {
  const { root, get } = directory(['a', 'a'])
  await expect(writeFiles(root, join(await folder(), 'in'), get, () => {})).rejects.toThrow('comes twice')
})

test('a folder that is not empty is left as it was', async () => {
  const out = await folder()
  await writeFile(join(out, 'a'), 'mine')
  const { root, get } = directory(['b'])
  await expect(writeFiles(root, out, get, () => {})).rejects.toMatchObject({ name: 'InvalidInputError' })
  expect(await readdir(out)).toEqual(['a'])
  expect(await readFile(join(out, 'a'), 'utf8')).toBe('mine')
})

test('a file that could not be finished is removed', async () => {
  const out = await folder()
  const failing = writeNewFile(join(out, 'a'), async file => {
    await file.write('begun')
    throw new Error('no more')
  })
  await expect(failing).rejects.toThrow('no more')
  expect(await readdir(out)).toEqual([])
})
