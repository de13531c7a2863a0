/**
 * The manifest of a swarm: from the store, else from the peers of an invite, all asked at once: one that is gone delays nobody. It is believed
 * because its CID is the one asked for and its publisher signed it, from whichever peer it comes.
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Sync } from '../../protocols/sync/sync.ts'
import type { Invite } from '../../src/distribute/invite.ts'
import { openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { ContentUnavailableError, InvalidInputError } from '../../src/errors.ts'
import type { Content } from '../content/content.ts'
import { addressIn, peerOf } from '../network/known-addresses.ts'
import { verify } from '../process/verify-signature.ts'

/** What is needed of the network */
export interface FindManifestNetwork {
  network: { libp2p: Pick<Libp2p, 'dial' | 'getPeers'> }
  sync: Pick<Sync, 'fetchManifest'>
}

export interface FindManifestComponents {
  content: Pick<Content, 'barrier' | 'block' | 'has' | 'put'>
  network?: FindManifestNetwork | undefined
  /** Told whom it asks, and why each failed. @default nothing */
  tell?: ((message: string) => void) | undefined
}

/**
 * `remembered`: further addresses to try, of members met before. What was fetched is durable when this resolves.
 *
 * Throws `InvalidInputError` without a network, `ContentUnavailableError` when no address can be reached or no peer has it, or the signal's
 * reason.
 */
export async function findManifest(
  { content, network, tell = () => {} }: FindManifestComponents,
  { swarm, addresses }: Invite,
  remembered: readonly string[],
  signal: AbortSignal
): Promise<Swarm> {
  if (await content.has(swarm)) return openManifest(await content.block(swarm, { signal }), verify)
  if (network === undefined) {
    throw new InvalidInputError(
      `swarm ${swarm} is not in this home: join it first, or start the daemon with "coopt up"`
    )
  }
  const { libp2p } = network.network
  const all = [...new Set([...addresses, ...remembered])].flatMap(text => addressIn(text) ?? [])
  const answered = new AbortController()
  const asking = AbortSignal.any([signal, answered.signal])
  const refusals: unknown[] = []
  let reached = 0

  const fetchFrom = async (peers: readonly PeerId[]): Promise<Swarm> =>
    await network.sync.fetchManifest(peers, swarm, { signal: asking })

  const ask = async (list: readonly Multiaddr[]): Promise<Swarm> => {
    const where = list.join(', ')
    tell(`asking for the swarm at ${where}`)
    try {
      const { remotePeer } = await libp2p.dial([...list], { signal: asking })
      reached++
      return await fetchFrom([remotePeer])
    } catch (error) {
      if (!asking.aborted) tell(`no answer at ${where}: ${reasonOf(error)}`)
      refusals.push(error)
      throw error
    }
  }

  const byPeer = [...Map.groupBy(all, peerOf).values()]
  const found = await (byPeer.length === 0 ? fetchFrom(libp2p.getPeers()) : Promise.any(byPeer.map(ask)))
    .catch((cause: unknown) => {
      signal.throwIfAborted()
      if (byPeer.length === 0) throw cause
      const reasons = refusals.map(reasonOf).join('; ')
      throw new ContentUnavailableError(
        reached > 0
          ? `no member of the invite sends the swarm: ${reasons}`
          : `no address of the invite can be reached (${all.join(', ')}): ${reasons}. Is a member's "coopt up" running? Ask one for a fresh invite ("coopt invite")`,
        { cause }
      )
    })
    .finally(() => answered.abort())
  await content.put(swarm, found.bytes)
  await content.barrier()
  return found
}

// --- internal ---

/** libp2p collects the failures of single addresses. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}
