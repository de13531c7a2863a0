/** A limit on what is under way together, by weight: bytes in flight, pixels being decoded. First come, first served. */

export interface Budget {
  /** Resolves when there is room for it. What weighs more than everything allowed has it alone. `release` gives the room back, once. */
  take(weight: number): Promise<{ release(): void }>
}

export function createBudget(limit: number): Budget {
  const waiting: { readonly weight: number; go(): void }[] = []
  let used = 0
  const next = (): void => {
    for (let [first] = waiting; first !== undefined && used + first.weight <= limit; [first] = waiting) {
      waiting.shift()
      used += first.weight
      first.go()
    }
  }
  return {
    take: async asked => {
      const weight = Math.min(asked, limit)
      await new Promise<void>(go => {
        waiting.push({ weight, go: () => go() })
        next()
      })
      let isTaken = true
      return {
        release: () => {
          if (isTaken) used -= weight
          isTaken = false
          next()
        }
      }
    }
  }
}
