/** Addresses of a swarm's members that are worth trying: hints from invites, earlier runs and connections that worked. Bounded, the last ones win. */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'

/** Several addresses for each member that a node is likely to meet again. */
const MAX_ADDRESSES = 64

export interface KnownAddresses {
  /** Text that is not a multiaddr ending in /p2p/PEER is ignored, and so are addresses of this node. */
  remember(addresses: Iterable<string>): void
  /** By peer id as text */
  byPeer(): Map<string, Multiaddr[]>
  /** The latest first */
  list(): string[]
}

export function createKnownAddresses(self: string): KnownAddresses {
  const known = new Map<string, Multiaddr>()
  return {
    remember: addresses => {
      for (const text of addresses) {
        const address = parse(text)
        if (address === undefined || peerOf(address) === self) continue
        known.delete(text)
        known.set(text, address)
        if (known.size > MAX_ADDRESSES) known.delete(known.keys().next().value as string)
      }
    },
    byPeer: () => Map.groupBy(known.values(), address => peerOf(address) ?? ''),
    list: () => [...known.keys()].reverse()
  }
}

/** The peer at the end of the address; a relayed address names the relay first. */
export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}

// --- internal ---

/** `undefined` for text that is not a multiaddr with a peer id: hints from others and old files may be anything. */
function parse(text: string): Multiaddr | undefined {
  try {
    const address = multiaddr(text)
    return peerOf(address) === undefined ? undefined : address
  } catch {
    return undefined // not a multiaddr: nothing to dial
  }
}
