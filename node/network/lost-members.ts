/**
 * Members whose connection broke, to be dialed again: at every round for ten minutes, then every two minutes, for a day. Bounded; the longest lost
 * are forgotten first.
 */

const MAX_LOST = 64
/** Dialed in one round: a split of a large swarm loses many at once, and a few that are found again lead to the others. */
const MAX_AT_ONCE = 8
const RECENT_MS = 10 * 60_000
const SLOW_MS = 2 * 60_000
const FORGET_MS = 24 * 3600_000

export interface LostMembers {
  add(peer: string): void
  /** Peer ids to dial now; those that are connected are forgotten. */
  due(): string[]
  /** Was one lost in the last ten minutes that is not connected? */
  isAnyRecent(): boolean
}

/** `now`: monotonic milliseconds */
export function createLostMembers(
  isConnected: (peer: string) => boolean,
  now: () => number = () => performance.now()
): LostMembers {
  const lost = new Map<string, { since: number; triedAt: number }>()

  const forgetFound = (): void => {
    for (const [peer, { since }] of lost) if (isConnected(peer) || now() - since > FORGET_MS) lost.delete(peer)
  }

  return {
    add: peer => {
      lost.delete(peer)
      lost.set(peer, { since: now(), triedAt: -Infinity })
      if (lost.size > MAX_LOST) lost.delete(lost.keys().next().value as string)
    },
    due: () => {
      forgetFound()
      const due = [...lost]
        .filter(([, { since, triedAt }]) => now() - since < RECENT_MS || now() - triedAt >= SLOW_MS)
        .sort(([, a], [, b]) => a.triedAt - b.triedAt)
        .slice(0, MAX_AT_ONCE)
      for (const [, entry] of due) entry.triedAt = now()
      return due.map(([peer]) => peer)
    },
    isAnyRecent: () => {
      forgetFound()
      return [...lost.values()].some(({ since }) => now() - since < RECENT_MS)
    }
  }
}
