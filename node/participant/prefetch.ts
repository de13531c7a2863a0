/**
 * Fetches the partition that is probably next while the present one is worked on, so that neither line nor processor waits for the other. One ahead, on
 * the disk; what others take meanwhile is given up.
 */
import type { Manifest } from '../../src/distribute/manifest.ts'
import type { Content } from '../content/content.ts'
import type { Logger } from '../process/logger.ts'

export interface Prefetch extends Disposable {
  /** This partition is worked on from now on. `next` is asked when all of it is here: the line is free then. */
  workingOn(partition: number, next: () => number | undefined): void
}

export function createPrefetch({
  manifest,
  content,
  logger,
  signal
}: {
  manifest: Manifest
  content: Pick<Content, 'fetch'>
  logger: Logger
  signal: AbortSignal
}): Prefetch {
  let ahead: { readonly partition: number; readonly controller: AbortController } | undefined
  let present = new AbortController()

  const fetch = async (partition: number, until: AbortSignal): Promise<void> => {
    const file = manifest.partitions[partition]
    if (file !== undefined)
      await content.fetch(file.cid, file.bytes, {
        signal: AbortSignal.any([signal, until]),
        from: manifest.publisher
      })
  }

  const follow = async (partition: number, next: () => number | undefined, until: AbortSignal): Promise<void> => {
    await fetch(partition, until)
    const following = next()
    if (following === undefined || until.aborted || following === ahead?.partition) return
    ahead?.controller.abort(new Error('another partition is probably next'))
    ahead = { partition: following, controller: new AbortController() }
    await fetch(following, ahead.controller.signal)
  }

  const end = (reason: string): void => {
    ahead?.controller.abort(new Error(reason))
    ahead = undefined
    present.abort(new Error(reason))
  }

  return {
    workingOn: (partition, next) => {
      present.abort(new Error('this partition is done with'))
      present = new AbortController()
      if (ahead !== undefined && ahead.partition !== partition)
        ahead.controller.abort(new Error('another one was next'))
      // the transfer of one that was fetched ahead goes on: who works on it joins it
      follow(partition, next, present.signal).catch((error: unknown) => {
        // what is lacking then is fetched, and its failure reported, by the work itself
        logger.debug('not fetched ahead', { partition, reason: String(error) })
      })
    },
    [Symbol.dispose]: () => end('this participant stops')
  }
}
