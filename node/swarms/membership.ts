/**
 * Everything a node keeps and runs for one swarm it belongs to: state from the log, the judge, and with a network gossip, sync and
 * replication. Starts top to bottom, stops in reverse. Members are found elsewhere (swarms.ts): opening may depend on them.
 */
import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { createGossip, type Gossip } from '../../protocols/gossip/gossip.ts'
import type { Sync } from '../../protocols/sync/sync.ts'
import type { ReferenceClient } from '../../protocols/reference/client.ts'
import { decodeMatrix } from '../../src/bytes.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { ContentUnavailableError, CoOptError, InvalidContentError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import { importMatrix } from '../../src/publish/matrix-file.ts'
import { openRecord, sealLease, type Lease, type Score, type SignedRecord } from '../../src/publish/record.ts'
import { createAntiEntropy, type AntiEntropy } from './exchange/anti-entropy.ts'
import type { Content } from '../content/content.ts'
import { createExact, type Exact } from '../compute/exact/exact.ts'
import { failpoint } from '../process/failpoint.ts'
import { createHolders } from './exchange/replica-counts.ts'
import type { SwarmPaths } from '../home/home.ts'
import { verify } from '../process/verify-signature.ts'
import { createLeaseTable, type LeaseTable } from '../state/leases.ts'
import type { Logger } from '../process/logger.ts'
import type { Network } from '../network/network.ts'
import { createProvider } from './exchange/reprovider.ts'
import { createReplicator } from './exchange/replicator.ts'
import { openRecordLog } from '../store/record-log.ts'
import { openSequence } from '../store/sequence.ts'
import { createSwarmState, type SwarmState } from '../state/swarm-state.ts'

export interface MembershipNetwork {
  network: Network
  sync: Sync
  reference: ReferenceClient
}

export interface MembershipComponents {
  swarm: Swarm
  self: PeerKey
  sign: Sign
  content: Content
  /** The swarm's own files in the home, prepared */
  paths: SwarmPaths
  /** Without a network everything that needs no peer still works */
  network?: MembershipNetwork | undefined
  logger: Logger
  /** Ends the opening, which may wait for content; what is open ends with `stop` */
  signal: AbortSignal
}

export interface MembershipInit {
  /** How long a lease holds, ms */
  leaseMs: number
  /** Mean pause between anti-entropy rounds, ms */
  syncMs: number
  /** Fetch what others publish, so that it survives them: the publisher does, who has the images anyway. Of bundles so many bytes */
  replicate: boolean
  replicateBundleBytes: number
}

export interface Membership {
  readonly swarm: Swarm
  readonly state: SwarmState
  readonly exact: Exact
  readonly leases: LeaseTable
  /** Connected members; none without a network */
  members(): PeerId[]
  /** Wait up to `ms` for a first member, then sync with all; without members go on with what is known. */
  catchUp(ms: number, signal: AbortSignal): Promise<void>
  /** Sync with every connected member now. Resolves to whether one of them answered. */
  sync(signal?: AbortSignal): Promise<boolean>
  announce(record: SignedRecord): Promise<void>
  announceLease(lease: Pick<Lease, 'partition' | 'task' | 'done' | 'released'>): Promise<void>
  journalPath(name: string): string
  removeJournal(name: string): Promise<void>
  /** Which of these files does at least one other member hold completely? */
  heldByOthers(cids: readonly CID[], signal: AbortSignal): Promise<boolean[]>
  /** By how many other peers were these files seen to be held completely? Asks the connected ones, remembers the others. */
  holders(cids: readonly CID[], signal: AbortSignal): Promise<number[]>
  /** Take records that came through the sync protocol. */
  accept(records: readonly SignedRecord[]): void
  stop(): Promise<void>
}

/** Between looks for a first member. */
const LOOK_MS = 50

export async function openMembership(components: MembershipComponents, init: MembershipInit): Promise<Membership> {
  const { swarm, self, sign, content, paths, network, logger } = components
  const { manifest } = swarm
  const controller = new AbortController()
  const { signal } = controller
  // what was started is stopped in reverse, also when a later start fails
  await using starting = new AsyncDisposableStack()

  // what was published or learnt before, each checked again by the same code as on arrival
  const records: SignedRecord[] = []
  const replay = (bytes: Uint8Array): void => {
    try {
      records.push(openRecord(bytes, swarm, verify))
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error
      logger.warn('a record in the log is not valid and is left out', { reason: error.message })
    }
  }
  const log = await openRecordLog(paths.log, { replay })
  starting.defer(async () => await log.close())
  if (log.report.lostBytes > 0) {
    logger.warn('the record log was damaged; what could be read was kept, the rest is asked of the other members', {
      ...log.report
    })
  }
  const sequence = await openSequence(paths.sequence)

  // the judge, with the publisher's reference features
  const { referenceFeatures, shared, dimension } = manifest
  const features = await content.matrix(referenceFeatures.cid, shared.rows, referenceFeatures.dimension, {
    signal: AbortSignal.any([signal, components.signal]),
    from: manifest.publisher
  })
  const exact = await createExact(swarm, features)
  starting.defer(async () => await exact.close())

  const fetchTargets = async (score: SignedRecord<Score>, options: { signal: AbortSignal }): Promise<Matrix32> => {
    const { targets, author } = score.body
    if (await content.holds(targets)) return await content.matrix(targets, shared.rows, dimension, options)
    if (network === undefined)
      throw new ContentUnavailableError(`${targets} is not in the store, and the network is not running`)
    const from = peerIdFromString(peerIdOf(author))
    const others = antiEntropy?.members().filter(peer => !peer.equals(from)) ?? []
    const size = shared.rows * dimension * 4
    const bytes = await network.reference
      .fetchMatrix([from, ...others], targets, size, options)
      .catch((cause: unknown) => {
        // what a peer says of a length is no proof: only bytes that hash to the CID are
        throw cause instanceof InvalidContentError ? new ContentUnavailableError(cause.message, { cause }) : cause
      })
    const matrix = decodeMatrix(bytes, shared.rows, dimension)
    await importMatrix(matrix, content.put) // from now on this node serves it as well
    return matrix
  }

  const reference = starting.use(content.writing()) // kept until the view names it
  const keepReference = async (matrix: Matrix32): Promise<void> => {
    reference.release()
    await importMatrix(matrix, reference.put)
    await content.barrier()
  }

  const state = createSwarmState(
    { swarm, self, sign, log, sequence, exact, fetchTargets, keepReference, patient: network !== undefined, logger },
    records
  )
  starting.defer(async () => await state.stop())
  const leases = createLeaseTable({ self, ttlMs: init.leaseMs })
  state.events.addEventListener('record', ({ detail: { record } }) => {
    if (record.body.type !== 'score') leases.delivered(record.body.author, record.body.partition)
  })
  let counter = 0

  let gossip: Gossip | undefined
  let antiEntropy: AntiEntropy | undefined
  if (network !== undefined) {
    const { libp2p, conduct } = network.network
    const own = createGossip(
      { pubsub: libp2p.services.pubsub, swarm, records: state.set, verify, logger: libp2p.logger },
      { leaseMs: init.leaseMs, onFault: (peer, reason) => conduct.fault(peer, reason) }
    )
    own.addEventListener('record', ({ detail }) => {
      state.receive(detail)
    })
    own.addEventListener('lease', ({ detail }) => leases.observe(detail))
    await own.start()
    starting.defer(async () => await own.stop())
    gossip = own

    const rounds = createAntiEntropy(
      { libp2p, sync: network.sync, swarm: swarm.id, logger },
      { intervalMs: init.syncMs }
    )
    await rounds.start()
    starting.defer(async () => await rounds.stop())
    antiEntropy = rounds

    const provider = createProvider({
      content,
      state,
      peers: () => libp2p.getPeers(),
      provide: async (cid, options) => await network.network.helia.routing.provide(cid, options),
      logger
    })
    provider.start()
    starting.defer(async () => await provider.stop())

    if (init.replicate) {
      const replicator = createReplicator({ state, content, maxBundleBytes: init.replicateBundleBytes, logger })
      replicator.start()
      starting.defer(async () => await replicator.stop())
    }
  }
  starting.defer(() => controller.abort(new ContentUnavailableError('the node is stopping')))
  state.start()

  const holders = createHolders({
    members: () => antiEntropy?.members() ?? [],
    ask: async (peer, cids, options) => (await network?.sync.holds(peer, swarm.id, cids, options)) ?? [],
    logger
  })

  const started = starting.move()
  return {
    swarm,
    state,
    exact,
    leases,
    members: () => antiEntropy?.members() ?? [],
    catchUp: async (ms, callSignal) => {
      if (antiEntropy === undefined) return
      const until = performance.now() + ms
      while (antiEntropy.members().length === 0 && performance.now() < until) {
        await pause(LOOK_MS, undefined, { signal: callSignal })
      }
      await antiEntropy.syncAll(AbortSignal.any([callSignal, AbortSignal.timeout(Math.max(1, ms))]))
    },
    sync: async callSignal => (await antiEntropy?.syncAll(callSignal)) ?? false,
    announce: async record => {
      await gossip?.publishRecord(record)
      await failpoint('publish:announce')
    },
    announceLease: async lease => {
      // above every counter of an earlier process, whose last lease others may still remember
      counter = Math.max(counter + 1, Date.now())
      const envelope = await sealLease({ v: 1, swarm: swarm.id, author: self, type: 'lease', counter, ...lease }, sign)
      await gossip?.publishLease(envelope)
    },
    journalPath: name => paths.journal(name),
    removeJournal: async name => await rm(paths.journal(name), { force: true }),
    heldByOthers: async (cids, callSignal) => await holders.anybody(cids, callSignal),
    holders: async (cids, callSignal) => await holders.counts(cids, callSignal),
    accept: list => list.forEach(record => void state.receive(record)),
    stop: async () => await started.disposeAsync()
  }
}
