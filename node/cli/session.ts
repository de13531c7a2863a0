/**
 * An API to run one command on: the daemon of the home when one runs, else the node of this process.
 *
 * Arguments are checked before anything is opened. A home that another process holds without answering yet, or no longer, is waited for: a daemon
 * that starts needs seconds until it answers, one that stops finishes its batches first.
 *
 * A command that brings up the network itself serves the local API while it runs, so `coopt status` in another terminal works the
 * same whether a daemon or a `coopt join` holds the home.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { CallOptions, CoOptApi } from '../api/api.ts'
import type { ApiEvent } from '../api/events.ts'
import { connectApi, isNeverReached } from '../api/http/client.ts'
import { serveApi } from '../api/http/server.ts'
import { apiOf, OPERATIONS } from '../api/operations.ts'
import type { LocalApi } from './backend.ts'
import type { Invocation } from './context.ts'

export interface SessionInit {
  /** Does the command need peers? The daemon has them anyway. */
  network: boolean
  /** Does the command stay to look at the work of others? A check changes the merged dataset, and a command that only reads it should not. @default false */
  checks?: boolean
  onEvent?: (event: ApiEvent) => void
}

/** Between looks at a home that another process holds. */
const LOOK_MS = 100

/** `run` gets an API whose first call connects to the daemon or opens the home; both are let go when `run` has ended. */
export async function withApi<T>(
  invocation: Invocation,
  { network, checks = false, onEvent = () => undefined }: SessionInit,
  run: (api: CoOptApi, call: CallOptions) => Promise<T>
): Promise<T> {
  const { home, signal, kill } = invocation
  const stop = new AbortController()
  const call = { signal: AbortSignal.any([signal, stop.signal]), kill, onEvent }
  const opened = new AsyncDisposableStack()
  let local: LocalApi | undefined

  const openLocal = async (): Promise<LocalApi> => {
    const backend = await invocation.loadBackend()
    const letGo = network ? invocation.keepServing?.() : undefined
    opened.defer(() => letGo?.())
    const node = await backend.openLocal(home, {
      network,
      checks,
      onEvent,
      onStop: () => stop.abort(new DOMException('the node was asked to stop', 'AbortError'))
    })
    opened.defer(async () => await node.close())
    if (network) {
      const server = await serveApi(node, { home })
      opened.defer(async () => await server.close())
    }
    return node
  }

  const api = apiOf(async (name, args, options) => {
    const { outcome } = await whileHeld(invocation, async () => {
      const target = local ?? (await connectApi(home)) ?? (local = await openLocal())
      const invoked = OPERATIONS[name].invoke(target, args, options)
      // what the operation itself throws ends the command, whatever it is
      const outcome = invoked.catch((error: unknown) => {
        if (isNeverReached(error)) throw error
        return new Failure(error)
      })
      return { outcome: await outcome }
    })
    if (outcome instanceof Failure) throw outcome.error
    return outcome
  })
  return await closing({ close: async () => await opened.disposeAsync() }, async () => await run(api, call))
}

/**
 * Try again, for as long as the invocation waits, while another process holds the home and does not answer (`HomeLockedError`), or went away
 * before it took the call. Says once on stderr that it waits, and for whom.
 */
export async function whileHeld<T>(
  { stderr, signal, kill, patienceMs }: Invocation,
  attempt: () => Promise<T>
): Promise<T> {
  const stopped = AbortSignal.any([signal, kill])
  let giveUp: number | undefined // from the first refusal: on a busy machine an attempt takes longer than the patience
  for (let first = true; ; first = false) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof Error) || (error.name !== 'HomeLockedError' && !isNeverReached(error))) throw error
      const now = performance.now()
      giveUp ??= now + patienceMs
      if (now >= giveUp) throw error
      if (first) stderr(`coopt: waiting up to ${patienceMs / 1000} s for another process: ${error.message}\n`)
    }
    await pause(LOOK_MS, undefined, { signal: stopped })
  }
}

/** Runs and closes; an error of `run` is the one to tell, one of `close` is kept beside it. */
export async function closing<T>(local: Pick<LocalApi, 'close'>, run: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await run()
  } catch (error) {
    await local.close().catch((second: unknown) => {
      if (error instanceof Error) error.message += ` (and while closing: ${String(second)})`
    })
    throw error
  }
  await local.close()
  return result
}

// --- internal ---

class Failure {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}
