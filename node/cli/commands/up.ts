/** coopt up: the daemon. Serves partitions and results, relays gossip, answers the other commands; runs until Ctrl-C. */
import { once } from 'node:events'
import { Command } from 'commander'
import { HomeLockedError } from '../../../src/errors.ts'
import type { OpenOptions } from '../backend.ts'
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
    .description('run the daemon: serve content, relay gossip, answer other commands')
    .option('--api-port <port>', 'port of the local API (default: any free port)', wholeNumber(1, 65_535))
    .option('--no-gateway', 'do not run the HTTP gateway')
    .option('--gateway-port <port>', 'port of the HTTP gateway (default: 18480)', wholeNumber(1, 65_535))
    .option('--gateway-any', 'serve everything in the store, not only content of its swarms', false)
    .action(async ({ apiPort, gateway, gatewayPort, gatewayAny }: Options) => {
      await invoke(async invocation => {
        const { closing, whileHeld } = await import('../session.ts')
        const { connectApi } = await import('../../api/http/client.ts')
        const { serveApi } = await import('../../api/http/server.ts')
        const { home, signal, kill } = invocation
        const backend = await invocation.loadBackend()
        const reporter = createReporter(invocation)
        const letGo = invocation.keepServing?.()
        const stop = new AbortController()
        const options: OpenOptions = {
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
          onEvent: event => void (event.type !== 'listening' && reporter.onEvent(event)),
          onStop: () => stop.abort()
        }
        const local = await whileHeld(invocation, async () =>
          (await connectApi(home)) === undefined ? await backend.openLocal(home, options) : undefined
        )
        if (local === undefined) throw new HomeLockedError(await answersAlready(home))
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

// --- internal ---

async function answersAlready(home: string): Promise<string> {
  const { readApiFile } = await import('../../api/http/api-file.ts')
  const endpoint = await readApiFile(home)
  return `process ${endpoint?.pid ?? 'unknown'} already runs on ${home} and answers commands: stop it with "coopt down", or use another home`
}
