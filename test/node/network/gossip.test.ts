import { expect, test } from 'vitest'
import { createGossip, type Gossip, type GossipInit } from '../../../protocols/gossip/gossip.ts'
import { testIntake, type TestIntake } from '../../helpers/test-intake.ts'
import { testLease, testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { connect, testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()

interface Gossiper extends TestNode, TestIntake {
  gossip: Gossip
}

async function gossiper(of = swarm, init: GossipInit = {}): Promise<Gossiper> {
  const node = await testNode()
  const intake = testIntake(of)
  const gossip = createGossip(
    { pubsub: node.libp2p.services.pubsub, swarm: of, receive: intake.receive, verify, logger: node.libp2p.logger },
    { ...init, onFault: (peer, reason) => node.conduct.fault(peer, reason) }
  )
  await gossip.start()
  return { ...node, ...intake, gossip }
}

/** Wait until `a` knows that `b` listens to the topic. */
async function subscribed(a: Gossiper, b: Gossiper): Promise<void> {
  await waitFor(a.libp2p.services.pubsub, 'subscription-change', () =>
    a.libp2p.services.pubsub.getSubscribers(a.gossip.topic).some(p => p.equals(b.libp2p.peerId))
  )
}

async function mesh(...nodes: Gossiper[]): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    const next = nodes[i + 1]
    if (next === undefined) continue
    await connect(node, next)
    await Promise.all([subscribed(node, next), subscribed(next, node)])
  }
}

test('brings records and leases to peers that are not neighbours of the author', async () => {
  const [a, b, c] = [await gossiper(), await gossiper(), await gossiper()]
  await mesh(a, b, c)
  const record = await testRecord(swarm, a.key, 0)
  const lease = await testLease(swarm, a.key, { counter: 3 })
  const gotLease = Promise.withResolvers<number>()
  c.gossip.addEventListener('lease', ({ detail }) => gotLease.resolve(detail.counter))
  expect(await a.gossip.publishRecord(record)).toBe(1)
  await a.gossip.publishLease(lease)
  await waitFor(c.events, 'record', () => c.records.has(record.key))
  expect(await gotLease.promise).toBe(3)
  expect(b.records.has(record.key)).toBe(true)
  // handed to nobody else: publishing again is no error
  await expect(a.gossip.publishRecord(record)).resolves.toBe(0)
})

test('publishing without peers is no error', async () => {
  const a = await gossiper()
  expect(await a.gossip.publishRecord(await testRecord(swarm, a.key, 0))).toBe(0)
})

test('passes on two records of one number, which prove the fork, and no third', async () => {
  const [evil, b, c] = [await gossiper(), await gossiper(), await gossiper()]
  await mesh(evil, b, c)
  const refused: string[] = []
  b.gossip.addEventListener('refused', ({ detail }) => refused.push(detail.reason))
  const forks = await Promise.all([0, 1, 2, 3].map(async variant => await testRecord(swarm, evil.key, 0, variant)))
  const last = await testRecord(swarm, evil.key, 1)
  for (const record of [...forks, last]) await evil.gossip.publishRecord(record)
  await waitFor(c.events, 'record', () => c.records.has(last.key))
  expect(c.records.size).toBe(3)
  expect(c.records.equivocators()).toEqual(new Set([evil.libp2p.peerId.toString()]))
  expect(refused.map(reason => ['superseded', 'replaced'].includes(reason))).toEqual([true, true])
  expect(b.conduct.isDenied(evil.libp2p.peerId.toString())).toBe(false)
})

test('forgets the counter of a lease when the lease has run out', async () => {
  let time = 0
  const [a, b] = [await gossiper(), await gossiper(swarm, { leaseMs: 1000, now: () => time })]
  await mesh(a, b)
  const counters: number[] = []
  const told = new EventTarget()
  const heard = async (counter: number): Promise<void> => {
    const next = Promise.withResolvers<void>()
    told.addEventListener('any', () => next.resolve(), { once: true })
    await a.gossip.publishLease(await testLease(swarm, a.key, { counter }))
    await next.promise
  }
  b.gossip.addEventListener('lease', ({ detail }) => {
    counters.push(detail.counter)
    told.dispatchEvent(new Event('any'))
  })
  b.gossip.addEventListener('refused', ({ detail }) => {
    expect(detail.reason).toBe('stale')
    told.dispatchEvent(new Event('any'))
  })
  await heard(5)
  time = 999
  await heard(3)
  expect(counters).toEqual([5])
  time = 1000
  await heard(2)
  expect(counters).toEqual([5, 2])
})

test('does not pass on what it rejects, and denies the sender after a few', async () => {
  const [evil, b, c] = [await gossiper(), await gossiper(), await gossiper()]
  await mesh(evil, b, c)
  const refused: string[] = []
  b.gossip.addEventListener('refused', ({ detail }) => refused.push(detail.reason))
  const denied = new Promise<string>(resolve =>
    b.conduct.addEventListener('denied', ({ detail }) => resolve(detail.peer.toString()), { once: true })
  )
  const { pubsub } = evil.libp2p.services
  for (let i = 0; i < 20; i++) {
    const forged = Uint8Array.from((await testRecord(swarm, evil.key, i)).bytes)
    forged[forged.byteLength - 1] = (forged.at(-1) as number) ^ 1
    await pubsub.publish(evil.gossip.topic, Uint8Array.of(1, ...forged))
  }
  expect(await denied).toBe(evil.libp2p.peerId.toString())
  await waitFor(b.libp2p, 'peer:disconnect', () => b.libp2p.getConnections(evil.libp2p.peerId).length === 0)
  expect(new Set(refused)).toEqual(new Set(['bad-signature']))
  expect([b.records.size, c.records.size]).toEqual([0, 0])
  // c is still fine with b, and evil cannot come back
  expect(b.libp2p.getConnections(c.libp2p.peerId)).toHaveLength(1)
  await expect(b.libp2p.dial(evil.libp2p.peerId)).rejects.toBeInstanceOf(Error)
  const record = await testRecord(swarm, c.key, 0)
  await c.gossip.publishRecord(record)
  await waitFor(b.events, 'record', () => b.records.has(record.key))
})

test('swarms do not mix', async () => {
  const other = await testSwarm({ name: 'other' })
  const [a, b] = [await gossiper(), await gossiper(other)]
  await connect(a, b)
  expect(a.gossip.topic).not.toBe(b.gossip.topic)
  expect(await a.gossip.publishRecord(await testRecord(swarm, a.key, 0))).toBe(0)
  expect(b.records.size).toBe(0)
})

test('starts and stops twice', async () => {
  const a = await gossiper()
  await a.gossip.start()
  await a.gossip.stop()
  await a.gossip.stop()
  expect(a.libp2p.services.pubsub.getTopics()).toEqual([])
  await a.gossip.start()
  expect(a.libp2p.services.pubsub.getTopics()).toEqual([a.gossip.topic])
})
