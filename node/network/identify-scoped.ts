/**
 * Identify tells each peer only the addresses of this node that it can use: loopback to the same machine, private ones to the same network. A push
 * goes to all peers alike, with what at least one of them can use; receivers drop the rest (network.ts).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IdentifyComponents, IdentifyPushComponents } from '@libp2p/identify'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isUsableFrom } from './address-scope.ts'
import { overriding } from './overriding.ts'

/** For `identify`: while a question is answered, addresses are those for the peer that asks. */
export function scopedIdentify(components: IdentifyComponents): IdentifyComponents {
  const asker = new AsyncLocalStorage<Multiaddr>()
  const { registrar, addressManager } = components
  return {
    ...pick(components),
    registrar: overriding(registrar, {
      handle: async (protocol, handler, options) =>
        await registrar.handle(
          protocol,
          (stream, connection) => asker.run(connection.remoteAddr, () => handler(stream, connection)),
          options
        )
    }),
    addressManager: overriding(addressManager, {
      getAddresses: () => {
        const from = asker.getStore()
        const all = addressManager.getAddresses()
        return from === undefined ? all : all.filter(address => isUsableFrom(address, from))
      }
    })
  }
}

/** For `identifyPush` */
export function scopedPush(components: IdentifyPushComponents): IdentifyPushComponents {
  const { addressManager, connectionManager } = components
  return {
    ...pick(components),
    connectionManager,
    addressManager: overriding(addressManager, {
      getAddresses: () => {
        const peers = connectionManager.getConnections().map(({ remoteAddr }) => remoteAddr)
        return addressManager.getAddresses().filter(address => peers.some(from => isUsableFrom(address, from)))
      }
    })
  }
}

// --- internal ---

/** Components of libp2p are looked up by name and cannot be spread. */
function pick(components: IdentifyComponents): IdentifyComponents {
  const { peerStore, registrar, peerId, privateKey, addressManager, events, logger, nodeInfo } = components
  return { peerStore, registrar, peerId, privateKey, addressManager, events, logger, nodeInfo }
}
