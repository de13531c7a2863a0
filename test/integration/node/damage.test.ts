import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { peerIdOf } from '../../../src/peer-key.ts'
import { blockPath, split, whenState } from '../../helpers/node-conditions.ts'
import {
  bundledPrior,
  closeShared,
  dial,
  openNode,
  PARTITIONS,
  pictures,
  shared,
  startNode,
  type TestNode
} from '../../helpers/test-node.ts'

/** A finished swarm: the publisher holds everything, the participant's home is what gets damaged. */
let publisher: TestNode
let participant: TestNode
let invite: string
let manifest: string
let mergedCid: string
const { signal } = new AbortController()

beforeAll(async () => {
  publisher = await shared(async () => await startNode())
  participant = await shared(async () => await startNode())
  const published = await publisher.publish(await shared(pictures))
  ;({ invite, manifest } = published)
  mergedCid = (await participant.join(invite, bundledPrior('superclass2'))).mergedCid as string
})
afterAll(closeShared)

/** Stop the participant, do something to its home, and start it again without connections. */
async function damaged(change: (home: string) => Promise<void>): Promise<void> {
  await participant.node.close()
  await change(participant.home)
  participant = await shared(async () => await openNode(participant.home))
}

const logPath = (home: string): string => join(home, 'swarms', manifest, 'records.log')
const keys = (node: TestNode): string[] =>
  node
    .membership(manifest)
    .state.set.records()
    .map(r => r.key)

function someShard(): { cid: CID; bytes: number } {
  const choice = publisher.membership(manifest).state.view().chosen.get(1)
  if (choice === undefined) throw new Error('partition 1 is not finished')
  return { cid: choice.alignment.body.shard, bytes: choice.alignment.body.bytes }
}

test('a flipped byte is never served or used, and the block is fetched again', async () => {
  const { cid, bytes } = someShard()
  const { content } = participant.runtime
  const tree = await content.leaves(cid, bytes, { signal })
  const last = tree.leaves.at(-1)?.cid as CID
  const good = await content.block(last, { signal })
  expect(await content.holds(cid)).toBe(true)
  const stranger = await startNode({ timing: { blockMs: 1500, blockAttempts: 1 } })
  const heal = split([publisher], [participant, stranger])
  const path = blockPath(participant.home, last)
  const flipped = good.map((b, i) => (i === 100 ? b ^ 1 : b))
  await writeFile(path, flipped)

  // another node that knows only the damaged one does not get the bytes
  await dial(stranger, participant)
  const asked = stranger.runtime.content.block(last, { signal })
  await expect(asked).rejects.toMatchObject({ name: 'ContentUnavailableError' })
  expect(await stranger.runtime.content.has(last)).toBe(false)
  expect(await participant.runtime.content.holds(cid), 'it says so when asked who holds the file').toBe(false)

  heal()
  await dial(participant, publisher)
  expect(Buffer.compare(await content.block(last, { signal }), good)).toBe(0)
  expect(Buffer.compare(await readFile(path), good)).toBe(0)
  expect(await content.holds(cid)).toBe(true)
})

test('a deleted block is fetched again', async () => {
  const { cid, bytes } = someShard()
  const path = blockPath(participant.home, cid)
  await rm(path)
  await dial(participant, publisher)
  await participant.runtime.content.fetch(cid, bytes, { signal })
  expect((await stat(path)).isFile()).toBe(true)
})

test.each([
  ['cut in the middle of a record', async (path: string) => await truncate(path, (await stat(path)).size - 37)],
  ['cut to nothing', async (path: string) => await truncate(path, 0)],
  [
    'garbled in the middle',
    async (path: string) => {
      const bytes = await readFile(path)
      bytes.fill(0xa5, 700, 1000)
      await writeFile(path, bytes)
    }
  ]
])('a record log that was %s is reported, kept as far as it is whole, and healed by sync', async (_, change) => {
  const before = keys(publisher)
  await damaged(async home => await change(logPath(home)))
  expect(keys(participant).length).toBeLessThan(before.length)
  const all = whenState(participant.membership(manifest), () => keys(participant).length === before.length)
  await dial(participant, publisher)
  await all
  expect(keys(participant)).toEqual(before)
  expect((await participant.node.merge(invite, {})).mergedCid).toBe(mergedCid)
  // and what was learnt is on disk again
  await damaged(async () => {})
  expect(keys(participant)).toEqual(before)
})

test('a node that lost its own newest records does not use their sequence numbers again', async () => {
  const seqs = (node: TestNode): number[] =>
    node
      .membership(manifest)
      .state.set.records()
      .filter(r => peerIdOf(r.body.author) === participant.peer)
      .map(r => r.body.seq)
      .sort((x, y) => x - y)
  const highest = seqs(publisher).at(-1) as number
  await damaged(async home => await truncate(logPath(home), 0))
  expect(seqs(participant)).toEqual([])
  const alignment = publisher.membership(manifest).state.view().chosen.get(0)?.alignment.body
  if (alignment === undefined) throw new Error('partition 0 is not finished')
  const { v: _v, swarm: _swarm, author: _author, seq: _seq, ...draft } = alignment
  const record = await participant.membership(manifest).state.publish(draft)
  expect(record.body.seq).toBeGreaterThan(highest)
  const known = whenState(publisher.membership(manifest), () => seqs(publisher).at(-1) === record.body.seq)
  await dial(participant, publisher)
  await known
  expect(publisher.membership(manifest).state.set.equivocators().size).toBe(0)
  expect(new Set(seqs(publisher)).size).toBe(seqs(publisher).length)
  expect(publisher.membership(manifest).state.view().chosen.size).toBe(PARTITIONS)
})

test('a damaged key or configuration refuses to start, and says what to do', async () => {
  const victim = await startNode()
  await victim.node.close()
  const path = join(victim.home, 'identity.key')
  const key = await readFile(path)
  const starts = async (): Promise<void> => {
    const { node } = await openNode(victim.home)
    await node.close()
  }
  for (const bad of [key.subarray(0, 5), key.map((b, i) => (i === 20 ? b ^ 1 : b)), new Uint8Array(0)]) {
    await writeFile(path, bad)
    await expect(starts()).rejects.toMatchObject({
      name: 'DamagedStoreError',
      message: expect.stringMatching(/identity\.key.*backup/) as string
    })
  }
  await rm(path)
  await expect(starts()).rejects.toMatchObject({ name: 'DamagedStoreError' })
  await writeFile(path, key, { mode: 0o600 })
  await starts() // and the lock was given back every time
})
