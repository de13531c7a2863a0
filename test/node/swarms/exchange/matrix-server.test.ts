import { MemoryBlockstore } from 'blockstore-core'
import type { CID } from 'multiformats/cid'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Content } from '../../../../node/content/content.ts'
import { createMatrixServer, type ReadMatrix } from '../../../../node/swarms/exchange/matrix-server.ts'
import type { Election } from '../../../../src/align/candidate.ts'
import type { Swarm } from '../../../../src/distribute/manifest.ts'
import { importBytes } from '../../../../src/distribute/unixfs-import.ts'
import { createRecordSet, type RecordSet } from '../../../../src/merge/record-set.ts'
import { memoryContent } from '../../../helpers/memory-content.ts'
import { makeScore, makeSwarm, testPeer } from '../../../helpers/swarm-factory.ts'

const ROWS = 1024
const DIMENSION = 400
const LENGTH = ROWS * DIMENSION * 4
const shared = (swarm: Swarm['manifest']['shared']): Swarm['manifest']['shared'] => ({ ...swarm, rows: ROWS })

let swarm: Swarm
let blocks: MemoryBlockstore
let asked: CID[]
let content: Content
let set: RecordSet
let read: ReadMatrix
let election: Election
const signal = new AbortController().signal

beforeEach(async () => {
  const small = (await makeSwarm()).manifest
  const features = { ...small.referenceFeatures, bytes: ROWS * 8 * 4, dagBytes: ROWS * 8 * 4 }
  swarm = await makeSwarm({ shared: shared(small.shared), dimension: DIMENSION, referenceFeatures: features })
  blocks = new MemoryBlockstore()
  asked = []
  const get = blocks.get.bind(blocks)
  blocks.get = (cid, options) => {
    asked.push(cid)
    return get(cid, options)
  }
  content = memoryContent(blocks)
  set = createRecordSet()
  election = { ranking: [] }
  read = createMatrixServer({ content, swarms: () => [{ swarm, state: { set, view: () => ({ election }) } }] })
})

/** A file of this length, and a score that names it as its targets. */
const cited = async (length: number, seq = 0): Promise<{ cid: CID; data: Uint8Array }> => {
  const data = Uint8Array.from({ length }, (_, i) => (i * 7 + seq) % 251)
  const { cid } = await importBytes([data], content.put)
  set.insert(await makeScore(swarm, testPeer('alice'), seq, { targets: cid }))
  return { cid, data }
}

describe('a matrix server', () => {
  test('serves a computed reference, which no score names, while it is the present one', async () => {
    const data = Uint8Array.from({ length: LENGTH }, (_, i) => i % 241)
    const { cid } = await importBytes([data], content.put)
    expect(await read(cid, { signal })).toBeUndefined()
    election = { ranking: [], reference: { cid, provenance: { policy: 'consensus', from: [] } } }
    const found = await read(cid, { signal })
    expect(await found?.slice(0, LENGTH, { signal })).toEqual(data)
    const short = (await importBytes([data.subarray(4)], content.put)).cid
    election = { ranking: [], reference: { cid: short, provenance: { policy: 'consensus', from: [] } } }
    expect(await read(short, { signal })).toBeUndefined()
  })

  test('reads what is asked for, leaf by leaf', async () => {
    const { cid, data } = await cited(LENGTH)
    const found = await read(cid, { signal })
    expect(found?.bytes).toBe(LENGTH)
    asked.length = 0
    expect(await found?.slice(10, 20, { signal })).toEqual(data.subarray(10, 20))
    expect(asked).toHaveLength(1)
    expect(await found?.slice(2 ** 20 - 5, 2 ** 20 + 5, { signal })).toEqual(data.subarray(2 ** 20 - 5, 2 ** 20 + 5))
    expect(asked).toHaveLength(2)
  })

  test('has nothing that no score names', async () => {
    const { cid } = await importBytes([new Uint8Array(LENGTH)], content.put)
    expect(await read(cid, { signal })).toBeUndefined()
    expect(asked).toEqual([])
  })

  test.each([LENGTH - 4, LENGTH + 4, 40 * 2 ** 20])(
    'does not serve a cited file of %i bytes: it is no matrix',
    async length => {
      const { cid } = await cited(length)
      expect(await read(cid, { signal })).toBeUndefined()
      expect(asked.length, 'no leaf is read').toBe(1)
    }
  )

  test('serves only what is here completely', async () => {
    const { cid } = await cited(LENGTH)
    const leaf = (await content.tree(cid, LENGTH))?.leaves[1]?.cid as CID
    await blocks.delete(leaf)
    expect(await read(cid, { signal })).toBeUndefined()
  })
})

test('who asks for many files at once has them looked up a few at a time', async () => {
  const files = await Promise.all(Array.from({ length: 30 }, async (_, seq) => await cited(1000 + seq, seq)))
  let open = 0
  let most = 0
  const get = blocks.get.bind(blocks)
  blocks.get = async function* (cid, options) {
    most = Math.max(most, ++open)
    await new Promise(resolve => setImmediate(resolve))
    yield* get(cid, options)
    open--
  }
  const absent = (await importBytes([Uint8Array.of(1)], async () => {})).cid
  expect(await content.holdsEach([...files.map(f => f.cid), absent])).toEqual([...files.map(() => true), false])
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(8)
})
