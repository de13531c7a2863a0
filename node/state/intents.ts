/**
 * Intents of others: who computes a score or improves finished work (src/publish/intent.ts). Hints for a node that could leave; they expire on the
 * observer's own clock, are never stored, and never affect the swarm's state.
 *
 * Guarantees: an author that goes silent is forgotten after one lease duration, and memory is bounded. Identities are free, so somebody may be
 * announced for ever: whoever waits for an intent must bound that wait itself (participant/departure.ts).
 */
import { MAX_LIVE_INTENTS } from '../../protocols/constants.ts'
import type { PeerKey } from '../../src/envelope.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { Intent } from '../../src/publish/intent.ts'

export interface IntentTable {
  /** Record an intent. Older counters of the same author are ignored while its last intent is remembered. */
  observe(intent: Intent): void
  /** What others are at now, in the order in which they were heard of */
  live(): LiveIntent[]
}

export interface LiveIntent {
  readonly author: PeerKey
  readonly task: Intent['task']
}

export interface IntentTableInit {
  self: PeerKey
  /** How long an intent holds after it was last heard of, ms */
  ttlMs: number
  /** Monotonic milliseconds */
  now?: () => number
}

export function createIntentTable({ self, ttlMs, now = () => performance.now() }: IntentTableInit): IntentTable {
  const known = new Map<string, { intent: Intent; expires: number }>()
  const own = peerIdOf(self)
  const expire = (): void => {
    const time = now()
    for (const [author, { expires }] of known) if (expires <= time) known.delete(author)
  }
  return {
    observe(intent) {
      expire()
      const author = peerIdOf(intent.author)
      const before = known.get(author)
      if (author === own || (before !== undefined && before.intent.counter >= intent.counter)) return
      // one that others may wait for is enough: more tell a node nothing
      if (before === undefined && known.size >= MAX_LIVE_INTENTS) return
      // a released one is remembered, so that an older announcement arriving late does not revive it
      known.set(author, { intent, expires: now() + ttlMs })
    },
    live() {
      expire()
      return [...known.values()].flatMap(({ intent: { author, task, released } }) =>
        released ? [] : [{ author, task }]
      )
    }
  }
}
