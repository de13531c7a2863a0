/** coopt up: the daemon. Serves partitions and results, relays gossip, answers the other commands; runs until Ctrl-C. */
import { once } from 'node:events'
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { wholeNumber } from '../option-values.ts'
import { createReporter } from '../output.ts'

interface Options {
  apiPort?: number
  gateway: boolean
  gatewayPort?: number
  gatewayAny: boolean
}

export function upCommand(invoke: Invoke): Command {
  return new Command('up')
    .description('run the daemon: serve, relay, answer the other commands')
    .option('--api-port <port>', 'port of the local API (default: any free one)', wholeNumber(1, 65_535))
    .option('--no-gateway', 'do not serve HTTP')
    .option('--gateway-port <port>', 'port of the HTTP gateway (default: 18480)', wholeNumber(1, 65_535))
    .option('--gateway-any', 'serve all content of this home, not only that of its swarms', false)
    .action(async ({ apiPort, gateway, gatewayPort, gatewayAny }: Options) => {
      await invoke(async invocation => {
        const { closing } = await import('../session.ts')
        const { serveApi } = await import('../../api/http/server.ts')
        const { home, signal, kill } = invocation
        const backend = await invocation.loadBackend()
        const reporter = createReporter(invocation)
        const letGo = invocation.keepServing?.()
        const stop = new AbortController()
        const local = await backend.openLocal(home, {
          network: true,
          ...(gateway
            ? {
                gateway: {
                  ...(gatewayPort === undefined ? {} : { port: gatewayPort }),
                  ...(gatewayAny ? { any: true } : {})
                }
              }
            : {}),
          // told below, once commands are answered: scripts wait for it
          onEvent: event => event.type !== 'listening' && reporter.onEvent(event),
          onStop: () => stop.abort()
        })
        await closing(local, async () => {
          const server = await serveApi(local, { home, ...(apiPort === undefined ? {} : { port: apiPort }) })
          try {
            const { peer, addresses, gateway: url } = await local.status()
            reporter.onEvent({ type: 'listening', peer, addresses, ...(url === undefined ? {} : { gateway: url }) })
            const stopping = AbortSignal.any([signal, kill, stop.signal])
            if (!stopping.aborted) await once(stopping, 'abort')
          } finally {
            await server.close()
          }
        }).finally(() => {
          letGo?.()
          reporter.stop()
        })
      })
    })
}
