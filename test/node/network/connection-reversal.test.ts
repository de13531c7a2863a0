import { defaultLogger } from '@libp2p/logger'
import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import {
  createConnectionReversal,
  type ConnectionReversalComponents
} from '../../../node/network/connection-reversal.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'

const peerId = peerIdFromString(testPeer('visitor').id)
const RELAYED = `/ip4/5.9.0.1/tcp/4001/p2p/${testPeer('relay').id}/p2p-circuit/p2p/${peerId}`
const PUBLIC = '/ip4/5.9.0.7/tcp/4001'

/** What a node dials after a peer has said on a connection where it listens. */
async function dialed(
  listenAddrs: readonly string[],
  {
    from = RELAYED,
    direction = 'inbound',
    open = [from],
    times = 1
  }: { from?: string; direction?: 'inbound' | 'outbound'; open?: readonly string[]; times?: number } = {}
): Promise<string[]> {
  const events = new EventTarget()
  const found: string[] = []
  const connectionManager = {
    getConnections: () => open.map(address => ({ remoteAddr: multiaddr(address) })),
    openConnection: async (addresses: Multiaddr[]) => void found.push(...addresses.map(String))
  }
  const components = { connectionManager, events, logger: defaultLogger() } as unknown as ConnectionReversalComponents
  await createConnectionReversal(components).start()
  const connection = { direction, remoteAddr: multiaddr(from) }
  const detail = { peerId, connection, listenAddrs: listenAddrs.map(address => multiaddr(address)) }
  for (let i = 0; i < times; i++) {
    events.dispatchEvent(new CustomEvent('peer:identify', { detail }))
    await new Promise(resolve => setImmediate(resolve)) // the attempt has ended
  }
  return found
}

test('of the addresses that a visitor names it dials four public ones at most, and no relays', async () => {
  const own = Array.from({ length: 9 }, (_, i) => `/ip4/5.9.0.${i + 10}/tcp/4001`)
  const named = ['/ip4/127.0.0.1/tcp/22', '/ip4/192.168.1.1/tcp/80', '/ip6/fd00::1/tcp/80', RELAYED, ...own]
  expect(await dialed(named)).toEqual(own.slice(0, 4).map(address => `${address}/p2p/${peerId}`))
  expect(await dialed(['/ip4/192.168.1.1/tcp/80', RELAYED])).toEqual([])
})

test('it dials nobody who is connected directly, or whom it reached itself', async () => {
  expect(await dialed([PUBLIC])).toEqual([`${PUBLIC}/p2p/${peerId}`])
  expect(await dialed([PUBLIC], { direction: 'outbound' })).toEqual([])
  expect(await dialed([PUBLIC], { from: PUBLIC })).toEqual([])
  expect(await dialed([PUBLIC], { open: [RELAYED, PUBLIC] })).toEqual([])
})

test('who says it again and again does not make it dial again and again', async () => {
  expect(await dialed([PUBLIC], { times: 20 })).toEqual([`${PUBLIC}/p2p/${peerId}`])
})
