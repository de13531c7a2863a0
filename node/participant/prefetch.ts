/**
 * Fetches the partitions that are probably next while this node works on something else, the shared set first of all, so that neither line nor processor
 * waits for the other: with one partition ahead a line stood still whenever an alignment took longer than a transfer. One after the other, on the
 * disk; what others take meanwhile is given up.
 */
import type { Manifest } from '../../src/distribute/manifest.ts'
import type { Content } from '../content/content.ts'
import type { Logger } from '../process/logger.ts'

/** The partition, or the shared set, that is worked on */
export type Present = number | 'shared'

export interface PrefetchComponents {
  manifest: Pick<Manifest, 'partitions' | 'shared' | 'publisher'>
  content: Pick<Content, 'fetch'>
  /** Does another peer work on this partition? */
  isTaken(partition: number): boolean
  logger: Logger
  signal: AbortSignal
}

export interface Prefetch extends Disposable {
  /**
   * This is worked on from now on. `next` is asked when all of it is here, the line is free and few partitions are ahead: which one comes after
   * these?
   */
  workingOn(present: Present, next: (ahead: ReadonlySet<number>) => number | undefined): void
}

/**
 * At least one partition is fetched ahead, whatever its size; more only as far as these reach: five seconds of a line of 100 Mbit/s, longer than an
 * alignment takes, and little is lost where others come first.
 */
const AHEAD_BYTES = 64 * 1024 * 1024
const MAX_AHEAD = 3

export function createPrefetch({ manifest, content, isTaken, logger, signal }: PrefetchComponents): Prefetch {
  /** Partitions ahead, and whether all of each is here */
  const ahead = new Map<number, boolean>()
  let present: { at: Present; isHere: boolean } | undefined
  let choose: (ahead: ReadonlySet<number>) => number | undefined = () => undefined
  let current: { at: Present; controller: AbortController } | undefined
  let isRunning = false

  const fileOf = (at: Present): { cid: Manifest['shared']['cid']; bytes: number } | undefined =>
    at === 'shared' ? manifest.shared : manifest.partitions[at]

  const hasRoomFor = (partition: number): boolean => {
    if (ahead.size === 0) return true
    const bytes = [...ahead.keys(), partition].reduce((sum, one) => sum + (fileOf(one)?.bytes ?? 0), 0)
    return ahead.size < MAX_AHEAD && bytes <= AHEAD_BYTES
  }

  /** What to fetch now; undefined when enough is ahead. */
  const nextJob = (): Present | undefined => {
    if (present?.isHere === false) return present.at
    const given = [...ahead.keys()].filter(isTaken)
    for (const partition of given) ahead.delete(partition)
    const begun = [...ahead].find(([, isHere]) => !isHere)
    if (begun !== undefined) return begun[0]
    const next = choose(new Set(ahead.keys()))
    // one that was given up a moment ago is still the best there is: then there is no other
    if (next === undefined || next === present?.at || ahead.has(next) || given.includes(next)) return undefined
    if (fileOf(next) === undefined || !hasRoomFor(next)) return undefined
    ahead.set(next, false)
    return next
  }

  /** Returns whether to go on. */
  const fetch = async (at: Present): Promise<boolean> => {
    const file = fileOf(at)
    if (file === undefined) return false
    const controller = new AbortController()
    current = { at, controller }
    try {
      const options = { signal: AbortSignal.any([signal, controller.signal]), from: manifest.publisher }
      await content.fetch(file.cid, file.bytes, options)
      if (present?.at === at) present.isHere = true
      else if (at !== 'shared' && ahead.has(at)) ahead.set(at, true)
      return true
    } catch (error) {
      if (controller.signal.aborted && !signal.aborted) return true // something else is more urgent
      // what is lacking then is fetched, and its failure reported, by the work itself
      logger.debug('not fetched ahead', { what: at, reason: String(error) })
      return false
    } finally {
      current = undefined
    }
  }

  const run = async (): Promise<void> => {
    if (isRunning) return
    isRunning = true
    try {
      for (let job = nextJob(); job !== undefined && !signal.aborted; job = nextJob()) if (!(await fetch(job))) return
    } finally {
      isRunning = false
    }
  }

  return {
    workingOn: (at, next) => {
      choose = next
      // the transfer of one that was fetched ahead goes on: who works on it joins it
      present = { at, isHere: at !== 'shared' && ahead.get(at) === true }
      if (at !== 'shared') ahead.delete(at)
      if (current !== undefined && current.at !== at && !present.isHere)
        current.controller.abort(new Error('something else is worked on now'))
      run().catch((error: unknown) => logger.error('fetching ahead failed', { reason: String(error) }))
    },
    [Symbol.dispose]: () => {
      choose = () => undefined
      ahead.clear()
      present = undefined
      current?.controller.abort(new Error('this participant stops'))
    }
  }
}
