/** Addresses of a swarm's members that are worth trying: hints from invites, earlier runs and connections that worked. Bounded, the last ones win. */
import type { Libp2p, PeerId } from '@libp2p/interface'
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
        const address = addressIn(text)
        if (address === undefined || [undefined, self].includes(peerOf(address))) continue
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

/** Where connected peers can be dialed, each ending in /p2p/PEER: what was dialed, then what they announce. */
export async function addressesOf(
  libp2p: Pick<Libp2p, 'getConnections' | 'peerStore'>,
  peers: readonly PeerId[]
): Promise<string[]> {
  const found: string[] = []
  for (const peer of peers) {
    const dialed = libp2p.getConnections(peer).filter(({ direction }) => direction === 'outbound')
    const announced = await announcedBy(libp2p, peer)
    for (const address of [...dialed.map(c => c.remoteAddr), ...announced.map(a => a.multiaddr)])
      found.push(peerOf(address) === peer.toString() ? address.toString() : `${address}/p2p/${peer}`)
  }
  return found
}

/** `undefined` for text that is not a multiaddr: hints from others and old files may be anything. */
export function addressIn(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text)
  } catch {
    return undefined // nothing to dial
  }
}

// --- internal ---

async function announcedBy(
  { peerStore }: Pick<Libp2p, 'peerStore'>,
  peer: PeerId
): Promise<{ multiaddr: Multiaddr }[]> {
  try {
    return (await peerStore.get(peer)).addresses
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return [] // not identified yet
    throw error
  }
}
