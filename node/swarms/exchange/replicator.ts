/**
 * Keeps what others publish: fetches raw targets, chosen shards and the bundles of their priors as they appear, so that the dataset survives
 * its authors. What failed is tried again, less and less often, for as long as the view wants it.
 *
 * A node that holds the partitions anyway (the publisher) pays only for the targets: the image blocks of a shard are those of the partition.
 * Bundles are as large as their authors like, so all of a swarm together have a limit; those that go beyond it stay with their authors.
 */
import type { PeerKey } from '../../../src/envelope.ts'
import { CoOptError } from '../../../src/errors.ts'
import { least } from '../../../src/extremes.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { heldBundle, keepBundle } from '../../priors/bundle/fetch-bundle.ts'
import type { CID } from 'multiformats/cid'
import type { Content } from '../../content/content.ts'
import type { Logger } from '../../process/logger.ts'
import type { ReadableState } from '../../state/swarm-state.ts'

/** After a failed fetch: 5 s, doubling to 5 min. The fetch itself waits for minutes. */
const FIRST_RETRY_MS = 5_000
const MAX_RETRY_MS = 300_000

/** Files fetched at once: one that nobody has must not hold up the others. */
const CONCURRENCY = 4

interface Wanted {
  readonly cid: CID
  /** The most that it may have */
  readonly bytes: number
  readonly from: PeerKey
  /** A directory with a prior, not a file */
  readonly isBundle?: boolean
}

export interface Replicator {
  start(): void
  stop(): Promise<void>
}

export function createReplicator({
  state,
  content,
  maxBundleBytes,
  logger
}: {
  state: ReadableState
  content: Content
  /** Of all bundles together, as their authors state them */
  maxBundleBytes: number
  logger: Logger
}): Replicator {
  const { manifest } = state.swarm
  const controller = new AbortController()
  const { signal } = controller
  /** Files that are wanted and could not be fetched */
  const failures = new Map<string, { count: number; retryAt: number }>()
  /** Bundles of the present view that the log says are too large */
  let reportedBundles: ReadonlySet<string> = new Set()
  let running: Promise<void> | undefined
  let isStale = false // something may have changed since the last pass began
  let timer: NodeJS.Timeout | undefined

  const wanted = (): Wanted[] => {
    const out: Wanted[] = []
    const view = state.view()
    for (const work of [...view.chosen.values(), ...[...view.pending.values()].flat()]) {
      const rows = manifest.partitions[work.partition]?.rows ?? 0
      out.push({ cid: work.result.body.raw, bytes: rows * manifest.dimension * 4, from: work.result.body.author })
    }
    for (const { alignment } of view.chosen.values()) {
      out.push({ cid: alignment.body.shard, bytes: alignment.body.bytes, from: alignment.body.author })
    }
    const scores = new Map([...view.chosen.values()].map(({ score }) => [score.key, score.body]))
    const bundles = new Map<string, Wanted>()
    for (const { prior, author } of scores.values()) {
      if (prior.bundle === undefined) continue
      const { cid, dagBytes } = prior.bundle
      bundles.set(keyOf(cid, dagBytes), { cid, bytes: dagBytes, from: author, isBundle: true })
    }
    return [...out, ...withinLimit([...bundles.values()])]
  }

  /** The smallest first: one that is huge crowds out no other. */
  const withinLimit = (bundles: readonly Wanted[]): Wanted[] => {
    let left = maxBundleBytes
    const sorted = bundles.toSorted((a, b) => a.bytes - b.bytes)
    const fitting = sorted.filter(({ bytes }) => (left -= bytes) >= 0)
    const tooLarge = sorted.slice(fitting.length)
    for (const { cid, bytes } of tooLarge) {
      if (reportedBundles.has(keyOf(cid, bytes))) continue
      logger.warn('bundle is not replicated: over replicateBundleBytes', { cid: cid.toString(), bytes, maxBundleBytes })
    }
    reportedBundles = new Set(tooLarge.map(({ cid, bytes }) => keyOf(cid, bytes)))
    return fitting
  }

  /** Returns whether it is here now. */
  const fetchOne = async ({ cid, bytes, from, isBundle = false }: Wanted): Promise<boolean> => {
    const key = keyOf(cid, bytes)
    try {
      if (isBundle) await keepBundle({ cid, dagBytes: bytes }, content, { signal, from })
      else await content.fetch(cid, bytes, { signal, from })
      failures.delete(key)
      return true
    } catch (error) {
      if (signal.aborted) return false
      if (!(error instanceof CoOptError)) throw error
      const count = (failures.get(key)?.count ?? 0) + 1
      const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (count - 1))
      failures.set(key, { count, retryAt: performance.now() + delay })
      logger.debug('not replicated yet', { cid: cid.toString(), reason: error.message })
      return false
    }
  }

  /** What is wanted now, is not here, and may be asked for. */
  const lacking = async (): Promise<Wanted[]> => {
    isStale = false
    const files = wanted()
    const keys = new Set(files.map(({ cid, bytes }) => keyOf(cid, bytes)))
    for (const key of failures.keys()) if (!keys.has(key)) failures.delete(key)
    const out: Wanted[] = []
    for (const file of files) {
      if (signal.aborted) return []
      const { cid, bytes, isBundle = false } = file
      if ((failures.get(keyOf(cid, bytes))?.retryAt ?? 0) > performance.now()) continue
      if (isBundle ? (await heldBundle(cid, content)) === undefined : !(await content.holds(cid))) out.push(file)
    }
    return out
  }

  const pass = async (): Promise<void> => {
    clearTimeout(timer)
    const queue = createAuthorQueue()
    queue.replace(await lacking())
    const work = async (): Promise<void> => {
      while (!signal.aborted) {
        if (isStale) queue.replace(await lacking())
        const taken = queue.take()
        if (taken === undefined) return
        taken.ended(await fetchOne(taken.file))
      }
    }
    const works = await Promise.allSettled(Array.from({ length: CONCURRENCY }, work))
    for (const done of works) if (done.status === 'rejected') throw done.reason
    if (signal.aborted) return
    const soonest = least([...failures.values()].map(({ retryAt }) => retryAt))
    if (Number.isFinite(soonest)) wakeIn(Math.max(0, soonest - performance.now()))
  }

  const wakeIn = (ms: number): void => {
    timer = setTimeout(wake, ms).unref()
  }

  const wake = (): void => {
    isStale = true
    if (running !== undefined || signal.aborted) return
    running = pass()
      .catch((error: unknown) => {
        if (signal.aborted) return
        // as the own disk does: nothing else may change that would wake this up
        logger.error('replication failed', { error: String(error), retryMs: MAX_RETRY_MS })
        wakeIn(MAX_RETRY_MS)
      })
      .finally(() => {
        running = undefined
        if (isStale) wake()
      })
  }

  return {
    start: () => {
      state.events.addEventListener('change', wake)
      wake()
    },
    stop: async () => {
      state.events.removeEventListener('change', wake)
      controller.abort()
      clearTimeout(timer)
      await running
    }
  }
}

// --- internal ---

/**
 * Files to fetch, each time the first of an author of whom the fewest are under way or did not come: a fetch of what nobody has takes minutes,
 * and anybody may name any number of such files.
 */
function createAuthorQueue() {
  let waiting: { file: Wanted; author: string }[] = []
  const underWay = new Set<string>()
  const burden = new Map<string, number>()
  const burdenOf = ({ author }: { author: string }): number => burden.get(author) ?? 0
  return {
    replace: (files: readonly Wanted[]): void => {
      waiting = files
        .filter(({ cid, bytes }) => !underWay.has(keyOf(cid, bytes)))
        .map(file => ({ file, author: peerIdOf(file.from) }))
    },
    take: (): { file: Wanted; ended(isHere: boolean): void } | undefined => {
      const fewest = least(waiting.map(burdenOf))
      const at = waiting.findIndex(one => burdenOf(one) === fewest)
      const [taken] = at < 0 ? [] : waiting.splice(at, 1)
      if (taken === undefined) return undefined
      const { file, author } = taken
      const key = keyOf(file.cid, file.bytes)
      underWay.add(key)
      burden.set(author, burdenOf(taken) + 1)
      const ended = (isHere: boolean): void => {
        underWay.delete(key)
        if (isHere) burden.set(author, burdenOf(taken) - 1)
      }
      return { file, ended }
    }
  }
}

/** With the length: a record that states a wrong one for the content of others does not keep theirs from being tried. */
function keyOf(cid: CID, bytes: number): string {
  return `${cid}/${bytes}`
}
