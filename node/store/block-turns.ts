/** Serialises changes per block file. Concurrent puts of one block share one write. */

export interface BlockTurns {
  /** Settles with the action, or with the running put that `put` joined. */
  alone(name: string, put: boolean, action: () => Promise<void>): Promise<void>
  /** Resolves when every running change has finished. Never rejects. */
  idle(): Promise<void>
}

export function createBlockTurns(): BlockTurns {
  const busy = new Map<string, { put: boolean; done: Promise<void> }>()
  return {
    alone: async (name, put, action) => {
      for (let running = busy.get(name); running !== undefined; running = busy.get(name)) {
        if (put && running.put) return await running.done
        await Promise.allSettled([running.done])
      }
      const done = action()
      busy.set(name, { put, done })
      try {
        await done
      } finally {
        busy.delete(name)
      }
    },
    idle: async () => {
      await Promise.allSettled([...busy.values()].map(({ done }) => done))
    }
  }
}
