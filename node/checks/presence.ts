/**
 * Who is away, and for how long: by this node's clock, for what it does next. A member is here while it is connected or its records arrive; who was never
 * seen is away since this node began to look, so a node that starts waits as long as any other before it makes copies.
 */
export interface Presence {
  /** Look who is connected now: to be called before asking, and every now and then. */
  update(): void
  /** A record of this peer arrived. */
  heard(peer: string): void
  /**
   * Is it away for longer than `goneMs`, doubled for each of `vouched` holders beyond `usual`? A node sees a part of a large swarm only, and what it
   * takes for gone may be elsewhere: the more members said that they hold a shard, the longer it waits.
   */
  isGone(peer: string, vouched: number): boolean
  /** The same for so many times `goneMs` */
  isGoneFor(peer: string, times: number): boolean
}

/** Peers remembered: anybody may make keys. Who is forgotten counts as away since the start. */
const MAX_PEERS = 8192

export function createPresence(
  self: string,
  members: () => Iterable<string>,
  { goneMs, usual, now = () => performance.now() }: { goneMs: number; usual: number; now?: () => number }
): Presence {
  const startedAt = now()
  const seen = new Map<string, number>()
  const heard = (peer: string): void => {
    seen.delete(peer)
    seen.set(peer, now())
    if (seen.size > MAX_PEERS) seen.delete(seen.keys().next().value as string)
  }
  const update = (): void => {
    for (const peer of members()) heard(peer)
  }
  const awayMs = (peer: string): number => {
    if (peer === self) return 0
    return now() - (seen.get(peer) ?? startedAt)
  }
  return {
    update,
    heard,
    isGone: (peer, vouched) => awayMs(peer) > goneMs * 2 ** Math.max(0, vouched - usual),
    isGoneFor: (peer, times) => awayMs(peer) > goneMs * times
  }
}
