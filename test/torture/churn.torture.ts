import { expect, test } from 'vitest'
import { sealRecord } from '../../src/publish/record.ts'
import { rawCid } from '../../src/codec.ts'
import { figure, p95, sizeOf } from '../helpers/effort.ts'
import { whenState } from '../helpers/node-conditions.ts'
import { testKey } from '../helpers/signed-swarm.ts'
import { waitFor } from '../helpers/test-network.ts'
import { pictures, startNode } from '../helpers/test-node.ts'

const JOINS = sizeOf('COOPT_JOINS', 6)
const RECORDS = 200
const AUTHORS = 20
const CATCH_UP_MS = 10_000
/** Sockets that are closing and timers of a moment ago. */
const HANDLES = 4

/** Handles of this process that keep it alive: sockets, servers, timers, children. */
const handles = (): number => process.getActiveResourcesInfo().length

test(`${JOINS} members join and leave, half of them without a word, and nothing of them stays`, async () => {
  const publisher = await startNode()
  const stable = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(40), { partitions: 2, shared: 16, dimension: 16 })
  const membership = publisher.membership(manifest)
  for (let i = 0; i < RECORDS; i++) {
    const { key, sign } = testKey(300 + (i % AUTHORS))
    const name = rawCid(Uint8Array.of(i, 1))
    const body = {
      v: 1,
      swarm: membership.swarm.id,
      author: key,
      seq: Math.floor(i / AUTHORS),
      type: 'result',
      partition: i % 2,
      score: name,
      raw: name,
      present: 1
    } as const
    membership.state.receive((await sealRecord(body, sign)).bytes)
  }
  const known = membership.state.set.size
  expect(known).toBe(RECORDS)
  await stable.node.status(invite)

  const times: number[] = []
  let before: { handles: number; connections: number } | undefined
  const connections = (): number => publisher.network.libp2p.getConnections().length
  for (let join = 0; join < JOINS; join++) {
    const late = await startNode()
    const startedAt = performance.now()
    await late.node.status(invite)
    const joined = late.membership(manifest)
    await whenState(joined, () => joined.state.set.size === known)
    times.push(performance.now() - startedAt)
    if (join % 2 === 1) for (const c of late.network.libp2p.getConnections()) c.abort(new Error('killed'))
    await late.node.close()
    const { libp2p } = publisher.network
    await waitFor(libp2p, 'peer:disconnect', () => libp2p.getPeers().every(peer => peer.toString() !== late.peer))
    // what is made once and kept is there after the first two
    if (join === 1) before = { handles: handles(), connections: connections() }
  }
  const after = { handles: handles(), connections: connections() }
  figure('joins', JOINS)
  figure('catching up p95, s', p95(times) / 1000)
  figure('handles before and after', `${before?.handles} and ${after.handles}`)
  expect(p95(times)).toBeLessThan(CATCH_UP_MS)
  expect(after.connections).toBe(before?.connections)
  expect(after.handles).toBeLessThanOrEqual((before?.handles ?? 0) + HANDLES)
})
