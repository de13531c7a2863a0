import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { testNode, waitFor } from '../../helpers/test-network.ts'

const GROUP = '224.0.0.251'

const [BY_MULTICAST, BY_LOOPBACK] = [1, 2]

/**
 * Does this machine deliver multicast to itself? Some containers do not. A datagram to the group is on its way before one to ourselves, which
 * always arrives: so the first to arrive says it.
 */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  const first = Promise.withResolvers<boolean>()
  try {
    socket.on('error', () => first.resolve(false))
    socket.on('message', data => first.resolve(data[0] === BY_MULTICAST))
    socket.bind(0, () => {
      const { port } = socket.address()
      try {
        socket.addMembership(GROUP)
      } catch {
        first.resolve(false) // no interface for multicast
        return
      }
      socket.send(Uint8Array.of(BY_MULTICAST), port, GROUP, error => {
        if (error === null) socket.send(Uint8Array.of(BY_LOOPBACK), port, '127.0.0.1')
        else first.resolve(false)
      })
    })
    return await first.promise
  } finally {
    socket.close()
  }
}

test.skipIf(!(await hasMulticast()))(
  'nodes on one network find and dial each other by multicast DNS, if they want to',
  async () => {
    const off = await testNode()
    const [a, b] = [await testNode({ mdns: true }), await testNode({ mdns: true })]
    await waitFor(a.libp2p, 'peer:connect', () => a.libp2p.getConnections(b.libp2p.peerId).length > 0)
    expect(off.libp2p.getPeers()).toEqual([])
  }
)
