/**
 * An API to run one command on: the daemon of the home when one runs, else the node of this process.
 *
 * A command that brings up the network itself serves the local API while it runs, so `coopt status` in another terminal works the
 * same whether a daemon or a `coopt join` holds the home.
 */
import type { CallOptions, CoOptApi } from '../api/api.ts'
import type { ApiEvent } from '../api/events.ts'
import type { LocalApi } from './backend.ts'
import { connectApi } from '../api/http/client.ts'
import { serveApi } from '../api/http/server.ts'
import type { Invocation } from './context.ts'

export interface SessionInit {
  /** Does the command need peers? The daemon has them anyway. */
  network: boolean
  onEvent?: (event: ApiEvent) => void
}

export async function withApi<T>(
  invocation: Invocation,
  { network, onEvent = () => undefined }: SessionInit,
  run: (api: CoOptApi, call: CallOptions) => Promise<T>
): Promise<T> {
  const { home, signal, kill } = invocation
  const daemon = await connectApi(home)
  if (daemon !== undefined) return await run(daemon, { signal, kill, onEvent })
  const backend = await invocation.loadBackend()
  const letGo = network ? invocation.keepServing?.() : undefined
  const stop = new AbortController()
  const local = await backend.openLocal(home, {
    network,
    onEvent,
    onStop: () => stop.abort(new DOMException('the node was asked to stop', 'AbortError'))
  })
  return await closing(local, async () => {
    const call = { signal: AbortSignal.any([signal, stop.signal]), kill, onEvent }
    if (!network) return await run(local, call)
    const server = await serveApi(local, { home })
    try {
      return await run(local, call)
    } finally {
      await server.close()
    }
  }).finally(() => letGo?.())
}

/** Runs and closes; an error of `run` is the one to tell, one of `close` is kept beside it. */
export async function closing<T>(local: LocalApi, run: () => Promise<T>): Promise<T> {
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
