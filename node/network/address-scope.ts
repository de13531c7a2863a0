/**
 * From where an address can be used: loopback ones from the same machine, private ones from the same network, public ones from everywhere. An
 * address at a relay counts as the relay's.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import { isLinkLocal, isLoopback, isPrivate } from '@libp2p/utils'

/** In the order in which others can use them */
const SCOPES = ['public', 'private', 'loopback'] as const
export type Scope = (typeof SCOPES)[number]

/** Names and in-process addresses count as public: where they lead is not known. */
export function scopeOf(address: Multiaddr): Scope {
  if (isLoopback(address)) return 'loopback'
  return isPrivate(address) || isLinkLocal(address) ? 'private' : 'public'
}

/** Does the way to it lead through another peer? */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** Can a peer whose address is `from` use `address`? */
export function isUsableFrom(address: Multiaddr, from: Multiaddr): boolean {
  return SCOPES.indexOf(scopeOf(from)) >= SCOPES.indexOf(scopeOf(address))
}

/** Those that reach a stranger most likely first: direct before relayed, then by scope. Stable. */
export function byUse(a: Multiaddr, b: Multiaddr): number {
  return rank(a) - rank(b)
}

// --- internal ---

/** A relay at a public address is of more use to strangers than a direct private one. */
function rank(address: Multiaddr): number {
  return 2 * SCOPES.indexOf(scopeOf(address)) + (isRelayed(address) ? 1 : 0)
}
