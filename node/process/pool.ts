/** Tasks that run beside each other, so many at most. The first failure is kept: no further task starts, and `done` throws it once all have ended. */

export interface Pool {
  /** Resolves when the task has started. Throws the first failure. */
  add(task: () => Promise<void>): Promise<void>
  /** Resolves when all have ended. Throws the first failure. */
  done(): Promise<void>
}

export function createPool(limit: number): Pool {
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  const check = (): void => {
    if (failure !== undefined) throw failure.error
  }
  return {
    add: async task => {
      while (running.size >= limit) await Promise.race(running)
      check()
      const one = task()
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => running.delete(one))
      running.add(one)
    },
    done: async () => {
      await Promise.all(running)
      check()
    }
  }
}
