/** CAR answers of the gateway: which blocks, in which order; the cases of the public gateway-conformance suite and more. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CarReader } from '@ipld/car'
import { readCar } from '../../../node/content/dag/car.ts'
import { linksOf } from '../../../node/content/dag/entity.ts'
import { collect } from '../../helpers/collect.ts'
import { ask, type Fixtures, startFixtures } from './fixtures.ts'

let fixtures: Fixtures
beforeAll(async () => {
  fixtures = await startFixtures()
})
afterAll(async () => await fixtures.close())

/** CIDs in the body, in order; roots and order are checked where the case says so. */
async function blocksOf(path: string, headers: Record<string, string> = {}) {
  const reply = await ask(fixtures, path, headers)
  expect(reply.status, reply.body.toString().slice(0, 200)).toBe(200)
  expect(reply.headers).toMatchObject({
    'accept-ranges': 'none',
    'x-content-type-options': 'nosniff',
    'content-disposition': expect.stringMatching(/^attachment; filename=".*\.car"$/),
    etag: expect.stringMatching(/^W\/".*\.car\./)
  })
  const roots = await (await CarReader.fromBytes(reply.body)).getRoots()
  const { blocks } = await readCar(
    (async function* () {
      yield reply.body
    })()
  )
  return { cids: (await collect(blocks)).map(b => b.cid.toString()), roots, type: reply.headers['content-type'] }
}

/** Pieces of a file, in order. */
async function pieces(name: string): Promise<string[]> {
  const root = fixtures.cid(name)
  const [block] = await collect(fixtures.store.get(root))
  return linksOf(root, block as Uint8Array).map(String)
}
const named = (...names: string[]): string[] => names.map(name => fixtures.cid(name).toString())

describe('a CAR', () => {
  const CAR = 'application/vnd.ipld.car; version=1; order=dfs; dups=n'

  test('has the blocks of the path, then everything below its end, depth first', async () => {
    const car = await blocksOf('/ipfs/{dir}/subdir/multiblock.txt?format=car')
    expect(car.cids).toEqual([
      ...named('dir', 'dir/subdir', 'dir/subdir/multiblock.txt'),
      ...(await pieces('dir/subdir/multiblock.txt'))
    ])
    expect(car.type).toBe(CAR)
    expect(car.roots.map(String)).toEqual(named('dir/subdir/multiblock.txt'))
  })

  test('has the nodes of a sharded directory that lead to a name, and no others', async () => {
    const { cids } = await blocksOf('/ipfs/{hamt}/7.txt?format=car&dag-scope=block')
    expect(cids[0]).toBe(fixtures.cid('hamt').toString())
    expect(cids.at(-1)).toBe(fixtures.cid('hamt/7.txt').toString())
    expect(cids.length).toBeLessThan(6)
  })

  test('has blocks that lead through dag-cbor', async () => {
    expect((await blocksOf('/ipfs/{document}/files/single?format=car')).cids).toEqual(
      named('document', 'dir/ascii.txt')
    )
    expect((await blocksOf('/ipfs/{document}?format=car&dag-scope=entity')).cids).toEqual(named('document'))
  })

  test('ends with the block, the entity or everything as dag-scope says', async () => {
    expect((await blocksOf('/ipfs/{dir}/subdir?format=car&dag-scope=block')).cids).toEqual(named('dir', 'dir/subdir'))
    expect((await blocksOf('/ipfs/{dir}/subdir?format=car&dag-scope=entity')).cids).toEqual(named('dir', 'dir/subdir'))
    expect((await blocksOf('/ipfs/{dir}/ascii.txt?format=car&dag-scope=entity')).cids).toEqual(
      named('dir', 'dir/ascii.txt')
    )
    const hamt = await blocksOf('/ipfs/{hamt}?format=car&dag-scope=entity')
    const all = await blocksOf('/ipfs/{hamt}?format=car&dag-scope=all')
    expect(hamt.cids.length).toBeGreaterThan(1)
    expect(all.cids.length).toBeGreaterThan(hamt.cids.length + 300)
    expect(new Set(all.cids)).toContain(fixtures.cid('hamt/299.txt').toString())
    expect(hamt.cids).not.toContain(fixtures.cid('hamt/299.txt').toString())
  })

  // 1026 bytes in pieces of 256
  test.each([
    ['0:*', [0, 1, 2, 3, 4]],
    ['512:*', [2, 3, 4]],
    ['512:1023', [2, 3]],
    ['512:-256', [2, 3]],
    ['-5:*', [3, 4]],
    ['-9999:*', [0, 1, 2, 3, 4]],
    ['-9999:-3', [0, 1, 2, 3]],
    ['0:0', [0]],
    ['1000:5000', [3, 4]],
    ['700:100', []]
  ])('has the blocks for entity-bytes=%s alone', async (bytes, expected) => {
    const all = await pieces('dir/subdir/multiblock.txt')
    const { cids } = await blocksOf(`/ipfs/{dir/subdir/multiblock.txt}?format=car&entity-bytes=${bytes}`)
    expect(cids).toEqual([...named('dir/subdir/multiblock.txt'), ...expected.map(i => all[i])])
  })

  test('needs no block outside of entity-bytes', async () => {
    expect((await blocksOf('/ipfs/{holes}?format=car&entity-bytes=0:30')).cids).toEqual(named('holes', 'holes/0'))
    expect((await blocksOf('/ipfs/{holes}?format=car&entity-bytes=331:*')).cids).toEqual(named('holes', 'holes/2'))
  })

  test('ignores entity-bytes of a directory', async () => {
    expect((await blocksOf('/ipfs/{dir}?format=car&entity-bytes=0:1')).cids).toEqual(named('dir'))
  })

  test('has duplicates when asked, once each otherwise', async () => {
    const twice = await blocksOf('/ipfs/{dup}', { accept: 'application/vnd.ipld.car; version=1; order=dfs; dups=y' })
    const once = await blocksOf('/ipfs/{dup}', { accept: 'application/vnd.ipld.car; version=1; order=dfs; dups=n' })
    expect(twice.type).toBe('application/vnd.ipld.car; version=1; order=dfs; dups=y')
    expect(once.type).toBe(CAR)
    expect(twice.cids.filter(c => c === fixtures.cid('dup/a.txt').toString())).toHaveLength(2)
    expect(once.cids).toEqual([...new Set(twice.cids)])
  })

  test('takes parameters of the URL before those of the header', async () => {
    const car = await blocksOf('/ipfs/{dup}?format=car&car-dups=y&car-order=dfs', {
      accept: 'application/vnd.ipld.car; order=unk; dups=n'
    })
    expect(car.type).toBe('application/vnd.ipld.car; version=1; order=dfs; dups=y')
  })

  test('never has the block of an identity CID', async () => {
    expect((await blocksOf('/ipfs/bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa?format=car&car-dups=y')).cids).toEqual(
      []
    )
    expect((await blocksOf('/ipfs/bafkqaaa?format=car')).cids).toEqual([])
  })

  test('breaks off when a block is missing on the way', async () => {
    const reply = await ask(fixtures, '/ipfs/{holes}?format=car')
    expect(reply).toMatchObject({ status: 200, broken: true })
  })

  test('has another etag for another scope, range or duplicates', async () => {
    const etags = await Promise.all(
      ['', '&dag-scope=block', '&entity-bytes=0:5', '&entity-bytes=0:6', '&car-dups=y'].map(
        async query => (await ask(fixtures, `/ipfs/{dir}/ascii.txt?format=car${query}`)).headers.etag
      )
    )
    expect(new Set(etags).size).toBe(etags.length)
    expect((await ask(fixtures, '/ipfs/{dir}/ascii.txt?format=car', { 'if-none-match': etags[0] ?? '' })).status).toBe(
      304
    )
  })
})
