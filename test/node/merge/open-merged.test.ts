import * as dagPb from '@ipld/dag-pb'
import { CarBufferWriter } from '@ipld/car'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { findDirectory } from '../../../node/merge/merged-directory.ts'
import { openMerged, readRecords } from '../../../node/merge/open-merged.ts'
import { pbCid, rawCid } from '../../../src/codec.ts'
import { MAX_MANIFEST_BYTES } from '../../../src/distribute/manifest.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError, CoOptError, InvalidContentError } from '../../../src/errors.ts'
import { row } from '../../../src/matrix.ts'
import { finishedRound, ROUND, type FinishedRound } from '../../helpers/finished-round.ts'
import { memoryContent } from '../../helpers/memory-content.ts'
import { makeScore, makeSwarm, testPeer } from '../../helpers/swarm-factory.ts'
import { collect } from '../../helpers/collect.ts'

let content: Content
let round: FinishedRound
let root: CID
const options = { signal: new AbortController().signal }

beforeEach(async () => {
  content = memoryContent()
  round = await finishedRound(content)
  root = (await round.merge()).root
})

type Link = { name: string; cid: CID }

const linksAt = async (cid: CID): Promise<Link[]> =>
  dagPb.decode(await content.block(cid, options)).Links.map(({ Name, Hash }) => ({ name: Name ?? '', cid: Hash }))

async function directory(links: readonly Link[]): Promise<CID> {
  const Links = links.map(({ name, cid }) => ({ Name: name, Hash: cid, Tsize: 0 }))
  const bytes = dagPb.encode(dagPb.prepare({ Data: new UnixFS({ type: 'directory' }).marshal(), Links }))
  await content.put(pbCid(bytes), bytes)
  return pbCid(bytes)
}

/** The directory with links changed, added or (undefined) left out, at the top or in one of its folders. */
async function changed(changes: Record<string, CID | undefined>, folder?: string): Promise<CID> {
  const top = await linksAt(root)
  const links = folder === undefined ? top : await linksAt(top.find(({ name }) => name === folder)!.cid)
  const kept = links.filter(({ name }) => !(name in changes))
  const given = Object.entries(changes).flatMap(([name, cid]) => (cid === undefined ? [] : [{ name, cid }]))
  const made = await directory([...kept, ...given])
  return folder === undefined ? made : await changed({ [folder]: made })
}

const put = async (bytes: Uint8Array): Promise<CID> => (await importBytes([bytes], content.put)).cid

const opened = async (cid: CID) => await openMerged(cid, content, options)

describe('an honest dataset', () => {
  test('opens with its manifest, its records and every row', async () => {
    const merged = await opened(root)
    expect(merged.swarm.id.equals(round.swarm.id)).toBe(true)
    const set = await readRecords(merged.directory, merged.swarm, content, options)
    expect(set.size).toBe(round.set.size)
    expect(merged.shards.map(({ name }) => name)).toEqual([
      'train-00000-of-00002.parquet',
      'train-00001-of-00002.parquet'
    ])
    for (const [p, shard] of merged.shards.entries()) {
      const rows = await collect(shard.rows())
      expect(rows).toHaveLength(ROUND.rows)
      for (const [i, { id, image, target }] of rows.entries()) {
        expect(Buffer.compare(image, round.images[p]![i]!)).toBe(0)
        expect(rawCid(image).toString()).toBe(id)
        expect(target).toEqual(row(round.targets[p]!, i))
      }
    }
  })

  test('opens without its folders where only the store is asked', async () => {
    const top = await linksAt(root)
    const data = top.find(({ name }) => name === 'data')!.cid
    const found = await findDirectory(root, async cid => (cid.equals(data) ? undefined : await content.peek(cid)))
    expect(found?.missing.map(String)).toEqual([`${data}`])
    expect(found?.entries.has('manifest.cbor')).toBe(true)
    expect(found?.entries.has('evidence/shared.parquet')).toBe(true)
  })
})

describe('is refused, and nothing is found there', () => {
  test.each(['data', 'manifest.cbor', 'records.car'])('a directory without %s', async name => {
    const cid = await changed({ [name]: undefined })
    await expect(opened(cid)).rejects.toBeInstanceOf(InvalidContentError)
    expect(await findDirectory(cid, content.peek)).toBeUndefined()
  })

  test('a file, junk and a root that is not here', async () => {
    const junk = rawCid(Uint8Array.of(1, 2, 3))
    await content.put(junk, Uint8Array.of(1, 2, 3))
    const noDirectory = dagPb.encode({ Data: Uint8Array.of(9, 9, 9), Links: [] })
    await content.put(pbCid(noDirectory), noDirectory)
    for (const cid of [junk, pbCid(noDirectory)]) {
      await expect(opened(cid)).rejects.toBeInstanceOf(InvalidContentError)
      expect(await findDirectory(cid, content.peek)).toBeUndefined()
    }
    await expect(opened(pbCid(Uint8Array.of(7)))).rejects.toBeInstanceOf(ContentUnavailableError)
    expect(await findDirectory(pbCid(Uint8Array.of(7)), content.peek)).toBeUndefined()
  })

  test('a directory too large to be ours', async () => {
    const cid = await changed(Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`file ${i}`, root])))
    await expect(opened(cid)).rejects.toBeInstanceOf(InvalidContentError)
  })
})

describe('is refused', () => {
  test.each(['..', '../x', 'a/b', '', 'con\0'])('an entry called %j, in any folder', async name => {
    for (const folder of ['data', 'evidence'])
      await expect(opened(await changed({ [name]: root }, folder)), folder).rejects.toThrow('safe file name')
    await expect(opened(await changed({ [name]: root }))).rejects.toBeInstanceOf(InvalidContentError)
  })

  test('a name that comes twice: readers would see different datasets', async () => {
    const links = await linksAt(root)
    const twice = await directory([...links, { name: 'manifest.cbor', cid: root }])
    await expect(opened(twice)).rejects.toBeInstanceOf(InvalidContentError)
    const data = await linksAt(links.find(({ name }) => name === 'data')!.cid)
    const inside = await changed({ data: await directory([...data, data[0]!]) })
    await expect(opened(inside)).rejects.toThrow('two entries')
  })

  test('a folder that is a file, and a bundle under another name than its CID', async () => {
    await expect(opened(await changed({ data: await put(Uint8Array.of(1)) }))).rejects.toBeInstanceOf(
      InvalidContentError
    )
    const priors = await directory([{ name: 'resnet', cid: root }])
    await expect(opened(await changed({ priors }))).rejects.toThrow('calls the bundle')
    const honest = await directory([{ name: `${root}`, cid: root }])
    expect((await opened(await changed({ priors: honest }))).directory.entries.has(`priors/${root}`)).toBe(true)
  })

  test('a manifest that is altered, of another kind or longer than any', async () => {
    const bytes = round.swarm.bytes.map((b, i) => (i === 100 ? b ^ 1 : b))
    for (const forged of [bytes, new Uint8Array(0), new Uint8Array(MAX_MANIFEST_BYTES + 1)])
      await expect(opened(await changed({ 'manifest.cbor': await put(forged) }))).rejects.toBeInstanceOf(CoOptError)
  })

  test('records of another swarm, altered ones, and a CAR that is cut off', async () => {
    const other = await makeSwarm({ name: 'another swarm' })
    const foreign = await makeScore(other, testPeer(0), 0)
    const carOf = (blocks: readonly Uint8Array[]): Uint8Array => {
      const writer = CarBufferWriter.createWriter(new ArrayBuffer(100_000), { roots: [round.swarm.id] })
      for (const bytes of blocks) writer.write({ cid: rawCid(bytes), bytes })
      return writer.close({ resize: true })
    }
    const honest = round.scores.map(({ bytes }) => bytes)
    const altered = honest.map(bytes => bytes.map((b, i) => (i === bytes.byteLength - 3 ? b ^ 1 : b)))
    for (const car of [carOf([foreign.bytes]), carOf(altered), carOf(honest).subarray(0, -4), Uint8Array.of(1)]) {
      const merged = await opened(await changed({ 'records.car': await put(car) }))
      await expect(readRecords(merged.directory, merged.swarm, content, options)).rejects.toBeInstanceOf(CoOptError)
    }
    const fine = await opened(await changed({ 'records.car': await put(carOf(honest)) }))
    expect((await readRecords(fine.directory, fine.swarm, content, options)).size).toBe(2)
  })

  test('a shard that is not one, and one with targets of other dimensions', async () => {
    const shard = 'train-00000-of-00002.parquet'
    const junk = await opened(await changed({ [shard]: await put(new Uint8Array(5000).fill(7)) }, 'data'))
    await expect(collect(junk.shards[0]!.rows())).rejects.toBeInstanceOf(InvalidContentError)
    const partition = round.swarm.manifest.partitions[0]!.cid
    const bare = await opened(await changed({ [shard]: partition }, 'data'))
    await expect(collect(bare.shards[0]!.rows()), 'a partition without targets').rejects.toBeInstanceOf(
      InvalidContentError
    )
  })
})
