/**
 * Makes what this node holds of a swarm findable in the DHT by its CIDs, also for peers that are not members: S_Y of the scores, bundles of
 * priors, the chosen shards, the merged directory; of scores those that count, since an attacker can publish any number. S_Y, which every member holds, is announced
 * by its author and by the few whom rendezvous hashing chooses: with all of them the DHT would hold the square of the members. Partitions and the shared set are found through the manifest, which every member provides
 * (network/discovery.ts).
 *
 * Guarantees: a new file is announced in the first round that begins `gatherMs` after its change, or right after the round under way, however
 * many changes follow; in a round, files that were never announced come first, and a change ends the announcing again of others. Everything is announced again at intervals, because
 * records in a DHT fade, and to new neighbours while there were only a few: of a large swarm the neighbours change all the time, and the DHT keeps a
 * record with the 20 peers closest to it. One round runs at a time.
 */
import type { AbortOptions, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { equalBytes } from '../../../src/codec.ts'
import { rendezvousWeight } from '../../../src/distribute/assignment.ts'
import type { PeerKey } from '../../../src/envelope.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { Score } from '../../../src/publish/record.ts'
import { countedScores } from '../../../src/merge/counted-scores.ts'
import { heldBundle } from '../../priors/bundle/fetch-bundle.ts'
import type { Content } from '../../content/content.ts'
import type { Logger } from '../../process/logger.ts'
import { mergeSwarm } from '../../merge/merge-swarm.ts'
import type { ReadableState } from '../../state/swarm-state.ts'

/** Provider records live for two days; half of it leaves room for a missed turn. */
const REPROVIDE_MS = 24 * 3600 * 1000
/** Changes come in bursts, and neighbours one after the other: one round for all of them. */
const GATHER_MS = 2000
/** Neighbours change without an event of ours: looked at as often as members are searched for. */
const NEIGHBOURS_MS = 10 * 60_000
/** With so many neighbours, an announcement has reached as many peers as keep it. */
const ENOUGH_NEIGHBOURS = 8
/** A lookup on a small private network is done at once or never. */
const LOOKUP_MS = 10_000

/** Announcing takes at most a tenth of the time … */
const REST_FACTOR = 9
/** … and a search that never ended is not waited for ten times as long. */
const MAX_REST_MS = 5000

/** Members beside its author that announce a matrix which all have. */
const PROVIDERS_OF_TARGETS = 4

export interface ReproviderComponents {
  content: Content
  state: ReadableState
  /** This node */
  self: PeerKey
  /** Connected peers: they keep the provider records */
  peers(): PeerId[]
  provide(cid: CID, options: AbortOptions): Promise<void>
  logger: Logger
}

export interface ReproviderInit {
  /** @default 24 hours */
  reprovideMs?: number
  /** @default 2000 */
  gatherMs?: number
}

export interface Reprovider {
  start(): void
  stop(): Promise<void>
}

export function createReprovider(components: ReproviderComponents, init: ReproviderInit = {}): Reprovider {
  const { content, state, self, peers, provide, logger } = components
  const { reprovideMs = REPROVIDE_MS, gatherMs = GATHER_MS } = init
  const controller = new AbortController()
  const { signal } = controller
  /** Of files that are still wanted: when, and with which neighbours, each was provided last */
  const provided = new Map<string, { at: number; peers: ReadonlySet<string> }>()
  let next: { timer: NodeJS.Timeout; at: number } | undefined
  let running: Promise<void> | undefined
  let changedMeanwhile = false

  const heldFiles = async (): Promise<CID[]> => {
    const view = state.view()
    const scores = countedScores(state.set)
    const authors = [...new Map(scores.map(({ body }) => [peerIdOf(body.author), body.author])).values()]
    const files = [
      ...scores.filter(({ body }) => isProviderOf(self, body, authors)).map(({ body }) => body.targets),
      ...[...view.chosen.values()].map(({ alignment }) => alignment.body.shard)
    ]
    const { cid, matrix } = view.election.reference ?? {}
    if (cid !== undefined && matrix !== undefined) files.push(cid)
    const held: CID[] = []
    for (const file of files) if (await content.holds(file)) held.push(file)
    for (const { body } of scores) {
      const bundle = body.prior.bundle?.cid
      if (bundle !== undefined && (await heldBundle(bundle, content)) !== undefined) held.push(bundle)
    }
    // the directory of a dataset that is still growing changes with every shard
    if (view.complete) held.push((await mergeSwarm({ swarm: state.swarm, state }, content)).root)
    return held
  }

  const round = async (): Promise<void> => {
    const neighbours = new Set(peers().map(String))
    if (neighbours.size === 0) return // nobody to tell
    const files = new Map((await heldFiles()).map(cid => [cid.toString(), cid]))
    for (const key of provided.keys()) if (!files.has(key)) provided.delete(key)
    const fresh = [...files].filter(([key]) => !provided.has(key))
    const known = [...files].filter(([key]) => provided.has(key))
    let restMs = 0
    for (const [key, cid] of [...fresh, ...known]) {
      if (signal.aborted) return
      const last = provided.get(key)
      const isTold =
        last !== undefined &&
        (last.peers.size >= ENOUGH_NEIGHBOURS || ![...neighbours].some(peer => !last.peers.has(peer)))
      if (isTold && performance.now() - last.at < reprovideMs) continue
      await rest(restMs)
      if (signal.aborted || (last !== undefined && changedMeanwhile)) return
      const began = performance.now()
      try {
        await provide(cid, { signal: AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS)]) })
        provided.set(key, { at: performance.now(), peers: neighbours })
      } catch (error) {
        if (!signal.aborted) logger.debug('not provided to the DHT', { cid: key, reason: String(error) })
      }
      restMs = REST_FACTOR * (performance.now() - began)
      // announcing again can wait: the next round goes on with it
      if (last !== undefined && changedMeanwhile) return
    }
  }

  const rest = async (ms: number): Promise<void> => {
    if (signal.aborted || ms < 1) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, Math.min(MAX_REST_MS, ms)).unref()
    const onAbort = (): void => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    await promise
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }

  const begin = (): void => {
    next = undefined
    changedMeanwhile = false
    running = round()
      .catch((error: unknown) => logger.error('providing failed', { error: String(error) }))
      .finally(() => {
        running = undefined
        if (!signal.aborted) beginWithin(changedMeanwhile ? gatherMs : Math.min(reprovideMs, NEIGHBOURS_MS))
      })
  }

  /** A round that is due earlier stays: further changes must not put it off. */
  const beginWithin = (ms: number): void => {
    const at = performance.now() + ms
    if (next !== undefined && next.at <= at) return
    clearTimeout(next?.timer)
    next = { timer: setTimeout(begin, ms).unref(), at }
  }

  const onChange = (): void => {
    if (running === undefined) beginWithin(gatherMs)
    else changedMeanwhile = true
  }

  return {
    start: () => {
      state.events.addEventListener('change', onChange)
      beginWithin(gatherMs)
    },
    stop: async () => {
      state.events.removeEventListener('change', onChange)
      controller.abort()
      clearTimeout(next?.timer)
      await running
    }
  }
}

// --- internal ---

function isProviderOf(self: PeerKey, { author, targets }: Score, authors: readonly PeerKey[]): boolean {
  if (equalBytes(author, self)) return true
  const own = rendezvousWeight(self, targets)
  let before = 0
  for (const peer of authors) if (!equalBytes(peer, self) && rendezvousWeight(peer, targets) > own) before++
  return before < PROVIDERS_OF_TARGETS
}
