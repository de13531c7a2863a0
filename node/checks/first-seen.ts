/** Since when each piece of work is on a list, by the clock of this process. */
import type { Choice } from '../../src/merge/views.ts'

export interface FirstSeen {
  /** These are on the list now; others are forgotten. */
  update(works: readonly Choice[]): void
  /** ms; 0 for work that is not on the list */
  ageOf(work: Choice): number
  /** When the next of them is `ms` old, as performance.now(); infinite when all are */
  nextAfter(ms: number): number
}

export function createFirstSeen(): FirstSeen {
  const since = new Map<string, number>()
  const now = (): number => performance.now()
  return {
    update: works => {
      const present = new Set(works.map(({ alignment }) => alignment.key))
      for (const key of since.keys()) if (!present.has(key)) since.delete(key)
      for (const key of present) if (!since.has(key)) since.set(key, now())
    },
    ageOf: ({ alignment }) => now() - (since.get(alignment.key) ?? now()),
    nextAfter: ms => {
      const ahead = [...since.values()].map(at => at + ms).filter(at => at > now())
      return ahead.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY)
    }
  }
}
