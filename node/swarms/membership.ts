/**
 * Everything a node keeps and runs for one swarm it belongs to: state from the log, the judge, and with a network the exchange with other
 * members. Starts top to bottom, stops in reverse. Members are found elsewhere (swarms.ts): opening may depend on them.
 *
 * Guarantees: a member is a connected peer that showed that it belongs to this swarm (exchange/contacts.ts); peers of other swarms never count.
 * Callers take the part that they need of `Membership`.
 */
import { rm } from 'node:fs/promises'
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Swarm } from '../../src/distribute/manifest.ts'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { ContentUnavailableError } from '../../src/errors.ts'
import type { Choice } from '../../src/merge/views.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { importMatrix } from '../../src/publish/matrix-file.ts'
import type { Gemm } from '../../src/gemm.ts'
import { createChecker, type Checker, type CheckerInit } from '../checks/checker.ts'
import { createExact, type Exact } from '../compute/exact/exact.ts'
import type { Content } from '../content/content.ts'
import type { SwarmPaths } from '../home/home.ts'
import type { Installation } from '../home/installation.ts'
import type { Logger } from '../process/logger.ts'
import { verify } from '../process/verify-signature.ts'
import { createIntentTable, type IntentTable } from '../state/intents.ts'
import { createLeaseTable, type LeaseTable } from '../state/leases.ts'
import { createSwarmState, type SwarmState } from '../state/swarm-state.ts'
import { openSequence } from '../store/sequence.ts'
import { createAnnouncer, type Announcer } from './exchange/announcer.ts'
import { startExchange, type Exchange, type ExchangeInit } from './exchange/exchange.ts'
import { createFetchTargets } from './exchange/fetch-targets.ts'
import { createReplicaCounts } from './exchange/replica-counts.ts'
import type { MembershipNetwork } from './membership-network.ts'
import { openLog } from './open-log.ts'
import type { TwinState, TwinWatch } from './twin-watch.ts'
import { watchForTwin } from './watch-for-twin.ts'

export interface MembershipComponents {
  swarm: Swarm
  self: PeerKey
  sign: Sign
  content: Content
  /** May this home sign without listening first? */
  installation: Installation
  /** The swarm's own files in the home, prepared */
  paths: SwarmPaths
  /** Kernels for products that need not be exact */
  gemm: Gemm
  /** Without a network everything that needs no peer still works */
  network?: MembershipNetwork | undefined
  logger: Logger
  /** Ends the opening, which may wait for content; what is open ends with `stop` */
  signal: AbortSignal
}

export interface MembershipInit extends ExchangeInit {
  /** How long to listen for another process with this identity, ms (twin-watch.ts) */
  listenMs: number
  /** Look at the work of others, where there is a network and the manifest asks for it? */
  checks: boolean
  /** Of the shards that were confirmed, as in checks/checker.ts */
  replicas: CheckerInit['replicas']
  goneMs: number
  keepMs: number
}

/** What this node knows of the swarm, and the means to compute and to coordinate with it. */
export interface SwarmKnowledge {
  readonly swarm: Swarm
  readonly state: SwarmState
  readonly exact: Exact
  readonly leases: LeaseTable
  readonly intents: IntentTable
}

/** Meeting other members and exchanging records with them; none without a network. */
export interface MemberSync {
  /** Connected members */
  members(): PeerId[]
  /** Wait up to `ms` for a first member, then sync with all; without members go on with what is known. */
  catchUp(ms: number, signal: AbortSignal): Promise<void>
  /** Sync with every connected member now. Resolves to whether one of them answered. */
  sync(signal?: AbortSignal): Promise<boolean>
  /** A peer speaks as a member of the swarm, in a session that it opened. */
  onMember(peer: PeerId): void
}

/** How many copies of files the members hold. */
export interface ReplicaCounting {
  /** Which of these files does at least one other member hold completely? */
  heldByOthers(cids: readonly CID[], signal: AbortSignal): Promise<boolean[]>
  /** By how many other peers were these files seen to be held completely? Asks connected members, remembers the others. */
  holders(cids: readonly CID[], signal: AbortSignal): Promise<number[]>
}

/** Nobody else may sign with this identity (twin-watch.ts). */
export interface Identified {
  /** Resolves when this node may sign. Throws `IdentityInUseError`, or the signal's reason. */
  untilAlone(signal?: AbortSignal): Promise<void>
  twinState(): TwinState
}

/** Files in which unfinished work is kept. */
export interface Journals {
  journalPath(name: string): string
  removeJournal(name: string): Promise<void>
}

/** Looking at the work of others; nobody does without a network, or where the manifest asks for no checks. */
export interface Checking extends Pick<Checker, 'judgeWith' | 'isUndecided' | 'mayRetry'> {
  /** How many live holders of these shards are known, and how many there should be; undefined where nobody checks */
  copies(works: readonly Choice[]): { readonly min: number; readonly of: readonly number[] } | undefined
}

export interface Membership
  extends SwarmKnowledge, Announcer, MemberSync, ReplicaCounting, Identified, Journals, Checking {
  stop(): Promise<void>
}

export async function openMembership(components: MembershipComponents, init: MembershipInit): Promise<Membership> {
  const { swarm, self, sign, content, paths, network, installation, logger } = components
  const controller = new AbortController()
  const { signal } = controller
  // what was started is stopped in reverse, also when a later start fails
  await using starting = new AsyncDisposableStack()

  // what was published or learnt before
  const { log, set } = await openLog(paths.log, swarm, logger)
  starting.defer(async () => await log.close())
  const sequence = await openSequence(paths.sequence)

  // the judge, with the publisher's reference features
  const { referenceFeatures, shared } = swarm.manifest
  const features = await content.matrix(referenceFeatures.cid, shared.rows, referenceFeatures.dimension, {
    signal: AbortSignal.any([signal, components.signal]),
    from: swarm.manifest.publisher
  })
  const exact = await createExact(swarm, features)
  starting.defer(async () => await exact.close())

  let exchange: Exchange | undefined
  const members = (): PeerId[] => exchange?.antiEntropy.members() ?? []
  const fetchTargets = createFetchTargets({ swarm, content, reference: network?.reference, members })
  const reference = starting.use(content.writing()) // kept until the view names it
  const keepReference = async (matrix: Matrix32): Promise<void> => {
    reference.release()
    await importMatrix(matrix, reference.put)
    await content.barrier()
  }
  const patient = network !== undefined
  let watch: TwinWatch | undefined
  const state = createSwarmState(
    {
      swarm,
      self,
      sign,
      verify,
      log,
      sequence: {
        next: async known => {
          await watch?.untilAlone()
          return await sequence.next(Math.max(known, set.nextSeq(self))) // own records may have come meanwhile
        }
      },
      exact,
      fetchTargets,
      keepReference,
      patient,
      logger: logger.component('state')
    },
    set
  )
  starting.defer(async () => await state.stop())
  const leases = createLeaseTable({ self, ttlMs: init.leaseMs })
  const intents = createIntentTable({ self, ttlMs: init.leaseMs })
  state.events.addEventListener('record', ({ detail: { record } }) => {
    if ('partition' in record.body) leases.delivered(record.body.author, record.body.partition)
  })

  if (network !== undefined) {
    const running = await startExchange(
      { self, wire: network, state, leases, intents, content, logger: logger.component('exchange') },
      init
    )
    starting.defer(async () => await running.stop())
    exchange = running
  }
  const announcer = createAnnouncer({ swarm: swarm.id, self, sign, gossip: exchange?.gossip })
  if (exchange !== undefined) {
    const watching = watchForTwin(
      exchange,
      announcer,
      { swarm: swarm.id, self, state, sequence, installation, logger },
      init.listenMs
    )
    starting.defer(async () => await watching.stop())
    watch = watching
  }
  starting.defer(() => controller.abort(new ContentUnavailableError('the node is stopping')))
  state.start()

  const replicas = createReplicaCounts({
    members,
    ask: async (peer, cids, options) => (await network?.sync.holds(peer, swarm.id, cids, options)) ?? [],
    logger
  })
  let checker: Checker | undefined
  if (init.checks && network !== undefined && swarm.manifest.acceptance !== undefined) {
    const running = createChecker(
      {
        self,
        state,
        content,
        exact,
        gemm: components.gemm,
        members: () => members().flatMap(peer => keyOf(peer) ?? []),
        heldByOthers: replicas.heldByAnyone,
        announce: announcer.announce,
        untilAlone: async waiting => await watch?.untilAlone(waiting),
        logger: logger.component('checks')
      },
      { overdueMs: init.leaseMs, replicas: init.replicas, goneMs: init.goneMs, keepMs: init.keepMs }
    )
    running.start()
    starting.defer(async () => await running.stop())
    checker = running
  }
  const started = starting.move()
  return {
    swarm,
    state,
    exact,
    leases,
    intents,
    ...announcer,
    untilAlone: async waiting => await watch?.untilAlone(waiting),
    twinState: () => watch?.state ?? 'alone',
    judgeWith: judge => checker?.judgeWith(judge) ?? NOBODY,
    isUndecided: work => checker?.isUndecided(work) ?? false,
    mayRetry: () => checker?.mayRetry() ?? false,
    copies: works => (checker === undefined ? undefined : { min: init.replicas.min, of: checker.copiesOf(works) }),
    ...memberSync(exchange),
    heldByOthers: replicas.heldByAnyone,
    holders: replicas.counts,
    journalPath: name => paths.journal(name),
    removeJournal: async name => await rm(paths.journal(name), { force: true }),
    stop: async () => await started.disposeAsync()
  }
}

// --- internal ---

const NOBODY: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} }

/** Of members, whose ids are Ed25519 keys; a peer with another kind of key can be connected, and signs nothing. */
function keyOf(peer: PeerId): PeerKey | undefined {
  return peer.type === 'Ed25519' ? peer.publicKey.raw : undefined
}

function memberSync(exchange: Exchange | undefined): MemberSync {
  if (exchange === undefined)
    return { members: () => [], catchUp: async () => {}, sync: async () => false, onMember: () => {} }
  const { antiEntropy } = exchange
  return {
    members: antiEntropy.members,
    catchUp: async (ms, signal) => {
      const deadline = AbortSignal.timeout(Math.max(1, ms))
      try {
        await antiEntropy.firstMember(AbortSignal.any([signal, deadline]))
      } catch (error) {
        signal.throwIfAborted()
        if (!deadline.aborted) throw error
        return // alone for now
      }
      await antiEntropy.syncAll(AbortSignal.any([signal, deadline]))
    },
    sync: antiEntropy.syncAll,
    onMember: antiEntropy.onMember
  }
}
