/** Real libp2p and Helia nodes with memory stores, on loopback TCP or in-process; torn down by `onTestFinished`. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { onTestFinished } from 'vitest'
import { createNetwork, type Network } from '../../node/network/network.ts'
import type { NetworkInit } from '../../node/network/libp2p.ts'
import { testKey, type TestKey } from './signed-swarm.ts'

export interface TestNode extends Network {
  key: TestKey
}

let nextKey = 1

/** mDNS is off: tests on one machine must not find each other. */
export async function testNode(init: NetworkInit = {}, key = testKey(nextKey++)): Promise<TestNode> {
  const network = await createNetwork(
    {
      blockstore: new MemoryBlockstore(),
      datastore: new MemoryDatastore(),
      privateKey: await generateKeyPairFromSeed('Ed25519', key.seed)
    },
    { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, ...init }
  )
  onTestFinished(async () => await network.stop())
  return { ...network, key }
}

/** Connect and wait until both know each other's protocols. */
export async function connect(a: Network, b: Network): Promise<void> {
  const knows = (from: Network, to: Network): Promise<void> =>
    waitFor(from.libp2p, 'peer:identify', async () => {
      const peers = await from.libp2p.peerStore.all()
      return peers.some(p => p.id.equals(to.libp2p.peerId) && p.protocols.length > 0)
    })
  await a.libp2p.dial(b.libp2p.getMultiaddrs())
  await Promise.all([knows(a, b), knows(b, a)])
}

/** Resolve when `test` holds, looking again after every event of that type. */
export async function waitFor(
  target: Pick<EventTarget, 'addEventListener' | 'removeEventListener'>,
  event: string,
  test: () => boolean | Promise<boolean>
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const look = async (): Promise<void> => {
    try {
      if (await test()) resolve()
    } catch (error) {
      reject(error)
    }
  }
  const onEvent = (): void => void look()
  target.addEventListener(event, onEvent)
  try {
    await look()
    await promise
  } finally {
    target.removeEventListener(event, onEvent)
  }
}
