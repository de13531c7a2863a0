/**
 * The manifest of a swarm: from the store, else from the peers of an invite. It is believed because its CID is the one asked for and its
 * publisher signed it, from whichever peer it comes.
 */
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Sync } from '../../protocols/sync/sync.ts'
import type { Invite } from '../../src/distribute/invite.ts'
import { openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { ContentUnavailableError, InvalidInputError } from '../../src/errors.ts'
import type { Content } from '../content/content.ts'
import { verify } from '../process/verify-signature.ts'

/** What is needed of the network */
export interface FindManifestNetwork {
  network: { libp2p: Pick<Libp2p, 'dial' | 'getPeers'> }
  sync: Pick<Sync, 'fetchManifest'>
}

export interface FindManifestComponents {
  content: Pick<Content, 'barrier' | 'block' | 'has' | 'put'>
  network?: FindManifestNetwork | undefined
}

/**
 * `remembered`: further addresses to try, of members met before. What was fetched is durable when this resolves.
 *
 * Throws `InvalidInputError` without a network, `ContentUnavailableError` when no address can be reached or no peer has it, or the signal's
 * reason.
 */
export async function findManifest(
  { content, network }: FindManifestComponents,
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
  const dialed = await Promise.allSettled(
    [...new Set([...addresses, ...remembered])].map(async a => await libp2p.dial(multiaddr(a), { signal }))
  )
  signal.throwIfAborted()
  const peers = dialed.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value.remotePeer] : []))
  if (peers.length === 0 && addresses.length > 0) {
    const reasons = dialed.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
    throw new ContentUnavailableError(
      `no address of the invite can be reached (${addresses.join(', ')}): is the publisher's "coopt up" running?`,
      { cause: new AggregateError(reasons) }
    )
  }
  const found = await network.sync.fetchManifest(peers.length > 0 ? peers : libp2p.getPeers(), swarm, { signal })
  await content.put(swarm, found.bytes)
  await content.barrier()
  return found
}
