/**
 * Where this node is, as it knows itself: addresses of the machine's interfaces, mapped and relayed ones, each with whether a member has verified it.
 *
 * libp2p announces a public address only when it is verified, and the first publisher has nobody to ask: such addresses are for invites and reports.
 * Private ones count as verified: only peers of the same network use them.
 */
import type { IdentifyComponents } from '@libp2p/identify'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { byUse } from './address-scope.ts'
import { peerOf } from './known-addresses.ts'

export interface OwnAddress {
  /** Ends in /p2p/PEER */
  readonly address: Multiaddr
  /** A member reached it, or only peers nearby can use it, or the configuration says so */
  readonly verified: boolean
}

export interface OwnAddresses {
  /** Those of most use first */
  list(): OwnAddress[]
}

export interface OwnAddressesComponents {
  addressManager: Pick<IdentifyComponents['addressManager'], 'getAddressesWithMetadata'>
  peerId: PeerId
}

export function createOwnAddresses({ addressManager, peerId }: OwnAddressesComponents): OwnAddresses {
  const self = peerId.toString()
  return {
    list: () => {
      const found = new Map<string, OwnAddress>()
      for (const { multiaddr, verified } of addressManager.getAddressesWithMetadata()) {
        const address = peerOf(multiaddr) === self ? multiaddr : multiaddr.encapsulate(`/p2p/${self}`)
        const before = found.get(address.toString())
        found.set(address.toString(), { address, verified: verified || before?.verified === true })
      }
      return [...found.values()].sort((a, b) => byUse(a.address, b.address))
    }
  }
}
