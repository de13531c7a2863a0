/** How fast a swarm advances while this node watches it: rows with targets over the last minutes. An estimate for people. */

export interface Progress {
  readonly rowsPerSecond: number
  /** Left out while nothing moves, and when nothing is left */
  readonly secondsLeft?: number
}

export interface Pace {
  /** Note how many rows have targets now. Undefined until something was seen to move. */
  observe(swarm: string, done: number, all: number): Progress | undefined
}

/** Partitions finish in lumps: a quarter of an hour holds several of them in most swarms. */
const WINDOW_MS = 15 * 60_000

/** `now`: monotonic milliseconds */
export function createPace(now: () => number = () => performance.now()): Pace {
  const seen = new Map<string, { at: number; done: number }[]>()
  return {
    observe: (swarm, done, all) => {
      const list = seen.get(swarm) ?? []
      seen.set(swarm, list)
      if (list.at(-1)?.done !== done) list.push({ at: now(), done })
      // the last one before the window is where the window begins
      while (list.length > 1 && (list[1]?.at ?? 0) < now() - WINDOW_MS) list.shift()
      const [first] = list
      if (first === undefined || list.length < 2) return undefined
      const rowsPerSecond = ((done - first.done) / Math.max(1, now() - first.at)) * 1000
      if (rowsPerSecond <= 0) return undefined
      return { rowsPerSecond, ...(done < all ? { secondsLeft: (all - done) / rowsPerSecond } : {}) }
    }
  }
}
