/**
 * Collects garbage when space runs out, so that a node that nobody looks at goes on: above nine tenths of `store.maxBytes`, or when fewer than twice
 * `store.minFreeBytes` are free. It frees what `coopt gc` would, and nothing else.
 *
 * What cannot be freed is not looked for again and again: after a collection that freed too little the next one waits, longer each time.
 */
import { statfs } from 'node:fs/promises'
import type { CoOptApi } from '../api/api.ts'
import type { GcReport } from '../api/upkeep.ts'
import type { Logger } from '../process/logger.ts'

export interface SpaceFacts {
  readonly storeBytes: number
  readonly freeBytes: number
  readonly maxBytes?: number | undefined
  readonly minFreeBytes: number
}

export interface SpaceOwner {
  readonly config: {
    readonly store: { readonly maxBytes?: number; readonly minFreeBytes: number; readonly collect: boolean }
  }
  readonly home: { readonly root: string }
  readonly store: { readonly bytes: number }
  readonly network: object | undefined
  readonly logger: Logger
}

export interface AutoCollectComponents {
  space(): Promise<SpaceFacts>
  collect(signal: AbortSignal): Promise<GcReport>
  logger: Logger
}

export interface AutoCollector {
  /** Look now, and collect if it has to be. Resolves to whether it did. */
  look(): Promise<boolean>
  stop(): Promise<void>
}

const LOOK_MS = 60_000
/** A collection reads every tree node of every swarm: minutes on a large home. */
const FIRST_PAUSE_MS = 10 * 60_000
const MAX_PAUSE_MS = 6 * 3_600_000
const FULL_SHARE = 0.9

/** Is it time to free space? */
export function isTight({ storeBytes, freeBytes, maxBytes, minFreeBytes }: SpaceFacts): boolean {
  return (maxBytes !== undefined && storeBytes > FULL_SHARE * maxBytes) || freeBytes < 2 * minFreeBytes
}

/** Of a node that stays up, unless its configuration says no. */
export function autoCollectOf(
  { config, home, store, network, logger }: SpaceOwner,
  { gc }: Pick<CoOptApi, 'gc'>
): AutoCollector | undefined {
  if (network === undefined || !config.store.collect) return undefined
  const { maxBytes, minFreeBytes } = config.store
  return startAutoCollect({
    space: async () => {
      const { bavail, bsize } = await statfs(home.root)
      return { storeBytes: store.bytes, freeBytes: bavail * bsize, maxBytes, minFreeBytes }
    },
    collect: async signal => await gc({ dryRun: false }, { signal }),
    logger: logger.component('store')
  })
}

/** Looks once a minute until `stop`. `now`: monotonic milliseconds */
export function startAutoCollect(
  { space, collect, logger }: AutoCollectComponents,
  now: () => number = () => performance.now()
): AutoCollector {
  const controller = new AbortController()
  let running: Promise<boolean> | undefined
  let pause = FIRST_PAUSE_MS
  let notBefore = Number.NEGATIVE_INFINITY

  const lookOnce = async (): Promise<boolean> => {
    if (controller.signal.aborted || !isTight(await space())) return false
    if (now() < notBefore) return false
    const { bytes, blocks, left } = await collect(controller.signal)
    const isEnough = !isTight(await space())
    pause = isEnough ? FIRST_PAUSE_MS : Math.min(MAX_PAUSE_MS, 2 * pause)
    notBefore = now() + pause
    logger[isEnough ? 'info' : 'warn'](
      isEnough
        ? 'space ran out and was freed'
        : 'space runs out, and everything that is left is needed: free or add some',
      { freedBytes: bytes, blocks, left }
    )
    return true
  }

  const look = async (): Promise<boolean> => await (running ??= lookOnce().finally(() => (running = undefined)))

  const timer = setInterval(() => {
    look().catch((error: unknown) => {
      if (controller.signal.aborted) return
      notBefore = now() + pause
      logger.warn('space runs out and could not be freed', { error })
    })
  }, LOOK_MS)
  timer.unref()

  return {
    look,
    stop: async () => {
      controller.abort(new DOMException('the node is stopping', 'AbortError'))
      clearInterval(timer)
      await running?.catch(() => undefined) // told above
    }
  }
}
