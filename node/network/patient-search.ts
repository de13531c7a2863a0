/**
 * Bitswap searches the DHT for providers of every single block that it wants, at once: ten questions, and mostly for blocks that a connected member is
 * about to send and that nobody provides. Here a search begins only when the block has not come for a while (as in go-bitswap, whose
 * `ProvSearchDelay` is the same).
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Routing } from 'helia'

const SEARCH_DELAY_MS = 1000

/** From now on `routing.findProviders` asks nobody before `delayMs`; its signal ends the wait. */
export function searchPatiently(routing: Pick<Routing, 'findProviders'>, delayMs = SEARCH_DELAY_MS): void {
  const find = routing.findProviders.bind(routing)
  routing.findProviders = async function* (cid, options) {
    await pause(delayMs, undefined, options?.signal === undefined ? {} : { signal: options.signal })
    yield* find(cid, options)
  }
}
