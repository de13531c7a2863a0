/** The rate of a transfer while there is something to transfer: an average in which what was long ago counts less and less. */

export interface RateMeter {
  /** Something is awaited from now on. */
  start(): void
  /** Nothing is awaited any more. */
  stop(): void
  received(bytes: number): void
  /** Bytes a second; undefined before the first bytes. While nothing comes it falls. */
  rate(): number | undefined
  /** Seconds since `start`, or since the last bytes */
  seconds(): number
}

/** An observation counts half after so many seconds: long enough for the steps of TCP, short enough for a line that changes. */
const HALF_LIFE_SECONDS = 2

/** `now`: monotonic milliseconds */
export function createRateMeter(now: () => number = () => performance.now()): RateMeter {
  let bytes = 0
  let busySeconds = 0
  let at: number | undefined // of the last change while something is awaited

  const pass = (): void => {
    if (at === undefined) return
    const time = now()
    const seconds = (time - at) / 1000
    at = time
    const kept = 0.5 ** (seconds / HALF_LIFE_SECONDS)
    bytes *= kept
    busySeconds = busySeconds * kept + seconds
  }

  return {
    start: () => {
      at = now()
    },
    stop: () => {
      pass()
      at = undefined
    },
    received: count => {
      pass()
      bytes += count
    },
    rate: () => {
      if (bytes === 0) return undefined
      const waited = at === undefined ? 0 : (now() - at) / 1000
      const kept = 0.5 ** (waited / HALF_LIFE_SECONDS)
      return (bytes * kept) / Math.max(busySeconds * kept + waited, 0.001)
    },
    seconds: () => (at === undefined ? 0 : (now() - at) / 1000)
  }
}
