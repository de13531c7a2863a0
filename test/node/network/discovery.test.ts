import { expect, onTestFinished, test } from 'vitest'
import { createDiscovery, type Discovery, type DiscoveryInit } from '../../../node/network/discovery.ts'
import { testSwarm } from '../../helpers/signed-swarm.ts'
import { testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const swarm = await testSwarm()

async function member(addresses: string[], init: DiscoveryInit = {}): Promise<TestNode & { discovery: Discovery }> {
  const node = await testNode()
  const discovery = createDiscovery({ libp2p: node.libp2p, swarm: swarm.id }, { addresses, intervalMs: 1000, ...init })
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
