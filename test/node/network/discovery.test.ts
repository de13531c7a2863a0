import type { Libp2p, PeerId } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createDiscovery, type Discovery, type DiscoveryInit } from '../../../node/network/discovery.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { testKey, testSwarm } from '../../helpers/signed-swarm.ts'
import { testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()

async function member(addresses: string[], init: DiscoveryInit = {}): Promise<TestNode & { discovery: Discovery }> {
  const node = await testNode()
  const members = (): PeerId[] => node.libp2p.getPeers()
  const discovery = createDiscovery(
    { libp2p: node.libp2p, swarm: swarm.id, members },
    { addresses, intervalMs: 1000, ...init }
  )
  onTestFinished(async () => await discovery.stop())
  await discovery.start()
  return { ...node, discovery }
}

const addressesOf = (node: TestNode): string[] => node.libp2p.getMultiaddrs().map(String)
const connected = async (a: TestNode, b: TestNode): Promise<void> =>
  await waitFor(a.libp2p, 'peer:connect', () => a.libp2p.getConnections(b.libp2p.peerId).length > 0)

test('members that know only the publisher find each other, and stay together when it is gone', async () => {
  const publisher = await member([])
  const saved: string[][] = []
  const a = await member(addressesOf(publisher), { onAddresses: list => saved.push(list) })
  const b = await member(addressesOf(publisher))
  await connected(a, b)
  await publisher.discovery.stop()
  await publisher.stop()
  expect(a.libp2p.getConnections(b.libp2p.peerId).length).toBeGreaterThan(0)

  // who joins now finds everybody through any member
  const c = await member(addressesOf(b))
  await connected(c, a)

  // and a keeps addresses at which it can find the others without the publisher
  await a.discovery.round()
  const kept = saved.at(-1) ?? []
  expect(kept.some(address => address.endsWith(b.libp2p.peerId.toString()))).toBe(true)
})

test('a restarted node finds the swarm by the addresses it kept, the publisher being dead', async () => {
  const survivor = await member([])
  const dead = `/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN`
  const back = await member([dead, ...addressesOf(survivor)])
  await connected(back, survivor)
  expect(back.libp2p.getPeers().map(String)).toEqual([survivor.libp2p.peerId.toString()])
})

test('ignores addresses that are none', async () => {
  const a = await member([])
  const b = await member(['', 'no address', '/ip4/127.0.0.1/tcp/1', '/dns4/x', ...addressesOf(a)])
  await connected(b, a)
  expect(b.libp2p.getPeers().map(String)).toEqual([a.libp2p.peerId.toString()])
})

test('stops in the middle of a round', async () => {
  const a = await member(['/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'])
  const round = a.discovery.round()
  await a.discovery.stop()
  await expect(round).resolves.toBeUndefined()
  await a.discovery.stop()
})

/** What discovery needs of a stack that is connected to `connected` and whose DHT knows nobody; counts the questions to it. */
function stackWith(connected: readonly PeerId[]): { libp2p: Libp2p; events: EventTarget; asked: () => number } {
  let asked = 0
  const events = new EventTarget()
  const stack = {
    peerId: peerIdFromString(peerIdOf(testKey(7000).key)),
    logger: defaultLogger(),
    getPeers: () => connected,
    getConnections: () => [],
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    contentRouting: {
      provide: async () => {},
      findProviders: async function* () {
        asked++
        yield* []
      }
    }
  }
  return { libp2p: stack as unknown as Libp2p, events, asked: () => asked }
}

const strangers = Array.from({ length: 20 }, (_, i) => peerIdFromString(peerIdOf(testKey(7001 + i).key)))

test('connections that end all the time do not put off the next round', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    const { libp2p, events, asked } = stackWith(strangers)
    const discovery = createDiscovery({ libp2p, swarm: swarm.id, members: () => [] }, { random: () => 0.5 })
    await discovery.start()
    for (let i = 0; i < 100; i++) {
      await vi.advanceTimersByTimeAsync(100)
      events.dispatchEvent(new Event('peer:disconnect'))
    }
    // at once, and then every 500 ms in 10 s
    expect(asked()).toBe(21)
    await discovery.stop()
  } finally {
    vi.useRealTimers()
  }
})

test('a lost connection brings a round forward that was far away', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    const { libp2p, events, asked } = stackWith(strangers)
    const discovery = createDiscovery({ libp2p, swarm: swarm.id, members: () => [] }, { random: () => 0.5 })
    await discovery.start()
    await vi.advanceTimersByTimeAsync(600_000)
    await discovery.round()
    const before = asked()
    events.dispatchEvent(new Event('peer:disconnect'))
    await vi.advanceTimersByTimeAsync(500)
    expect(asked()).toBe(before + 1)
    await discovery.stop()
  } finally {
    vi.useRealTimers()
  }
})

test('peers that are not members do not end the search, and enough members do', async () => {
  let members: PeerId[] = []
  const { libp2p, asked } = stackWith(strangers)
  const keepNothing = async (): Promise<{ addresses: [] }> => ({ addresses: [] })
  Object.assign(libp2p, { peerStore: { get: keepNothing } })
  const discovery = createDiscovery({ libp2p, swarm: swarm.id, members: () => members })
  await discovery.round()
  expect(asked()).toBe(1)
  members = strangers.slice(0, 16)
  await discovery.round()
  expect(asked()).toBe(1)
})
