/**
 * Work on the items of a stream, several at once, with the results in the order of the items: reading ahead, work and what is done with the results
 * overlap.
 *
 * A result is given out as soon as it and those before it are there, however slow the source is. What fails (the source, an item) fails after all results
 * before it. Who leaves early has the source closed; neither that nor what is under way is waited for.
 */

/** `depth`: items under way at once, at least 1 */
export async function* inOrder<T, R>(
  source: AsyncIterable<T>,
  depth: number,
  work: (item: T) => Promise<R>
): AsyncGenerator<R> {
  const items = source[Symbol.asyncIterator]()
  const underWay: Promise<R>[] = []
  const read = (): Promise<Step<T>> =>
    items.next().then(
      result => (result.done === true ? { end: true } : { item: result.value }),
      (error: unknown) => ({ end: true, error })
    )
  let reading: Promise<Step<T>> | undefined = read()
  let failure: { readonly error: unknown } | undefined
  try {
    for (;;) {
      const [first] = underWay
      if (reading !== undefined && underWay.length < depth) {
        const step: Step<T> | undefined = await (first === undefined
          ? reading
          : Promise.race([reading, first.then(() => undefined)]))
        if (step === undefined) yield await next(underWay)
        else if ('item' in step) {
          const doing = work(step.item)
          doing.catch(() => undefined) // thrown when its turn comes; nobody wants it once the consumer has left
          underWay.push(doing)
          reading = read()
        } else {
          reading = undefined
          if ('error' in step) failure = step as { error: unknown }
        }
      } else if (first !== undefined) yield await next(underWay)
      else if (failure === undefined) return
      else throw failure.error
    }
  } finally {
    // a source closes when the read that is under way has ended, which may be long: its line may be slow
    if (reading !== undefined) items.return?.().catch(() => undefined)
  }
}

// --- internal ---

type Step<T> = { readonly item: T } | { readonly end: true; readonly error?: unknown }

async function next<R>(underWay: Promise<R>[]): Promise<R> {
  return await (underWay.shift() as Promise<R>)
}
