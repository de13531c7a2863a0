/**
 * What `join --once` waits for before it leaves: that other members confirm the work, and that they have this node's word on theirs. Time bounds the
 * waiting, and begins anew with every check that arrives, within `MOST_EXTENSIONS` times as long: keys are free, and so are checks without a voice.
 */
import type { PeerKey } from '../../src/envelope.ts'
import { isDoubted } from '../checks/due-checks.ts'
import type { Choice } from '../../src/merge/views.ts'
import { nextChange } from './next-change.ts'
import type { ReadableState } from '../state/swarm-state.ts'

/** `work`: there is something to do again. `left`: nobody said anything for so long. */
export type Outcome = 'confirmed' | 'work' | 'left'

export interface ConfirmationComponents {
  self: PeerKey
  state: Pick<ReadableState, 'swarm' | 'set' | 'view' | 'events'>
  /** Has the own prior given its targets for this partition? Then there is nothing more that it can do. */
  hasOwnResult(partition: number): boolean
  /** Can nobody who is here judge this work, and may the own prior do it again? */
  mayRetry(work: Choice): boolean
  /** Called once, before the first waiting, with the number of partitions that are not confirmed */
  onWait(unconfirmed: number): void
}

/** In all, the waiting lasts so many times as long as it does without a check: enough for the last shards of a large swarm. */
const MOST_EXTENSIONS = 10

/** At once in a swarm without checks. Never throws for the signal: it ends the waiting. */
export async function awaitConfirmation(
  { self, state, hasOwnResult, mayRetry, onWait }: ConfirmationComponents,
  ms: number,
  signal: AbortSignal
): Promise<Outcome> {
  let known = -1
  let until = 0
  const last = performance.now() + MOST_EXTENSIONS * ms
  let isTold = false
  for (;;) {
    const view = state.view()
    if (view.acceptance === undefined) return view.complete ? 'confirmed' : 'left'
    const isDone = view.chosen.size === state.swarm.manifest.partitions.length
    const isUndone = (partition: number): boolean => {
      const work = view.chosen.get(partition)
      if (work === undefined || hasOwnResult(partition)) return false
      return isDoubted({ self, set: state.set }, work) || mayRetry(work)
    }
    if (!isDone || view.unconfirmed.some(isUndone)) return 'work'
    // what this node cannot get or finds wrong is no reason to stay
    const isAwaited = (work: Choice): boolean => !isDoubted({ self, set: state.set }, work)
    if (view.complete && ![...view.contenders.values()].flat().some(isAwaited)) return 'confirmed'
    const checks = state.set.byType('check').length
    if (checks !== known) until = Math.min(last, performance.now() + ms)
    known = checks
    if (signal.aborted || performance.now() >= until) return view.complete ? 'confirmed' : 'left'
    if (!isTold && view.unconfirmed.length > 0) {
      isTold = true
      onWait(view.unconfirmed.length)
    }
    await nextChange(state, until - performance.now(), signal)
  }
}
