/**
 * Peer scoring: counts provable faults of peers (invalid records, malformed frames, wrong content), lowers their gossip score, and denies connections
 * for a while to those that continue. Gossipsub alone never penalises a malformed frame (measured: 20,000 of them, score 0, still connected).
 *
 * Only faults that an honest peer cannot commit belong here: it checks what it passes on by the same rules.
 */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { TypedEventEmitter, type TypedEventTarget } from 'main-event'
import { createRateLimiter, type MonotonicClock } from '../../protocols/rate-limit.ts'
import { count } from '../process/counters.ts'

/** Peers whose faults are remembered; the least recent is forgotten first. */
const MAX_PEERS = 4096

/** Gossip score of one fault, times the squared number of faults: three at once fall below the graylist threshold. */
const FAULT_WEIGHT = -20

/** Faults decay by a tenth per second, like gossipsub's own counters. */
const DECAY_PER_SECOND = 0.9

export interface Denied {
  peer: PeerId
  reason: string
}

export interface ConductEvents {
  /** The peer's connections must be closed now. */
  denied: CustomEvent<Denied>
}

export interface ConductInit {
  faultsPerMinute: number
  denyForMs: number
  /** @default performance.now */
  now?: MonotonicClock
}

export interface Conduct extends TypedEventTarget<ConductEvents> {
  /** Count a fault; one too many denies the peer. */
  fault(peer: PeerId, reason: string): void
  /** Application part of the gossip score: 0 or below. */
  score(peer: string): number
  isDenied(peer: string): boolean
  /** Refuses denied peers in both directions. */
  readonly gater: ConnectionGater
}

export function createConduct(init: ConductInit): Conduct {
  return new PeerConduct(init)
}

// --- internal ---

class PeerConduct extends TypedEventEmitter<ConductEvents> implements Conduct {
  readonly gater: ConnectionGater
  readonly #init: ConductInit
  readonly #now: MonotonicClock
  readonly #forgive: (peer: string) => boolean
  readonly #faults = new Map<string, { weight: number; at: number }>()
  readonly #deniedUntil = new Map<string, number>()

  constructor(init: ConductInit) {
    super()
    this.#init = init
    this.#now = init.now ?? (() => performance.now())
    const limiter = createRateLimiter({ perSecond: init.faultsPerMinute / 60, burst: init.faultsPerMinute }, this.#now)
    this.#forgive = peer => limiter.take(peer)
    const isDenied = (peer: PeerId): boolean => this.isDenied(peer.toString())
    this.gater = {
      denyDialPeer: isDenied,
      denyInboundEncryptedConnection: isDenied,
      denyOutboundEncryptedConnection: isDenied,
      denyInboundRelayReservation: isDenied,
      denyInboundRelayedConnection: (_relay, remote) => isDenied(remote)
    }
  }

  fault(peer: PeerId, reason: string): void {
    const key = peer.toString()
    count('peer_faults')
    remember(this.#faults, key, { weight: this.#weight(key) + 1, at: this.#now() })
    if (this.isDenied(key) || this.#forgive(key)) return
    remember(this.#deniedUntil, key, this.#now() + this.#init.denyForMs)
    count('peers_denied')
    this.safeDispatchEvent('denied', { detail: { peer, reason } })
  }

  score(peer: string): number {
    return FAULT_WEIGHT * this.#weight(peer) ** 2
  }

  isDenied(peer: string): boolean {
    const until = this.#deniedUntil.get(peer)
    if (until === undefined) return false
    if (this.#now() < until) return true
    this.#deniedUntil.delete(peer)
    return false
  }

  #weight(peer: string): number {
    const fault = this.#faults.get(peer)
    return fault === undefined ? 0 : fault.weight * DECAY_PER_SECOND ** ((this.#now() - fault.at) / 1000)
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_PEERS) map.delete(map.keys().next().value as string)
}
