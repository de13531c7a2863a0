/**
 * Gossip of records, leases and intents of one swarm over gossipsub: the fast path. It may lose messages (loss, rate limits, peers that join later);
 * `/coopt/sync/1.0.0` guarantees convergence.
 *
 * Guarantees: only messages that are valid and new here are passed on, and a record that was passed on is in the set. Messages never cause a fetch. They are
 * unsigned at the gossip level (StrictNoSign): a record has its own signature, checked once, where StrictSign would check one for every copy
 * (measured: half the CPU).
 */
import type { GossipSub, Message } from '@libp2p/gossipsub'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { ComponentLogger, Logger, PeerId, Startable } from '@libp2p/interface'
import { TypedEventEmitter } from 'main-event'
import type { TypedEventTarget } from 'main-event'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { Verify } from '../../src/envelope.ts'
import type { Taken } from '../../src/merge/take-record.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Intent } from '../../src/publish/intent.ts'
import type { Lease } from '../../src/publish/lease.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import {
  GOSSIP_BURST,
  GOSSIP_MESSAGES_PER_SECOND,
  LEASE_BURST,
  LEASES_PER_SECOND,
  MAX_LIVE_INTENTS,
  MAX_TRACKED_LEASES,
  recordTopic
} from '../constants.ts'
import { createRateLimiter, type MonotonicClock, type RateLimit } from '../rate-limit.ts'
import type { OnFault } from '../session.ts'
import { encodeGossip } from './messages.ts'
import { validateGossip, type Verdict } from './validator.ts'

/** The default of `timing.leaseMs`. */
const DEFAULT_LEASE_MS = 60_000

export interface GossipComponents {
  pubsub: GossipSub
  swarm: Swarm
  /** Inserts a record into the set of the swarm before it is passed on. Throws `InvalidRecordError`. */
  receive(bytes: Uint8Array): Taken
  verify: Verify
  logger: ComponentLogger
}

export interface GossipInit {
  /** Messages accepted from one sending peer. @default 20 a second, 100 at once */
  peerLimit?: RateLimit
  /** Leases and intents accepted from one author, whichever peer sends them. @default 1 a second, 30 at once */
  leaseLimit?: RateLimit
  /**
   * How long the counter of a lease or intent is remembered, to distinguish newer from older ones: as long as a lease lasts, so that a peer whose
   * counter was reset is heard again when its old leases have expired.
   *
   * @default 60000
   */
  leaseMs?: number
  /** Called for every rejected message: the sender broke the rules. @default nothing */
  onFault?: OnFault
  /** @default performance.now */
  now?: MonotonicClock
}

export interface Refusal {
  peer: PeerId
  action: 'ignore' | 'reject'
  reason: string
}

export interface GossipEvents {
  /** A valid lease, newer than any other from its author for the task. */
  lease: CustomEvent<Lease>
  /** A valid intent, newer than any other from its author. */
  intent: CustomEvent<Intent>
  refused: CustomEvent<Refusal>
}

export interface Gossip extends TypedEventTarget<GossipEvents>, Startable {
  readonly topic: string
  /** Publish a record; returns to how many peers it was sent. Zero is not an error: sync will deliver it. */
  publishRecord(record: SignedRecord): Promise<number>
  /** `lease` is the envelope that `sealLease` returned. */
  publishLease(lease: Uint8Array): Promise<number>
  /** `intent` is the envelope that `sealIntent` returned. */
  publishIntent(intent: Uint8Array): Promise<number>
}

export function createGossip(components: GossipComponents, init: GossipInit = {}): Gossip {
  return new RecordGossip(components, init)
}

// --- internal ---

class RecordGossip extends TypedEventEmitter<GossipEvents> implements Gossip {
  readonly topic: string
  readonly #components: GossipComponents
  readonly #init: GossipInit
  readonly #log: Logger
  readonly #takeMessage: (peer: string) => boolean
  readonly #takeLease: (author: string) => boolean
  readonly #now: MonotonicClock
  readonly #leaseMs: number
  /** author, partition, task of a lease, or author of an intent -> counter and when it was seen; in order of last use */
  readonly #counters = new Map<string, { counter: number; at: number }>()
  /** author of an intent that was not released -> when it was seen */
  readonly #intents = new Map<string, number>()
  #started = false

  constructor(components: GossipComponents, init: GossipInit) {
    super()
    this.topic = recordTopic(components.swarm.id)
    this.#components = components
    this.#init = init
    this.#now = init.now ?? (() => performance.now())
    this.#leaseMs = init.leaseMs ?? DEFAULT_LEASE_MS
    this.#log = components.logger.forComponent('coopt:gossip')
    const peers = createRateLimiter(
      init.peerLimit ?? { perSecond: GOSSIP_MESSAGES_PER_SECOND, burst: GOSSIP_BURST },
      init.now
    )
    const authors = createRateLimiter(init.leaseLimit ?? { perSecond: LEASES_PER_SECOND, burst: LEASE_BURST }, init.now)
    this.#takeMessage = peer => peers.take(peer)
    this.#takeLease = author => authors.take(author)
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    const { pubsub } = this.#components
    pubsub.topicValidators.set(this.topic, (peer, message) => this.#validate(peer, message))
    pubsub.subscribe(this.topic)
  }

  stop(): void {
    if (!this.#started) return
    this.#started = false
    const { pubsub } = this.#components
    pubsub.unsubscribe(this.topic)
    pubsub.topicValidators.delete(this.topic)
    this.#counters.clear()
    this.#intents.clear()
  }

  async publishRecord(record: SignedRecord): Promise<number> {
    return await this.#publish(encodeGossip({ kind: 'record', bytes: record.bytes }))
  }

  async publishLease(lease: Uint8Array): Promise<number> {
    return await this.#publish(encodeGossip({ kind: 'lease', bytes: lease }))
  }

  async publishIntent(intent: Uint8Array): Promise<number> {
    return await this.#publish(encodeGossip({ kind: 'intent', bytes: intent }))
  }

  async #publish(data: Uint8Array): Promise<number> {
    const { recipients } = await this.#components.pubsub.publish(this.topic, data)
    return recipients.length
  }

  #validate(peer: PeerId, message: Message): TopicValidatorResult {
    if (!this.#takeMessage(peer.toString())) return this.#refuse(peer, 'ignore', 'rate-limited')
    const { swarm, receive, verify } = this.#components
    const verdict = validateGossip(message.data, {
      swarm,
      verify,
      receive,
      leaseCounter: lease => this.#counterOf(leaseKey(lease)),
      intentCounter: intent => this.#counterOf(intentKey(intent))
    })
    return this.#apply(peer, verdict)
  }

  #apply(peer: PeerId, verdict: Verdict): TopicValidatorResult {
    if (verdict.action !== 'accept') {
      this.#log.trace('%s from %p: %s', verdict.action, peer, verdict.message)
      return this.#refuse(peer, verdict.action, verdict.reason)
    }
    if (verdict.kind === 'record') return TopicValidatorResult.Accept
    const { author, counter } = verdict.kind === 'lease' ? verdict.lease : verdict.intent
    if (!this.#takeLease(peerIdOf(author))) return this.#refuse(peer, 'ignore', 'rate-limited')
    if (verdict.kind === 'lease') {
      this.#remember(leaseKey(verdict.lease), counter)
      this.safeDispatchEvent('lease', { detail: verdict.lease })
      return TopicValidatorResult.Accept
    }
    if (!this.#hasRoom(verdict.intent)) return this.#refuse(peer, 'ignore', 'rate-limited')
    this.#remember(intentKey(verdict.intent), counter)
    this.safeDispatchEvent('intent', { detail: verdict.intent })
    return TopicValidatorResult.Accept
  }

  #refuse(peer: PeerId, action: 'ignore' | 'reject', reason: string): TopicValidatorResult {
    this.safeDispatchEvent('refused', { detail: { peer, action, reason } })
    if (action === 'ignore') return TopicValidatorResult.Ignore
    this.#init.onFault?.(peer, reason)
    return TopicValidatorResult.Reject
  }

  #counterOf(key: string): number | undefined {
    const known = this.#counters.get(key)
    return known === undefined || this.#now() - known.at >= this.#leaseMs ? undefined : known.counter
  }

  #remember(key: string, counter: number): void {
    this.#counters.delete(key)
    this.#counters.set(key, { counter, at: this.#now() })
    if (this.#counters.size > MAX_TRACKED_LEASES) this.#counters.delete(this.#counters.keys().next().value as string)
  }

  /** Is this intent of one of the few authors whose intents are passed on at a time? Then it counts as that from now on. */
  #hasRoom({ author, released }: Intent): boolean {
    const now = this.#now()
    for (const [other, at] of this.#intents) if (now - at >= this.#leaseMs) this.#intents.delete(other)
    const id = peerIdOf(author)
    if (released) this.#intents.delete(id)
    if (released) return true
    if (!this.#intents.has(id) && this.#intents.size >= MAX_LIVE_INTENTS) return false
    this.#intents.set(id, now)
    return true
  }
}

function leaseKey(lease: Lease): string {
  return `${peerIdOf(lease.author)}/${lease.partition}/${lease.task}`
}

function intentKey({ author }: Intent): string {
  return `${peerIdOf(author)}/intent`
}
