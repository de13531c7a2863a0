/** The invite that this node hands out for one of its swarms. */
import { encodeInvite } from '../../src/distribute/invite.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'

export interface OwnAddresses {
  /** Where the running node can be dialed; none without a network */
  readonly current: readonly string[]
  /** What the configuration listens on */
  readonly configured: readonly string[]
  /** 12D3KooW… */
  readonly peer: string
}

/** Without a network the configured addresses stand in: a daemon on this home will have them. */
export function ownInvite({ id }: Pick<Swarm, 'id'>, { current, configured, peer }: OwnAddresses): string {
  return encodeInvite({ swarm: id, addresses: [...(current.length > 0 ? current : dialable(configured, peer))] })
}

// --- internal ---

/** Dialable forms of configured addresses: a fixed port on loopback stands in for "all interfaces". */
function dialable(listen: readonly string[], peer: string): string[] {
  return listen
    .filter(address => !/\/tcp\/0(\/|$)/.test(address))
    .map(
      address => `${address.replace('/ip4/0.0.0.0/', '/ip4/127.0.0.1/').replace('/ip6/::/', '/ip6/::1/')}/p2p/${peer}`
    )
}
