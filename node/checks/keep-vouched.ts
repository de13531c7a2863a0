/**
 * Keeps what this node vouched for: reads its files again, one piece of work after a pause, fetches what is damaged or gone from others, and says `lost`
 * in place of its word when nobody has it either. Own shards likewise: an author has no voice in its own work, and others count its copy until it says so.
 *
 * A start looks at the first block of each file only, one `stat`, and begins with work of which it is missing: a disk that was replaced is noticed at once.
 */
import type { CID } from 'multiformats/cid'
import type { PeerKey } from '../../src/envelope.ts'
import { ContentUnavailableError, CoOptError } from '../../src/errors.ts'
import type { Choice } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Content } from '../content/content.ts'
import type { Logger } from '../process/logger.ts'
import type { ReadableState } from '../state/swarm-state.ts'
import { wordsOf } from './words.ts'

export interface KeeperComponents {
  self: PeerKey
  state: ReadableState
  content: Pick<Content, 'tree' | 'has' | 'peek' | 'fetch' | 'distrust'>
  /** How long to wait for files of this work, by whether somebody holds them */
  deadlineOf(work: Choice): Promise<AbortSignal>
  /** Publish that this node has it no more */
  lost(work: Choice): Promise<void>
  logger: Logger
}

/** Until there is something to keep: after a start the view waits for the election. */
const SOON_MS = 5_000

export interface Keeper {
  start(): void
  stop(): Promise<void>
}

/** `keepMs`: pause between two pieces of work; 0 keeps nothing */
export function createKeeper(
  { self, state, content, deadlineOf, lost, logger }: KeeperComponents,
  keepMs: number
): Keeper {
  const { manifest } = state.swarm
  const me = peerIdOf(self)
  const controller = new AbortController()
  const { signal } = controller
  /** Alignments in the order in which they were read, so that all have their turn */
  const read = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let first: string[] | undefined

  /** What others rely on: chosen work that this node made or last found sound */
  const vouched = (): Choice[] => {
    const { shards } = wordsOf(state.set)
    return [...state.view().chosen.values()].filter(({ alignment }) => {
      const word = shards.get(alignment.key)?.get(me)?.shard
      return peerIdOf(alignment.body.author) === me ? word !== 'lost' : word === 'sound'
    })
  }

  const filesOf = ({ partition, result, alignment }: Choice): { cid: CID; bytes: number }[] => {
    const rows = manifest.partitions[partition]?.rows ?? 0
    return [
      { cid: result.body.raw, bytes: rows * manifest.dimension * 4 },
      { cid: alignment.body.shard, bytes: alignment.body.bytes }
    ]
  }

  /** Every block is hashed as it is read (store/durable-blockstore.ts). */
  const isWhole = async ({ cid, bytes }: { cid: CID; bytes: number }): Promise<boolean> => {
    const file = await content.tree(cid, bytes)
    if (file === undefined) return false
    for (const leaf of file.leaves) {
      signal.throwIfAborted()
      if ((await content.peek(leaf.cid)) === undefined) return false
    }
    return true
  }

  /** Returns whether something was missing. */
  const look = async (work: Choice): Promise<boolean> => {
    const missing = []
    for (const file of filesOf(work)) if (!(await isWhole(file))) missing.push(file)
    if (missing.length === 0) return false
    content.distrust()
    const { partition, alignment } = work
    logger.warn('a file that this node vouched for is damaged or gone', {
      partition,
      files: missing.map(({ cid }) => `${cid}`)
    })
    const deadline = await deadlineOf(work)
    const waiting = AbortSignal.any([signal, deadline])
    const from = peerIdOf(alignment.body.author) === me ? {} : { from: alignment.body.author }
    try {
      for (const { cid, bytes } of missing) await content.fetch(cid, bytes, { signal: waiting, ...from })
      logger.info('it was fetched again', { partition })
    } catch (error) {
      signal.throwIfAborted()
      if (!deadline.aborted && !(error instanceof ContentUnavailableError)) throw error
      logger.warn('nobody has it: this node says that it lost it', { partition })
      await lost(work)
    }
    return true
  }

  const next = async (): Promise<Choice | undefined> => {
    const works = new Map(vouched().map(work => [work.alignment.key, work]))
    if (first === undefined && works.size > 0) {
      first = []
      for (const [key, work] of works) {
        signal.throwIfAborted()
        for (const { cid } of filesOf(work)) if (!(await content.has(cid)) && !first.includes(key)) first.push(key)
      }
    }
    for (const key of read) if (!works.has(key)) read.delete(key)
    for (let key = first?.pop(); key !== undefined; key = first?.pop()) {
      const work = works.get(key)
      if (work !== undefined) return work
    }
    if (works.size > 0 && [...works.keys()].every(key => read.has(key))) read.clear()
    return [...works].find(([key]) => !read.has(key))?.[1]
  }

  const turn = async (): Promise<void> => {
    const work = await next()
    if (work === undefined) return wakeIn(Math.min(keepMs, SOON_MS))
    read.add(work.alignment.key)
    const wasDamaged = await look(work)
    // damage seldom comes alone; but what a broken disk loses again and again must not be fetched without a pause
    const isRoundOver = vouched().every(({ alignment }) => read.has(alignment.key))
    wakeIn(wasDamaged && !isRoundOver ? 0 : keepMs)
  }

  const wakeIn = (ms: number): void => {
    timer = setTimeout(() => {
      running = turn().catch((error: unknown) => {
        if (signal.aborted) return
        const log = error instanceof CoOptError ? logger.warn : logger.error
        log('what this node vouched for could not be looked at', { error })
        wakeIn(keepMs)
      })
    }, ms).unref()
  }

  return {
    start: () => {
      if (keepMs > 0) wakeIn(0)
    },
    stop: async () => {
      controller.abort()
      clearTimeout(timer)
      await running
      clearTimeout(timer)
    }
  }
}
