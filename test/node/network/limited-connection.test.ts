import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Connection } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { isRelayed } from '../../../node/network/address-scope.ts'
import { createGossip } from '../../../protocols/gossip/gossip.ts'
import { createReferenceClient } from '../../../protocols/reference/client.ts'
import { createReferenceServer } from '../../../protocols/reference/server.ts'
import { createSync, type Sync } from '../../../protocols/sync/sync.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import type { SignedRecord } from '../../../src/publish/record.ts'
import { testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { testIntake, type TestIntake } from '../../helpers/test-intake.ts'
import { testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()

/** A relay of somebody else, with the limits that circuit relay v2 has by default: 128 KiB and two minutes. */
async function foreignRelay(): Promise<Libp2p> {
  const relay = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), relay: circuitRelayServer() }
  })
  onTestFinished(async () => await relay.stop())
  return relay
}

interface Member extends TestNode, TestIntake {
  sync: Sync
}

/** Listens nowhere: whoever connects to it does so through a relay. */
async function hiddenMember(records: Iterable<SignedRecord> = []): Promise<Member> {
  const node = await testNode({ unreachable: true, listen: [] })
  const intake = testIntake(swarm, records)
  const sync = createSync({
    libp2p: node.libp2p,
    verify,
    member: id =>
      id.equals(swarm.id)
        ? { swarm, records: intake.records, receive: intake.receive, onMember: () => {}, holds: async () => [] }
        : undefined
  })
  await sync.start()
  return { ...node, ...intake, sync }
}

describe('two members that only a relay with limits connects', () => {
  let a: Member
  let b: Member
  let connection: Connection

  beforeEach(async () => {
    const relay = await foreignRelay()
    a = await hiddenMember()
    b = await hiddenMember(await Promise.all(Array.from({ length: 20 }, (_, i) => testRecord(swarm, a.key, i))))
    for (const one of [a, b]) await one.libp2p.dial(relay.getMultiaddrs())
    const addresses = () => a.libp2p.services.own.list().filter(({ address }) => isRelayed(address))
    await waitFor(a.libp2p, 'self:peer:update', async () => {
      await a.libp2p.services.reservations.look()
      return addresses().length > 0
    })
    connection = await b.libp2p.dial(addresses().map(({ address }) => address))
  })

  test('sync their records', async () => {
    expect(connection.limits).toBeDefined()
    expect(await b.sync.run(a.libp2p.peerId, swarm.id)).toMatchObject({ sent: 20 })
    expect(a.records.size).toBe(20)
  })

  test('fetch matrices from each other', async () => {
    const data = new Uint8Array(50_000).fill(7)
    const { cid } = await importBytes([data], async () => {})
    const read = async () => ({
      bytes: data.byteLength,
      slice: async (start: number, end: number) => data.subarray(start, end)
    })
    await createReferenceServer({ libp2p: a.libp2p, read }).start()
    const client = createReferenceClient({ libp2p: b.libp2p })
    const signal = AbortSignal.timeout(10_000)
    expect(await client.fetchMatrix([a.libp2p.peerId], cid, data.byteLength, { signal })).toEqual(data)
  })

  test('hear of new records by gossip', async () => {
    const [gossip] = await Promise.all(
      [b, a].map(async ({ libp2p, receive }) => {
        const one = createGossip({ pubsub: libp2p.services.pubsub, swarm, receive, verify, logger: libp2p.logger })
        await one.start()
        return one
      })
    )
    const { pubsub } = b.libp2p.services
    await waitFor(pubsub, 'subscription-change', () =>
      pubsub.getSubscribers(`${gossip?.topic}`).some(peer => peer.equals(a.libp2p.peerId))
    )
    const record = await testRecord(swarm, b.key, 0)
    await gossip?.publishRecord(record)
    await waitFor(a.events, 'record', () => a.records.has(record.key))
    expect(a.libp2p.getConnections(b.libp2p.peerId)).toMatchObject([{ direct: false }])
  })
})
