/**
 * The invite that this node hands out for one of its swarms: where it is itself, and where a few other members are, so that it works on when this
 * node is gone.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import { encodeInvite } from '../../src/distribute/invite.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { byUse, scopeOf } from '../network/address-scope.ts'
import { addressIn, peerOf } from '../network/known-addresses.ts'
import { interfaceAddresses } from '../network/listen.ts'

/** Characters of an invite: a QR code of version 25 holds 1,273 bytes at its lowest correction, and phones still read it from a screen. */
const MAX_INVITE_CHARACTERS = 1270
/** IPv4 and IPv6, the private network, a relay. */
const MAX_OWN = 4
/** One may have gone stale, more add little. */
const MAX_PER_MEMBER = 2

export interface InviteAddress {
  readonly address: string
  /** A member has reached it, or it is another member's */
  readonly verified: boolean
}

export interface OwnInviteInit {
  /** Where the running node can be dialed; none without a network */
  readonly own: readonly InviteAddress[]
  /** What the configuration announces or listens on */
  readonly configured: readonly string[]
  /** Addresses of other members, those that were met last first */
  readonly members: readonly string[]
  /** 12D3KooW… */
  readonly peer: string
}

/** The home's only swarm. Throws `InvalidInputError` where it has none or several. */
export function onlyOne<T extends { readonly swarm: Pick<Swarm, 'id' | 'manifest'> }>(all: readonly T[]): T {
  const [only, ...more] = all
  if (only === undefined) throw new InvalidInputError('this home is in no swarm: "coopt publish" or "coopt join" first')
  if (more.length === 0) return only
  const names = all.map(({ swarm }) => `${swarm.id} (${swarm.manifest.name})`).join(', ')
  throw new InvalidInputError(`this home is in ${all.length} swarms, name one: ${names}`)
}

/** Without a network the configured addresses stand in: a daemon on this home will have them. */
export function ownInvite(
  { id }: Pick<Swarm, 'id'>,
  { own, configured, members, peer }: OwnInviteInit
): { invite: string; addresses: InviteAddress[] } {
  const mine = forStrangers(own.length > 0 ? own.map(({ address }) => address) : dialable(configured, peer))
  const ofMember = Map.groupBy(addressesIn(members), peerOf)
  const lists = [...ofMember].flatMap(([member, list]) =>
    member === undefined || member === peer ? [] : [forStrangers(list.map(String)).slice(0, MAX_PER_MEMBER)]
  )
  // one of every member before a second of any
  const others = Array.from({ length: MAX_PER_MEMBER }, (_, i) => lists.flatMap(list => list[i] ?? [])).flat()
  const addresses = mine.slice(0, MAX_OWN)
  for (const address of others)
    if (encodeInvite({ swarm: id, addresses: [...addresses, address] }).length <= MAX_INVITE_CHARACTERS)
      addresses.push(address)
  const unverified = new Set(own.filter(({ verified }) => !verified).map(({ address }) => address))
  return {
    invite: encodeInvite({ swarm: id, addresses }),
    addresses: addresses.map(address => ({ address, verified: !unverified.has(address) }))
  }
}

// --- internal ---

/** Those of most use first; loopback only where there is nothing else. */
function forStrangers(list: readonly string[]): string[] {
  const sorted = addressesIn(list).sort(byUse)
  const away = sorted.filter(address => scopeOf(address) !== 'loopback')
  return (away.length > 0 ? away : sorted).map(String)
}

function addressesIn(list: readonly string[]): Multiaddr[] {
  return list.flatMap(text => addressIn(text) ?? [])
}

/** What configured addresses come to on this machine; a port that is drawn at every start is not known before. */
function dialable(listen: readonly string[], peer: string): string[] {
  return interfaceAddresses(listen)
    .filter(address => !/\/tcp\/0(\/|$)/.test(address))
    .map(address => `${address}/p2p/${peer}`)
}
