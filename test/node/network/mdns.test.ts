import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { testNode, waitFor } from '../../helpers/test-network.ts'

const GROUP = '224.0.0.251'

/** Does this machine deliver multicast to itself? Some containers do not. */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    return await new Promise<boolean>(resolve => {
      const timer = setTimeout(() => resolve(false), 1000)
      const done = (answer: boolean): void => {
        clearTimeout(timer)
        resolve(answer)
      }
      socket.on('error', () => done(false))
      socket.on('message', () => done(true))
      socket.bind(0, () => {
        try {
          socket.addMembership(GROUP)
        } catch {
          return done(false) // no interface for multicast
        }
        socket.send(Uint8Array.of(1), socket.address().port, GROUP, error => {
          if (error !== null) done(false)
        })
      })
    })
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
