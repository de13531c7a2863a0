/**
 * What one swarm exchanges with its members over the network: records, leases and intents by gossip, records by anti-entropy, files by replication and
 * provider records in the DHT. Parts start in this order and stop in reverse.
 */
import type { PeerId } from '@libp2p/interface'
import { createGossip, type Gossip } from '../../../protocols/gossip/gossip.ts'
import type { PeerKey } from '../../../src/envelope.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { Content } from '../../content/content.ts'
import type { Logger } from '../../process/logger.ts'
import { verify } from '../../process/verify-signature.ts'
import type { IntentTable } from '../../state/intents.ts'
import type { LeaseTable } from '../../state/leases.ts'
import type { ReadableState, RecordIntake } from '../../state/swarm-state.ts'
import type { MembershipNetwork } from '../membership-network.ts'
import { createAntiEntropy, type AntiEntropy } from './anti-entropy.ts'
import { createReplicator } from './replicator.ts'
import { createReprovider } from './reprovider.ts'

export interface ExchangeComponents {
  /** This node */
  self: PeerKey
  wire: MembershipNetwork
  state: ReadableState & RecordIntake
  leases: LeaseTable
  intents: IntentTable
  content: Content
  logger: Logger
}

export interface ExchangeInit {
  /** How long a lease holds, ms */
  leaseMs: number
  /** Mean pause between anti-entropy rounds, ms */
  syncMs: number
  /** Keep what others publish (replicator.ts), of bundles so many bytes */
  replicate: boolean
  replicateBundleBytes: number
}

export interface Exchange {
  readonly gossip: Gossip
  readonly antiEntropy: AntiEntropy
  stop(): Promise<void>
}

/** Everything has started when this resolves. */
export async function startExchange(
  { self, wire, state, leases, intents, content, logger }: ExchangeComponents,
  init: ExchangeInit
): Promise<Exchange> {
  const { libp2p, helia, conduct } = wire.network
  const { pubsub } = libp2p.services
  await using starting = new AsyncDisposableStack()

  const gossip = createGossip(
    { pubsub, swarm: state.swarm, receive: state.receive, verify, logger: libp2p.logger },
    { leaseMs: init.leaseMs, onFault: (peer, reason) => conduct.fault(peer, reason) }
  )
  gossip.addEventListener('lease', ({ detail }) => leases.observe(detail))
  gossip.addEventListener('intent', ({ detail }) => intents.observe(detail))
  await gossip.start()
  starting.defer(async () => await gossip.stop())

  const antiEntropy = createAntiEntropy(
    { libp2p, sync: wire.sync, swarm: state.swarm.id, logger },
    { intervalMs: init.syncMs }
  )
  await antiEntropy.start()
  starting.defer(async () => await antiEntropy.stop())

  // what shows that a peer is a member, beside the sessions themselves
  for (const peer of pubsub.getSubscribers(gossip.topic)) antiEntropy.onMember(peer)
  const onSubscription = ({ detail }: CustomEvent<{ peerId: PeerId; subscriptions: Subscription[] }>): void => {
    const change = detail.subscriptions.findLast(({ topic }) => topic === gossip.topic)
    if (change?.subscribe === true) antiEntropy.onMember(detail.peerId)
    else if (change?.subscribe === false) antiEntropy.onUnsubscribed(detail.peerId)
  }
  const onRecord = ({ detail: { record } }: CustomEvent<{ record: { body: { author: Uint8Array } } }>): void =>
    antiEntropy.onAuthor(peerIdOf(record.body.author))
  pubsub.addEventListener('subscription-change', onSubscription)
  state.events.addEventListener('record', onRecord)
  starting.defer(() => {
    pubsub.removeEventListener('subscription-change', onSubscription)
    state.events.removeEventListener('record', onRecord)
  })

  const reprovider = createReprovider({
    content,
    state,
    self,
    peers: () => libp2p.getPeers(),
    provide: async (cid, options) => await helia.routing.provide(cid, options),
    logger
  })
  reprovider.start()
  starting.defer(async () => await reprovider.stop())

  if (init.replicate) {
    const replicator = createReplicator({ state, content, maxBundleBytes: init.replicateBundleBytes, logger })
    replicator.start()
    starting.defer(async () => await replicator.stop())
  }

  const started = starting.move()
  return { gossip, antiEntropy, stop: async () => await started.disposeAsync() }
}

// --- internal ---

/** As `subscription-change` of gossipsub tells it */
interface Subscription {
  topic: string
  subscribe: boolean
}
