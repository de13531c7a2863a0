import { expect, test } from 'vitest'
import type { ApiEvent } from '../../../node/api/events.ts'
import { peerOf } from '../../../node/network/known-addresses.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { pictures, startNode, type TestNode } from '../../helpers/test-node.ts'
import { waitFor } from '../../helpers/test-network.ts'

const SMALL = { partitions: 2, shared: 16, dimension: 16 }

const meets = async (a: TestNode, b: TestNode): Promise<void> =>
  await waitFor(a.network.libp2p, 'peer:identify', () =>
    a.network.libp2p.getPeers().some(peer => peer.toString() === b.peer)
  )

test('a member makes an invite with which others join when the publisher is gone, and says whom it asked', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(32), SMALL)
  const [a, b] = [await startNode(), await startNode()]
  await a.node.status(invite)
  await b.node.status(invite)
  await meets(a, b)
  const fresh = await a.node.invite()
  const peers = new Set(fresh.addresses.map(({ address }) => peerOf(multiaddr(address))))
  expect(peers).toEqual(new Set([a.peer, b.peer, publisher.peer]))
  await publisher.node.close()
  await a.node.close()

  const late = await startNode()
  const told: string[] = []
  const onEvent = (event: ApiEvent): void => void (event.type === 'log' && told.push(event.message))
  const { swarms } = await late.node.status(fresh.invite, { onEvent })
  expect(swarms).toMatchObject([{ manifest }])
  expect(told.filter(message => message.startsWith('asking for the swarm at'))).toHaveLength(3)
  expect(told.some(message => message.startsWith('no answer at') && message.includes(publisher.peer))).toBe(true)
})

test('addresses that come while a swarm is being opened are dialed', async () => {
  const publisher = await startNode()
  const { manifest } = await publisher.publish(await pictures(32), SMALL)
  const { swarm } = publisher.membership(manifest)
  const addresses = publisher.network.libp2p.getMultiaddrs().map(String)
  const late = await startNode()
  // what it needs to open the swarm only the publisher has
  const [first, second] = await Promise.all([
    late.runtime.swarms.open(swarm, []),
    late.runtime.swarms.open(swarm, addresses)
  ])
  expect(first).toBe(second)
})
