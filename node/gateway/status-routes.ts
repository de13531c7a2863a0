/**
 * What the gateway says of the node itself: the page at `/` (node/page), `/livez`, `/readyz` and `/metrics`. Read only.
 *
 * Content of swarms is public, and any web page may read it through the gateway; how this node is doing is not. These answers carry no CORS headers,
 * and a request must name a host that no web page can point at this machine (DNS rebinding): an IP address, a name without a dot such as
 * `localhost` or a container's, or one of `gateway.names`.
 */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Monitor } from '../monitor/monitor.ts'
import { createPages, type PageComponents } from '../page/page.ts'
import { type Answer, textAnswer } from './answer.ts'
import { HttpProblem } from './http-problem.ts'

export interface StatusRoutes {
  /** Does the request ask for one of these? */
  isOwn(request: IncomingMessage): boolean
  /** Throws `HttpProblem`. */
  answer(request: IncomingMessage, closed: AbortSignal): Promise<Answer>
}

const TEXT = {
  'content-type': 'text/plain; charset=utf-8',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store'
}

type Route = (request: IncomingMessage, closed: AbortSignal) => Promise<Answer>

export function createStatusRoutes(
  { monitor, memberships, content }: PageComponents & { readonly monitor: Monitor },
  { names }: { names: readonly string[] }
): StatusRoutes {
  const routes: Record<string, Route> = {
    // that it answers is the answer: what runs off the event loop cannot hold it up
    '/livez': async () => textAnswer(200, TEXT, 'ok\n'),
    '/readyz': async () => {
      const reason = monitor.readiness()
      return reason === undefined ? textAnswer(200, TEXT, 'ok\n') : textAnswer(503, TEXT, `${reason}\n`)
    },
    '/metrics': async () => {
      const { metrics } = monitor
      if (metrics === undefined) throw new HttpProblem(404, 'this node keeps no metrics')
      return textAnswer(200, { ...TEXT, 'content-type': metrics.contentType }, await metrics.text())
    }
  }
  const pages = createPages({ monitor, memberships, content })
  const page: Route = async (request, closed) =>
    await pages.answer({ url: request.url ?? '/', host: request.headers.host ?? '', closed })
  const allowed = new Set(names.map(name => name.toLowerCase()))

  const routeOf = (request: IncomingMessage): Route | undefined => {
    const [path = ''] = (request.url ?? '').split('?')
    if (pages.isOwn(path)) return page
    return Object.hasOwn(routes, path) ? routes[path] : undefined
  }

  return {
    isOwn: request => routeOf(request) !== undefined,
    answer: async (request, closed) => {
      if (request.method !== 'GET' && request.method !== 'HEAD')
        throw new HttpProblem(405, 'this gateway is read only', { allow: 'GET, HEAD' })
      if (!isSafeHost(request.headers.host, allowed))
        throw new HttpProblem(
          421,
          'this host name is not known here: use an IP address, or add the name to "gateway.names" in config.json'
        )
      const route = routeOf(request)
      if (route === undefined) throw new HttpProblem(404, 'there is no such page')
      return await route(request, closed)
    }
  }
}

// --- internal ---

function isSafeHost(header: string | undefined, names: ReadonlySet<string>): boolean {
  const host = /^(?<name>\[[0-9A-Fa-f:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header ?? '')?.groups?.['name']?.toLowerCase()
  if (host === undefined) return false
  const bare = host.startsWith('[') ? host.slice(1, -1) : host
  return isIP(bare) !== 0 || !host.includes('.') || names.has(host)
}
