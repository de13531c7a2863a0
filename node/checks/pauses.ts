/** Pauses that double with each that follows, from `firstMs` to `longestMs`. By the clock of this process, for what a node does next. */
export interface Pauses {
  isOn(key: string): boolean
  begin(key: string): void
  end(key: string): void
  /** When the next one ends, as performance.now(); infinite when none is on */
  soonest(): number
}

export function createPauses(firstMs: number, longestMs: number): Pauses {
  const pauses = new Map<string, { times: number; until: number }>()
  return {
    isOn: key => (pauses.get(key)?.until ?? 0) > performance.now(),
    begin: key => {
      const times = (pauses.get(key)?.times ?? 0) + 1
      const ms = Math.min(longestMs, firstMs * 2 ** (times - 1))
      pauses.set(key, { times, until: performance.now() + ms })
    },
    end: key => void pauses.delete(key),
    soonest: () => {
      const ahead = [...pauses.values()].map(({ until }) => until).filter(until => until > performance.now())
      return ahead.reduce((least, until) => Math.min(least, until), Number.POSITIVE_INFINITY)
    }
  }
}
