import type { ReadableState } from '../state/swarm-state.ts'

/** Resolves at the next change of the state, after `ms` (leases and waiting times move on), or with the signal. */
export async function nextChange(
  { events }: Pick<ReadableState, 'events'>,
  ms: number,
  signal: AbortSignal
): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, Math.max(0, ms))
  const done = (): void => resolve()
  events.addEventListener('change', done)
  signal.addEventListener('abort', done)
  await promise
  clearTimeout(timer)
  events.removeEventListener('change', done)
  signal.removeEventListener('abort', done)
}
