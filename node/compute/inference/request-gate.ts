/**
 * Which requests may be under way at a worker together: several that overlap, or one alone. First come, first served, but those that a worker lost go
 * before all others.
 */

export interface Pass {
  /** Nothing else was under way at any time until now. */
  readonly alone: boolean
}

export interface RequestGate {
  /** Requests under way */
  readonly passed: number
  /** Resolves when it may go. `alone`: when nothing is under way, and nothing goes beside it. `again`: before all that wait otherwise. */
  enter(how: { alone: boolean; again?: boolean }): Promise<Pass>
  leave(pass: Pass): void
}

interface Waiting {
  readonly alone: boolean
  go(): void
}

/** `limit`: requests that overlap */
export function createRequestGate(limit: number): RequestGate {
  const first: Waiting[] = []
  const later: Waiting[] = []
  const passes = new Set<{ alone: boolean }>()
  let closed = false // one that must be alone is under way

  const next = (): void => {
    for (;;) {
      const queue = first.length > 0 ? first : later
      const [waiting] = queue
      if (waiting === undefined || closed || passes.size >= (waiting.alone ? 1 : limit)) return
      queue.shift()
      waiting.go()
    }
  }

  return {
    get passed() {
      return passes.size
    },
    enter: async ({ alone, again = false }) =>
      await new Promise<Pass>(resolve => {
        const go = (): void => {
          const pass = { alone: passes.size === 0 }
          for (const other of passes) other.alone = false
          passes.add(pass)
          closed = alone
          resolve(pass)
        }
        ;(again ? first : later).push({ alone, go })
        next()
      }),
    leave: pass => {
      passes.delete(pass)
      if (passes.size === 0) closed = false
      next()
    }
  }
}
