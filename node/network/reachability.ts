/**
 * Can others connect to this node, and how? From what members saw: connections that they opened, and addresses that they dialed back (AutoNAT).
 *
 * A direct connection from a public address is the best evidence there is: its packets found this node's port. One from a private address says so
 * for its network only.
 */
import type { Connection } from '@libp2p/interface'
import { isRelayed, scopeOf } from './address-scope.ts'
import type { OwnAddress } from './own-addresses.ts'

export type Reach =
  /** From everywhere: a member did it, or the configuration says so */
  | 'public'
  /** Through members that relay */
  | 'relayed'
  /** From the same network only, as far as anybody tried */
  | 'local'
  /** Members are connected, and none of them could connect by itself */
  | 'unreachable'
  /** Nobody has tried yet */
  | 'unknown'

export interface Reachability {
  /** Every connection that opens */
  observe(connection: Pick<Connection, 'direction' | 'remoteAddr'>): void
  reach(): Reach
  /** Are there connections with members elsewhere? */
  isElsewhere(): boolean
}

export interface ReachabilityComponents {
  own(): readonly OwnAddress[]
  connections(): readonly Pick<Connection, 'direction' | 'remoteAddr'>[]
}

/** A router forgets a mapping and an address changes, so what was seen counts for so long after the last connection of that kind. */
const EVIDENCE_MS = 60 * 60_000

/** `now`: monotonic milliseconds */
export function createReachability(
  { own, connections }: ReachabilityComponents,
  now: () => number = () => performance.now()
): Reachability {
  let fromElsewhere = -Infinity
  let fromNearby = -Infinity

  const observe: Reachability['observe'] = ({ direction, remoteAddr }) => {
    if (direction !== 'inbound' || isRelayed(remoteAddr)) return
    if (scopeOf(remoteAddr) === 'public') fromElsewhere = now()
    else fromNearby = now()
  }
  const isElsewhere = (): boolean => connections().some(({ remoteAddr }) => scopeOf(remoteAddr) === 'public')

  return {
    observe,
    isElsewhere,
    reach: () => {
      const open = connections()
      open.forEach(observe)
      const verified = own().filter(one => one.verified && scopeOf(one.address) === 'public')
      if (now() - fromElsewhere < EVIDENCE_MS || verified.some(({ address }) => !isRelayed(address))) return 'public'
      if (own().some(({ address }) => isRelayed(address))) return 'relayed'
      if (now() - fromNearby < EVIDENCE_MS && !isElsewhere()) return 'local'
      return open.length === 0 ? 'unknown' : isElsewhere() ? 'unreachable' : 'local'
    }
  }
}
