import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { byUse, isUsableFrom, scopeOf } from '../../../node/network/address-scope.ts'
import { createOwnAddresses } from '../../../node/network/own-addresses.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'
import { connect, testNode, waitFor } from '../../helpers/test-network.ts'

const peer = peerIdFromString(testPeer(0).id)
const relay = testPeer(1).id

test.each([
  ['/ip4/127.0.0.1/tcp/1', 'loopback'],
  ['/ip6/::1/tcp/1', 'loopback'],
  ['/ip4/10.0.0.1/tcp/1', 'private'],
  ['/ip6/fd00::1/tcp/1', 'private'],
  ['/ip6/fe80::1/tcp/1', 'private'],
  ['/ip4/5.9.0.1/tcp/1', 'public'],
  ['/dns4/example.org/tcp/1', 'public'],
  [`/ip4/192.168.0.1/tcp/1/p2p/${relay}/p2p-circuit`, 'private'],
  ['/memory/a', 'public']
])('%s is %s', (text, scope) => {
  expect(scopeOf(multiaddr(text))).toBe(scope)
})

test('private addresses are for peers of private networks, loopback ones for the same machine', () => {
  const [local, lan, wan] = ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/5.9.0.1/tcp/1'].map(a => multiaddr(a))
  if (local === undefined || lan === undefined || wan === undefined) throw new Error('three addresses')
  const usable = [wan, lan, local].map(from => [wan, lan, local].map(address => isUsableFrom(address, from)))
  expect(usable).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true]
  ])
})

test('own addresses say whether they are verified, those of most use first', () => {
  const entry = { type: 'transport' as const, expires: 0 }
  const listed = [
    { ...entry, multiaddr: multiaddr('/ip4/127.0.0.1/tcp/1'), verified: true },
    { ...entry, multiaddr: multiaddr(`/ip4/5.9.0.9/tcp/1/p2p/${relay}/p2p-circuit`), verified: true },
    { ...entry, multiaddr: multiaddr('/ip4/5.9.0.1/tcp/1'), verified: false },
    { ...entry, multiaddr: multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${peer}`), verified: true }
  ]
  const own = createOwnAddresses({ peerId: peer, addressManager: { getAddressesWithMetadata: () => listed } })
  expect(own.list().map(({ address, verified }) => [address.toString(), verified])).toEqual([
    [`/ip4/5.9.0.1/tcp/1/p2p/${peer}`, false],
    [`/ip4/5.9.0.9/tcp/1/p2p/${relay}/p2p-circuit/p2p/${peer}`, true],
    [`/ip4/127.0.0.1/tcp/1/p2p/${peer}`, true]
  ])
  expect([multiaddr('/ip4/10.0.0.1/tcp/1'), multiaddr('/ip4/5.9.0.1/tcp/1')].sort(byUse).map(String)[0]).toMatch(/5\.9/)
})

test('peers on one machine learn each other’s loopback addresses, and keep none of a network that the other is not in', async () => {
  const [a, b] = [await testNode(), await testNode()]
  await connect(b, a)
  const { addresses } = await b.libp2p.peerStore.get(a.libp2p.peerId)
  expect(addresses.map(({ multiaddr: address }) => scopeOf(address))).toContain('loopback')

  // in-process connections count as from anywhere
  const [c, d] = [
    await testNode({ listen: ['/memory/scope-c', '/ip4/127.0.0.1/tcp/0'], memory: true }),
    await testNode({ listen: ['/memory/scope-d'], memory: true })
  ]
  const told: string[] = []
  d.libp2p.addEventListener('peer:identify', ({ detail }) => told.push(...detail.listenAddrs.map(String)))
  await d.libp2p.dial(multiaddr('/memory/scope-c'))
  await waitFor(d.libp2p, 'peer:identify', () => told.length > 0)
  expect(told).toEqual(['/memory/scope-c'])
  await d.libp2p.peerStore.merge(c.libp2p.peerId, { multiaddrs: [multiaddr('/ip4/10.0.0.1/tcp/1')] })
  const kept = (await d.libp2p.peerStore.get(c.libp2p.peerId)).addresses.map(({ multiaddr: address }) =>
    String(address)
  )
  expect(kept).toEqual(['/memory/scope-c'])
})
