import { expect, test } from 'vitest'
import { createSync, type Sync } from '../../../protocols/sync/sync.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import { testIntake } from '../../helpers/test-intake.ts'
import { testKey, testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { connect, testNode, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()

async function member(list: Iterable<SignedRecord> = []): Promise<TestNode & { sync: Sync; records: RecordSet }> {
  const node = await testNode()
  const { records, receive } = testIntake(swarm, list)
  const onMember = (): void => {}
  const holds = async (cids: unknown[]): Promise<boolean[]> => cids.map(() => false)
  const sync = createSync(
    {
      libp2p: node.libp2p,
      verify,
      member: id => (id.equals(swarm.id) ? { swarm, records, receive, onMember, holds } : undefined)
    },
    { onFault: (peer, reason) => node.conduct.fault(peer, reason) }
  )
  await sync.start()
  return { ...node, sync, records }
}

test('a late joiner converges by sync alone: 2,000 records, gossip disabled', async () => {
  const authors = Array.from({ length: 20 }, (_, i) => testKey(500 + i))
  const all = await Promise.all(
    Array.from({ length: 2000 }, (_, i) => testRecord(swarm, authors[i % 20] ?? testKey(500), Math.floor(i / 20)))
  )
  const a = await member(all.slice(0, 1500))
  const b = await member(all.slice(1000))
  const late = await member()
  await connect(a, b)
  await connect(late, b)
  expect(await a.sync.run(b.libp2p.peerId, swarm.id)).toMatchObject({ sent: 1000, received: 500, added: 500 })
  expect(await late.sync.run(b.libp2p.peerId, swarm.id)).toMatchObject({ sent: 0, added: 2000 })
  const expected = createRecordSet(all)
    .records()
    .map(r => r.key)
  for (const node of [a, b, late]) expect(node.records.records().map(r => r.key)).toEqual(expected)
  expect(await late.sync.run(b.libp2p.peerId, swarm.id)).toMatchObject({ equal: true })
})

test('two members that sync with each other at the same time both end up with everything', async () => {
  const [x, y] = [testKey(600), testKey(601)]
  const a = await member(await Promise.all(Array.from({ length: 300 }, (_, i) => testRecord(swarm, x, i))))
  const b = await member(await Promise.all(Array.from({ length: 300 }, (_, i) => testRecord(swarm, y, i))))
  await connect(a, b)
  await Promise.all([a.sync.run(b.libp2p.peerId, swarm.id), b.sync.run(a.libp2p.peerId, swarm.id)])
  expect([a.records.size, b.records.size]).toEqual([600, 600])
})

test('stops serving when stopped', async () => {
  const [a, b] = [await member(), await member()]
  await connect(a, b)
  await a.sync.run(b.libp2p.peerId, swarm.id)
  await b.sync.stop()
  await b.sync.stop()
  await expect(a.sync.run(b.libp2p.peerId, swarm.id)).rejects.toMatchObject({ name: 'ContentUnavailableError' })
})
