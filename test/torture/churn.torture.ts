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

/** Handles of this process that keep it alive, by kind: sockets, servers, timers, children. */
type Handles = Readonly<Record<string, number>>

function handles(): Handles {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Of each kind the fewest that there were: what is looked for, dialed or waited for right now is not there all the time, what leaks is. */
function fewest(list: readonly Handles[]): Handles {
  const kinds = new Set(list.flatMap(Object.keys))
  return Object.fromEntries([...kinds].map(kind => [kind, Math.min(...list.map(counts => counts[kind] ?? 0))]))
}

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
  const left: Handles[] = []
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
    left.push(handles())
    expect(connections(), `after ${join + 1} joins`).toBe(1)
  }
  const third = Math.ceil(JOINS / 3)
  const [first, last] = [fewest(left.slice(0, third)), fewest(left.slice(-third))]
  const total = (counts: Handles): number => Object.values(counts).reduce((sum, n) => sum + n, 0)
  figure('joins', JOINS)
  figure('catching up p95, s', p95(times) / 1000)
  figure('handles that last, first third and last', `${total(first)} and ${total(last)}`)
  expect(p95(times)).toBeLessThan(CATCH_UP_MS)
  // one for each join would be two thirds of the joins more
  for (const [kind, count] of Object.entries(last)) expect(count, kind).toBeLessThanOrEqual((first[kind] ?? 0) + third)
})
