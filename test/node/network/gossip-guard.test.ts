import type { Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { encodePrefix } from '../../../protocols/framing.ts'
import { createGossip } from '../../../protocols/gossip/gossip.ts'
import { testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { testIntake } from '../../helpers/test-intake.ts'
import { connect, testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()
const PROTOCOL = '/meshsub/1.2.0'

/** A raw gossip stream, as a dumb attacker opens it. */
async function rawStream(from: TestNode, to: TestNode): Promise<Stream> {
  await connect(from, to)
  return await from.libp2p.dialProtocol(to.libp2p.peerId, PROTOCOL)
}

function isConnected(a: TestNode, b: TestNode): boolean {
  return a.libp2p.getConnections(b.libp2p.peerId).length > 0
}

test('a flood of malformed frames ends the connection after six, while honest messages all arrive', async () => {
  const [victim, honest, attacker] = [await testNode(), await testNode(), await testNode()]
  const received = testIntake(swarm)
  const gossips = [victim, honest].map((node, i) =>
    createGossip({
      pubsub: node.libp2p.services.pubsub,
      swarm,
      receive: i === 0 ? received.receive : testIntake(swarm).receive,
      verify,
      logger: node.libp2p.logger
    })
  )
  for (const gossip of gossips) await gossip.start()
  await connect(honest, victim)
  const { pubsub } = honest.libp2p.services
  const { topic = '' } = gossips[1] ?? {}
  await waitFor(pubsub, 'subscription-change', () => pubsub.getSubscribers(topic).length === 1)

  const faults: string[] = []
  victim.conduct.addEventListener('denied', ({ detail }) => faults.push(detail.reason))
  const stream = await rawStream(attacker, victim)
  let sent = 0
  const flood = (async () => {
    const frame = new Uint8Array(200).fill(0xff)
    while (sent < 20_000 && stream.writeStatus === 'writable') {
      const more = stream.send(encodePrefix(frame.byteLength)) && stream.send(frame)
      sent++
      if (!more) await stream.onDrain().catch(() => {})
      else if (sent % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  })()
  const records = await Promise.all(Array.from({ length: 90 }, (_, i) => testRecord(swarm, honest.key, i)))
  for (const record of records) await gossips[1]?.publishRecord(record)
  await flood
  await waitFor(victim.libp2p, 'peer:disconnect', () => !isConnected(victim, attacker))
  await waitFor(received.events, 'record', () => received.records.size === 90)
  expect(faults).toEqual(['malformed-frame'])
  expect(sent).toBeLessThan(20_000)
  expect(isConnected(victim, honest)).toBe(true)
  await expect(
    attacker.libp2p.dial(victim.libp2p.getMultiaddrs()).then(async c => await c.newStream(PROTOCOL))
  ).rejects.toBeInstanceOf(Error)
})

test('an oversized frame ends the connection before its bytes have arrived', async () => {
  const [victim, attacker] = [await testNode(), await testNode()]
  const stream = await rawStream(attacker, victim)
  stream.send(encodePrefix(64 * 1024 + 1))
  await waitFor(victim.libp2p, 'peer:disconnect', () => !isConnected(victim, attacker))
  expect(victim.conduct.score(attacker.libp2p.peerId.toString())).toBeLessThan(0)
})

test('frames that list too much are malformed', async () => {
  const [victim, attacker] = [await testNode({ limits: { faultsPerMinute: 1 } }), await testNode()]
  const stream = await rawStream(attacker, victim)
  // 17 subscriptions, one more than allowed: field 1, length 2, { subscribe: true }
  const rpc = Uint8Array.from(Array.from({ length: 17 }, () => [0x0a, 0x02, 0x08, 0x01]).flat())
  for (let i = 0; i < 2; i++) {
    stream.send(encodePrefix(rpc.byteLength))
    stream.send(rpc)
  }
  await waitFor(victim.libp2p, 'peer:disconnect', () => !isConnected(victim, attacker))
  expect(victim.conduct.isDenied(attacker.libp2p.peerId.toString())).toBe(true)
})

test('a flood of well-formed frames ends the connection', async () => {
  const [victim, attacker] = [
    await testNode({ limits: { gossipBytesPerSecond: 1000, gossipBurstBytes: 100_000 } }),
    await testNode()
  ]
  const stream = await rawStream(attacker, victim)
  const empty = Uint8Array.of(0)
  for (let i = 0; i < 5000 && stream.writeStatus === 'writable'; i++) stream.send(empty)
  await waitFor(victim.libp2p, 'peer:disconnect', () => !isConnected(victim, attacker))
  expect(victim.conduct.score(attacker.libp2p.peerId.toString())).toBeLessThan(0)
})
