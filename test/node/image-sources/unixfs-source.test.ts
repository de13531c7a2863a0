import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as dagPb from '@ipld/dag-pb'
import { MemoryBlockstore } from 'blockstore-core'
import { UnixFS } from 'ipfs-unixfs'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isPipe, sourceArgument } from '../../../node/cli/source-argument.ts'
import type { GetBlock } from '../../../node/content/dag/blocks.ts'
import { joinParts } from '../../../node/content/join-parts.ts'
import { openSource } from '../../../node/image-sources/source.ts'
import { unixfsCandidates } from '../../../node/image-sources/unixfs-candidates.ts'
import { rawCid } from '../../../src/codec.ts'
import { ContentUnavailableError, InvalidContentError, InvalidInputError } from '../../../src/errors.ts'
import { all, fakeImage } from '../../src/distribute/samples.ts'

let root: string
let spool: string
let store: MemoryBlockstore
let get: GetBlock
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'coopt-unixfs-'))
  spool = join(root, 'spool')
  await mkdir(spool)
  store = new MemoryBlockstore()
  get = async cid => await joinParts(store.get(cid))
})
afterEach(async () => await rm(root, { recursive: true, force: true }))

/** A directory in the store; chunks of 1000 bytes, so that images are trees. `shardAt`: 1 makes every directory a HAMT. */
async function add(files: Record<string, Uint8Array>, shardAt?: number): Promise<CID> {
  const source = Object.entries(files).map(([path, content]) => ({ path, content }))
  let last: CID | undefined
  for await (const { cid } of importer(source, store, {
    wrapWithDirectory: true,
    chunker: fixedSize({ chunkSize: 1000 }),
    ...(shardAt === undefined ? {} : { shardSplitThresholdBytes: shardAt })
  }))
    last = cid
  if (last === undefined) throw new Error('nothing was imported')
  return last
}

async function putNode(unixfs: UnixFS, links: { Name: string; Tsize: number; Hash: CID }[]): Promise<CID> {
  const block = dagPb.encode(dagPb.prepare({ Data: unixfs.marshal(), Links: links }))
  const cid = CID.createV1(dagPb.code, await sha256.digest(block))
  await store.put(cid, block)
  return cid
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const images = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => [`${i % 2 === 0 ? 'cat' : 'dog/deep'}/${i}.jpg`, fakeImage(i, 100 + i * 97)])
)

describe('a directory on IPFS', () => {
  it.each([undefined, 1])('is read with all below it, sharded or not (threshold %s)', async shardAt => {
    const cid = await add({ ...images, 'notes.txt': text('x'), 'cat/._0.jpg': text('x') }, shardAt)
    for (const path of [`/ipfs/${cid}`, `ipfs://${cid}/`]) {
      const source = await openSource(path, { spool, remote: { get } })
      expect(source).toMatchObject({
        count: 60,
        duplicates: 0,
        leftOut: [
          { reason: 'hidden', count: 1, examples: ['cat/._0.jpg'] },
          { reason: 'other', count: 1, examples: ['notes.txt'] }
        ]
      })
      const found: Record<string, Uint8Array> = {}
      for (let i = 0; i < source.count; i++) found[source.nameOf(i)] = new Uint8Array(await source.read(i))
      expect(found).toEqual(images)
      await source.close()
    }
    const source = await openSource(`/ipfs/${cid}/dog/deep`, { spool, remote: { get } })
    expect(source.count).toBe(30)
    await source.close()
  })

  it('is refused for no CID, a file, a path that is not there, and without access', async () => {
    const cid = await add(images)
    const remote = { get }
    await expect(openSource('/ipfs/nonsense', { spool, remote })).rejects.toThrow(InvalidInputError)
    await expect(openSource(`/ipfs/${cid}/cat/0.jpg`, { spool, remote })).rejects.toThrow('not a directory')
    await expect(openSource(`/ipfs/${cid}/bird`, { spool, remote })).rejects.toThrow('there is no "bird"')
    await expect(openSource(`/ipfs/${cid}`, { spool })).rejects.toThrow('not at hand')
  })

  it('stops at a block that nobody has, even where broken images are left out', async () => {
    const cid = await add(images)
    await store.delete(rawCid(fakeImage(0, 100)))
    const missing: GetBlock = async child => {
      if (await store.has(child)) return await get(child)
      throw new ContentUnavailableError(`no peer sent ${child}`)
    }
    const listed: string[] = []
    const opening = openSource(`/ipfs/${cid}`, {
      spool,
      remote: { get: missing },
      onBroken: name => listed.push(name)
    })
    await expect(opening).rejects.toThrow(ContentUnavailableError)
    expect(listed).toEqual([])
  })

  it('names files whose tree contradicts itself, and those too large before they are fetched', async () => {
    const leaf = fakeImage(1, 2000)
    await store.put(rawCid(leaf), leaf)
    const file = new UnixFS({ type: 'file' })
    file.addBlockSize(3000n) // the leaf has 2000
    const liar = await putNode(file, [{ Name: '', Tsize: 2000, Hash: rawCid(leaf) }])
    const huge = new UnixFS({ type: 'file' })
    huge.addBlockSize(2000n)
    huge.addBlockSize(70_000_000n)
    const absent = rawCid(text('never fetched'))
    const large = await putNode(huge, [
      { Name: '', Tsize: 2000, Hash: rawCid(leaf) },
      { Name: '', Tsize: 70_000_000, Hash: absent }
    ])
    const link = await putNode(new UnixFS({ type: 'symlink', data: text('/etc/passwd') }), [])
    const cid = await putNode(new UnixFS({ type: 'directory' }), [
      { Name: 'large.jpg', Tsize: 1, Hash: large },
      { Name: 'liar.jpg', Tsize: 1, Hash: liar },
      { Name: 'link.jpg', Tsize: 1, Hash: link }
    ])
    const found = await all(unixfsCandidates(`/ipfs/${cid}`, { remote: { get } }))
    expect(found).toEqual([
      { name: 'large.jpg', fault: '70002000 bytes, at most 67108864: encode it in a smaller file' },
      { name: 'liar.jpg', fault: expect.stringContaining('has 2000 bytes, its parent says 3000') },
      { name: 'link.jpg', leftOut: 'link' }
    ])
  })

  it('that nests too deep, or whose names would be paths or act on a terminal, does no harm', async () => {
    const leaf = fakeImage(1, 200)
    await store.put(rawCid(leaf), leaf)
    let cid = await putNode(new UnixFS({ type: 'directory' }), [
      { Name: '../../\u001b[2J.jpg', Tsize: 1, Hash: rawCid(leaf) }
    ])
    const source = await openSource(`/ipfs/${cid}`, { spool, remote: { get } })
    expect(source.nameOf(0)).toBe('../../\ufffd[2J.jpg')
    expect(new Uint8Array(await source.read(0))).toEqual(leaf)
    await source.close()
    for (let i = 0; i < 70; i++)
      cid = await putNode(new UnixFS({ type: 'directory' }), [{ Name: 'd', Tsize: 1, Hash: cid }])
    await expect(openSource(`/ipfs/${cid}`, { spool, remote: { get } })).rejects.toThrow(InvalidContentError)
  })
})

it('a directory with archives on IPFS names them, whatever else it has', async () => {
  const cid = await add({ 'banner.jpg': fakeImage(1, 50), 'data/train.parquet': text('PAR1') })
  const path = `/ipfs/${cid}`
  await expect(openSource(path, { spool, remote: { get } })).rejects.toThrow(
    'data/train.parquet: archives are read from disk only: fetch the directory first'
  )
  const source = await openSource(path, { spool, remote: { get }, only: 'images' })
  expect(source).toMatchObject({ count: 1, leftOut: [{ reason: 'kind', count: 1 }] })
  await source.close()
})

it('a directory that fails while its files are fetched leaves no rejection behind', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  try {
    // two files that are not there, and a directory whose next entry cannot be read
    const cid = await add({ 'a.jpg': fakeImage(1, 50), 'b.jpg': fakeImage(2, 50), 'c.jpg': fakeImage(3, 50) }, 1)
    const stop = new AbortController()
    const failing: GetBlock = async asked => {
      if (asked.code === CID.parse(`${cid}`).code) return await get(asked)
      stop.abort(new Error('enough'))
      throw new ContentUnavailableError('it is not there')
    }
    await expect(
      all(unixfsCandidates(`/ipfs/${cid}`, { remote: { get: failing }, signal: stop.signal }))
    ).rejects.toThrow(/enough|not there/)
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})

describe('sourceArgument', () => {
  it('takes a CID for content, unless a file is called so', async () => {
    const cid = await add(images)
    expect(sourceArgument(root, `${cid}`)).toBe(`/ipfs/${cid}`)
    expect(sourceArgument(root, `${cid}/cat`)).toBe(`/ipfs/${cid}/cat`)
    expect(sourceArgument(root, `ipfs://${cid}`)).toBe(`/ipfs/${cid}`)
    expect(sourceArgument(root, `/ipfs/${cid}`)).toBe(`/ipfs/${cid}`)
    expect(sourceArgument(root, 'images')).toBe(join(root, 'images'))
    expect(sourceArgument(root, '-')).toBe('/dev/stdin')
    expect([isPipe(root), isPipe(`/ipfs/${cid}`), isPipe('/dev/null'), isPipe(join(root, 'missing'))]).toEqual([
      false,
      false,
      true,
      false
    ])
    await mkdir(join(root, `${cid}`))
    expect(sourceArgument(root, `${cid}`)).toBe(join(root, `${cid}`))
  })
})
