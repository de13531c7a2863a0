/**
 * Keeps what others publish: fetches raw targets, chosen shards and the bundles of their priors as they appear, so that the dataset survives its authors.
 *
 * A node that holds the partitions anyway (the publisher) pays only for the targets: the image blocks of a shard are those of the partition.
 * Bundles are as large as their authors like, so all of a swarm together have a limit; those that go beyond it stay with their authors.
 */
import type { PeerKey } from '../../../src/envelope.ts'
import { CoOptError } from '../../../src/errors.ts'
import { heldBundle, keepBundle } from '../../priors/bundle/fetch-bundle.ts'
import type { CID } from 'multiformats/cid'
import type { Content } from '../../content/content.ts'
import type { Logger } from '../../process/logger.ts'
import type { SwarmState } from '../../state/swarm-state.ts'

/** After a failed fetch the next try waits for a further change, but at least this long, ms. */
const RETRY_MS = 5_000

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
  state: SwarmState
  content: Content
  /** Of all bundles together, as their authors state them */
  maxBundleBytes: number
  logger: Logger
}): Replicator {
  const { manifest } = state.swarm
  const controller = new AbortController()
  const { signal } = controller
  const retryAt = new Map<string, number>()
  /** Bundles that are said to be too large */
  const told = new Set<string>()
  let running: Promise<void> | undefined
  let dirty = false
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
    return bundles
      .toSorted((a, b) => a.bytes - b.bytes)
      .filter(({ cid, bytes }) => {
        left -= bytes
        if (left >= 0) return true
        const key = keyOf(cid, bytes)
        if (!told.has(key)) {
          const fields = { cid: cid.toString(), bytes, maxBundleBytes }
          logger.warn('bundle is not replicated: over replicateBundleBytes', fields)
        }
        told.add(key)
        return false
      })
  }

  const pass = async (): Promise<void> => {
    dirty = false
    for (const { cid, bytes, from, isBundle = false } of wanted()) {
      if (signal.aborted) return
      const key = keyOf(cid, bytes)
      if ((retryAt.get(key) ?? 0) > performance.now()) continue
      if (isBundle ? (await heldBundle(cid, content)) !== undefined : await content.holds(cid)) continue
      try {
        if (isBundle) await keepBundle({ cid, dagBytes: bytes }, content, { signal, from })
        else await content.fetch(cid, bytes, { signal, from })
        retryAt.delete(key)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof CoOptError)) throw error
        retryAt.set(key, performance.now() + RETRY_MS)
        logger.debug('not replicated yet', { cid: cid.toString(), reason: error.message })
      }
    }
    if (retryAt.size > 0) {
      clearTimeout(timer)
      timer = setTimeout(wake, RETRY_MS)
      timer.unref()
    }
  }

  const wake = (): void => {
    dirty = true
    if (running !== undefined || signal.aborted) return
    running = pass()
      .catch((error: unknown) => logger.error('replication failed', { error: String(error) }))
      .finally(() => {
        running = undefined
        if (dirty) wake()
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

/** With the length: who states a wrong one for the content of others does not keep theirs from being tried. */
function keyOf(cid: CID, bytes: number): string {
  return `${cid}/${bytes}`
}
