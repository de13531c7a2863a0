/** Runs asynchronous actions one at a time, in the order of the calls. An action that fails does not hold up the next one. */

/** Resolves or rejects as `action` does, once it has had its turn. */
export type InTurn = <T>(action: () => Promise<T>) => Promise<T>

export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return async action => {
    const mine = last.then(action)
    last = mine.catch(() => undefined) // the caller gets the error
    return await mine
  }
}
