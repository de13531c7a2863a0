/**
 * Makes what this node holds of a swarm findable in the DHT by its CIDs, also for those who are no members: S_Y of every score, bundles of
 * priors, the chosen shards, the merged directory. New files soon after they appear, and everything again at intervals and to new neighbours,
 * because records in a DHT fade and nodes that keep them leave.
 *
 * Partitions and the shared set are found through the manifest, which every member provides (network/discovery.ts).
 */
import type { AbortOptions, PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { heldBundle } from '../../priors/bundle/fetch-bundle.ts'
import type { Content } from '../../content/content.ts'
import type { Logger } from '../../process/logger.ts'
import { mergeSwarm } from '../../merge/merge-swarm.ts'
import type { SwarmState } from '../../state/swarm-state.ts'

/** Provider records live for two days; half of it leaves room for a missed turn. */
const REPROVIDE_MS = 24 * 3600 * 1000
/** Changes come in bursts, and neighbours one after the other: one round for all of them. */
const GATHER_MS = 2000
/** A lookup on a small private network is done at once or never. */
const LOOKUP_MS = 10_000

export interface ProviderComponents {
  content: Content
  state: SwarmState
  peers(): PeerId[]
  provide(cid: CID, options: AbortOptions): Promise<void>
  logger: Logger
}

export interface ProviderInit {
  /** @default 24 hours */
  reprovideMs?: number
  /** @default 2000 */
  gatherMs?: number
}

export interface Provider {
  start(): void
  stop(): Promise<void>
}

export function createProvider(components: ProviderComponents, init: ProviderInit = {}): Provider {
  const { content, state, peers, provide, logger } = components
  const { reprovideMs = REPROVIDE_MS, gatherMs = GATHER_MS } = init
  const controller = new AbortController()
  const { signal } = controller
  /** When, and with which neighbours, each was provided last */
  const provided = new Map<string, { at: number; peers: string }>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  const roots = async (): Promise<CID[]> => {
    const view = state.view()
    const files = [
      ...state.set.byType('score').map(({ body }) => body.targets),
      ...[...view.chosen.values()].map(({ alignment }) => alignment.body.shard)
    ]
    const { cid, matrix } = view.election.reference ?? {}
    if (cid !== undefined && matrix !== undefined) files.push(cid)
    const held: CID[] = []
    for (const cid of files) if (await content.holds(cid)) held.push(cid)
    for (const { body } of state.set.byType('score')) {
      const bundle = body.prior.bundle?.cid
      if (bundle !== undefined && (await heldBundle(bundle, content)) !== undefined) held.push(bundle)
    }
    // the directory of a dataset that is still growing changes with every shard
    if (view.complete) held.push((await mergeSwarm({ swarm: state.swarm, state }, content)).root)
    return held
  }

  const round = async (): Promise<void> => {
    const neighbours = peers().map(String).sort().join()
    if (neighbours === '') return // nobody to tell
    for (const cid of await roots()) {
      if (signal.aborted) return
      const key = cid.toString()
      const last = provided.get(key)
      if (last !== undefined && last.peers === neighbours && performance.now() - last.at < reprovideMs) continue
      try {
        await provide(cid, { signal: AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS)]) })
        provided.set(key, { at: performance.now(), peers: neighbours })
      } catch (error) {
        if (!signal.aborted) logger.debug('not provided to the DHT', { cid: key, reason: String(error) })
      }
    }
  }

  const after = (ms: number): void => {
    clearTimeout(timer)
    timer = setTimeout(wake, ms)
    timer.unref()
  }

  const wake = (): void => {
    running ??= round()
      .catch((error: unknown) => logger.error('providing failed', { error: String(error) }))
      .finally(() => {
        running = undefined
        // neighbours change without an event of ours: looked at as often as members are searched for
        if (!signal.aborted) after(Math.min(reprovideMs, NEIGHBOURS_MS))
      })
  }

  const onChange = (): void => after(gatherMs)

  return {
    start: () => {
      state.events.addEventListener('change', onChange)
      after(gatherMs)
    },
    stop: async () => {
      state.events.removeEventListener('change', onChange)
      controller.abort()
      clearTimeout(timer)
      await running
    }
  }
}

/** Between two looks at who is connected, ms. */
const NEIGHBOURS_MS = 10 * 60_000
