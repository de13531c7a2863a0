import { RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi, type Mock } from 'vitest'
import { isRelayed } from '../../../node/network/address-scope.ts'
import { withRelayQuota } from '../../../node/network/relay-quota.ts'
import { rawCid } from '../../../src/codec.ts'
import { connect, testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const relayed = (node: TestNode): Multiaddr[] => {
  const all = node.libp2p.services.own.list().map(({ address }) => address)
  return all.filter(isRelayed)
}
const isReservedAt = (node: TestNode, relay: TestNode): boolean =>
  relayed(node).some(address => address.toString().includes(`/p2p/${relay.libp2p.peerId}/p2p-circuit`))

/** Listens nowhere: whoever connects to it does so through a relay. */
const hidden = async (): Promise<TestNode> => await testNode({ unreachable: true, listen: [] })

async function reserved(node: TestNode, ...relays: TestNode[]): Promise<void> {
  for (const relay of relays) await connect(node, relay)
  await node.libp2p.services.reservations.look()
  await waitFor(node.libp2p, 'self:peer:update', () => relays.every(relay => isReservedAt(node, relay)))
}

async function blockOf(node: TestNode, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of node.helia.blockstore.get(rawCid(bytes), { signal })) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

test('a node that nobody can reach reserves at two members, and at another when one is gone', async () => {
  const [first, second, third] = [await testNode(), await testNode(), await testNode()]
  const node = await hidden()
  await reserved(node, first, second)
  await connect(node, third)
  expect(await node.libp2p.services.reservations.look()).toBe(2)
  expect(isReservedAt(node, third)).toBe(false)

  const lost = new Promise(resolve => {
    node.libp2p.addEventListener('peer:disconnect', resolve, { once: true })
  })
  await first.stop()
  await lost
  await node.libp2p.services.reservations.look()
  await waitFor(node.libp2p, 'self:peer:update', () => isReservedAt(node, third))
  expect(isReservedAt(node, first)).toBe(false)
  expect(node.libp2p.services.reach.reach()).toBe('relayed')
})

test('a reservation is made anew at a relay that restarted', async () => {
  const relay = await testNode()
  const node = await hidden()
  await reserved(node, relay)
  const lost = new Promise(resolve => {
    node.libp2p.addEventListener('peer:disconnect', resolve, { once: true })
  })
  await relay.stop()
  await lost
  expect(relayed(node)).toEqual([])
  await reserved(node, await testNode({}, relay.key))
})

test('two nodes that nobody can reach exchange blocks through a third, on a connection that all protocols may use', async () => {
  const relay = await testNode()
  const [a, b] = [await hidden(), await hidden()]
  await reserved(a, relay)
  await connect(b, relay)
  const connection = await b.libp2p.dial(relayed(a))
  expect(connection).toMatchObject({ direct: false, limits: undefined })
  const bytes = new Uint8Array(1024 * 1024).fill(5)
  await a.helia.blockstore.put(rawCid(bytes), bytes)
  expect(await blockOf(b, bytes, new AbortController().signal)).toEqual(bytes)
})

test('a node that nobody can reach dials back who reached it through a relay and can be dialed', async () => {
  const relay = await testNode()
  const node = await hidden()
  await reserved(node, relay)
  const visitor = await testNode()
  await connect(visitor, relay)
  expect(await visitor.libp2p.dial(relayed(node))).toMatchObject({ direct: false })
  const isDirect = (): boolean =>
    visitor.libp2p.getConnections(node.libp2p.peerId).some(({ direct, direction }) => direct && direction === 'inbound')
  await waitFor(visitor.libp2p, 'connection:open', isDirect)
  const stream = await visitor.libp2p.dialProtocol(node.libp2p.peerId, '/ipfs/ping/1.0.0')
  const [carrier] = visitor.libp2p.getConnections(node.libp2p.peerId).filter(({ streams }) => streams.includes(stream))
  expect(carrier).toMatchObject({ direct: true })
})

test('a relay ends a connection that is over its bytes, and carries on for others', async () => {
  const relay = await testNode({ limits: { relayMaxBytes: 300_000 } })
  const [a, b, c] = [await hidden(), await hidden(), await hidden()]
  await reserved(a, relay)
  await reserved(c, relay)
  await connect(b, relay)
  const connection = await b.libp2p.dial(relayed(a))
  const ended = waitFor(b.libp2p, 'connection:close', () => connection.status !== 'open')
  const bytes = new Uint8Array(1024 * 1024).fill(6)
  await a.helia.blockstore.put(rawCid(bytes), bytes)
  const fetching = blockOf(b, bytes, AbortSignal.timeout(20_000)).catch((error: unknown) => error)
  await ended
  expect(await b.libp2p.dial(relayed(c))).toMatchObject({ status: 'open', direct: false })
  await b.stop()
  expect(await fetching).toBeInstanceOf(Error)
})

test('a relay ends a connection that is over its time, and no other', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const stream = (protocol: string): Stream & { abort: Mock } =>
      Object.assign(new EventTarget(), { protocol, abort: vi.fn(), send: () => true, onData: () => {} }) as never
    const [carried, ended, other] = [stream(RELAY_V2_STOP_CODEC), stream(RELAY_V2_STOP_CODEC), stream('/other')]
    const opened = [carried, ended, other]
    const connection = { remotePeer: 'peer', newStream: async () => opened.shift() }
    const { connectionManager } = withRelayQuota(
      { connectionManager: { getConnections: () => [connection] } } as never,
      { bytesPerHour: 1000, connectionMs: 5000 }
    )
    for (let i = 0; i < 3; i++) await connectionManager.getConnections()[0]?.newStream('any')
    ended.dispatchEvent(new Event('close'))
    vi.advanceTimersByTime(4999)
    expect(carried.abort).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect([carried, ended, other].map(one => one.abort.mock.calls.length)).toEqual([1, 0, 0])
  } finally {
    vi.useRealTimers()
  }
})

test('a node that does not relay is asked once', async () => {
  const unwilling = await testNode({ relay: false })
  const node = await hidden()
  await connect(node, unwilling)
  expect(await node.libp2p.services.reservations.look()).toBe(0)
  expect(await node.libp2p.services.reservations.look()).toBe(0)
  expect(relayed(node)).toEqual([])
})
