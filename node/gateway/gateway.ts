/**
 * The HTTP gateway: `GET|HEAD /ipfs/CID[/path]` on a port of this machine, read only. What it answers is in respond.ts, what of the
 * specifications it covers in gateway.md; here are its limits and its life.
 *
 * It serves the content of the swarms of this home (known-content.ts), fetched from members if need be, and with `any` everything else
 * in the store. Every block is hashed when it is read, by the store or by bitswap, and stays in memory for a while (block-cache.ts).
 */
import { once } from 'node:events'
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CID } from 'multiformats/cid'
import { ContentUnavailableError, InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import type { Config } from '../home/config.ts'
import type { Content } from '../content/content.ts'
import { inlineBlock, withInline } from '../content/dag/blocks.ts'
import { PathNotFoundError } from '../content/dag/path.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Logger } from '../process/logger.ts'
import type { Membership } from '../swarms/membership.ts'
import { type Answer, textAnswer } from './answer.ts'
import { createBlockCache } from './block-cache.ts'
import { parseRequest } from './gateway-request.ts'
import { HttpProblem } from './http-problem.ts'
import { createKnownContent } from './known-content.ts'
import { type BlockSource, respond } from './respond.ts'
import { createStatusRoutes } from './status-routes.ts'

/** Not Kubo's 8080, and below the ports that systems give to outgoing connections. */
const DEFAULT_GATEWAY_PORT = 18_480

/** Request line and headers: a path of 64 names fits, and Node buffers no more for a client. */
const MAX_HEADER_BYTES = 16 * 1024
/** To send the request's headers. */
const HEADERS_TIMEOUT_MS = 10_000
/** Without a byte in either direction; longer than any wait for a block. */
const IDLE_TIMEOUT_MS = 120_000

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  'access-control-allow-headers': 'Content-Type, Range, User-Agent, X-Requested-With',
  'access-control-expose-headers':
    'Content-Length, Content-Range, X-Chunked-Output, X-Ipfs-Path, X-Ipfs-Roots, X-Stream-Output'
}

export interface GatewayComponents {
  content: Pick<Content, 'has' | 'block' | 'put' | 'barrier' | 'holdsEach' | 'ranges'>
  memberships(): readonly Membership[]
  logger: Logger
  /** Can blocks be fetched? */
  hasNetwork: boolean
  /** To say how this node is doing (status-routes.ts) */
  monitor?: Monitor
}

export type GatewayInit = Config['gateway']

export interface Gateway {
  readonly port: number
  /** `http://127.0.0.1:18480` */
  readonly url: string
  /** Breaks off what is being sent. May be called twice. */
  close(): Promise<void>
}

/** Throws `InvalidInputError` when the configured port is taken; without one, any free port stands in for the default. */
export async function startGateway(components: GatewayComponents, init: GatewayInit): Promise<Gateway> {
  const { content, logger, hasNetwork } = components
  const cache = createBlockCache(init.cacheBytes)
  const peek = async (cid: CID): Promise<Uint8Array | undefined> => {
    const known = inlineBlock(cid) ?? cache.get(cid)
    if (known !== undefined) return known
    if (!(await content.has(cid))) return undefined
    const block = await content.block(cid, { signal: AbortSignal.timeout(init.blockMs) })
    cache.add(cid, block)
    return block
  }
  const known = createKnownContent({ memberships: components.memberships, content, peek })
  const { monitor, memberships } = components
  const status =
    monitor === undefined ? undefined : createStatusRoutes({ monitor, memberships, content }, { names: init.names })
  let running = 0

  /** Where the blocks of this request may come from. Throws `HttpProblem` for content that is not served. */
  const sourceFor = async (root: CID, onlyIfCached: boolean, closed: AbortSignal): Promise<BlockSource> => {
    const isHere = (await peek(root)) !== undefined
    if (onlyIfCached && !isHere) throw new HttpProblem(412, `${root} is not available locally`)
    const isAllowed = init.any && isHere
    // to know it takes a look at the swarms, and where nothing can be fetched it makes no difference to what is served anyway
    const isOurs = inlineBlock(root) !== undefined || (!(isAllowed && !hasNetwork) && (await known.isKnown(root)))
    if (!isOurs && !isAllowed) throw new HttpProblem(404, `${root} does not belong to a swarm of this node`)
    const mayFetch = isOurs && hasNetwork && !onlyIfCached
    const get = withInline(async cid => {
      const held = await peek(cid)
      if (held !== undefined) return held
      if (!mayFetch) throw new HttpProblem(404, `${cid} is not available locally`)
      const signal = AbortSignal.any([closed, AbortSignal.timeout(init.blockMs)])
      const fetched = await content.block(cid, { signal })
      cache.add(cid, fetched)
      return fetched
    })
    return { get, peek }
  }

  const answerTo = async (request: IncomingMessage, closed: AbortSignal): Promise<Answer> => {
    if (request.method === 'OPTIONS') return textAnswer(204, {}, '')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new HttpProblem(405, 'this gateway is read only', { allow: 'GET, HEAD, OPTIONS' })
    const parsed = parseRequest(request.url ?? '/', request.headers)
    return await respond(parsed, request.headers, await sourceFor(parsed.root, parsed.onlyIfCached, closed))
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const closed = new AbortController()
    response.once('close', () => closed.abort(new DOMException('the client went away', 'AbortError')))
    const safely = async (answering: () => Promise<Answer>): Promise<Answer> => {
      try {
        return await answering()
      } catch (error) {
        const problem = problemOf(error)
        if (problem.status === 500) logger.error('the gateway failed to answer', { url: request.url, error })
        return problemAnswer(problem)
      }
    }
    // not among the requests for content: a busy gateway still says how it is
    const own = status?.isOwn(request) === true
    let answer: Answer
    if (own) answer = await safely(async () => await status.answer(request, closed.signal))
    else if (running >= init.maxRequests) {
      answer = problemAnswer(new HttpProblem(429, 'too many requests at once', { 'retry-after': '1' }))
    } else {
      running++
      response.once('close', () => running--)
      answer = await safely(async () => await answerTo(request, closed.signal))
    }
    if (closed.signal.aborted) return
    response.writeHead(answer.status, { ...(own ? {} : CORS), ...answer.headers })
    if (request.method === 'HEAD' || answer.status === 304 || answer.status === 204) return void response.end()
    await pipeline(Readable.from(answer.body, { objectMode: true, highWaterMark: 2 }), response)
  }

  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // the status is sent, or the client is gone: a cut answer is the only way left to say so
      logger.debug('an answer of the gateway broke off', { url: request.url, reason: String(error) })
      response.destroy()
    })
  })
  server.headersTimeout = HEADERS_TIMEOUT_MS
  server.requestTimeout = HEADERS_TIMEOUT_MS
  server.timeout = IDLE_TIMEOUT_MS
  server.maxConnections = 4 * init.maxRequests

  const port = await listen(server, init)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    known.close()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  const host = init.host.includes(':') ? `[${init.host}]` : init.host
  return { port, url: `http://${host}:${port}`, close: async () => await (closing ??= close()) }
}

// --- internal ---

async function listen(server: ReturnType<typeof createServer>, { host, port }: GatewayInit): Promise<number> {
  const attempt = async (wanted: number): Promise<void> => {
    server.listen({ host, port: wanted })
    await once(server, 'listening')
  }
  try {
    await attempt(port ?? DEFAULT_GATEWAY_PORT)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
      throw new InvalidInputError(`the gateway cannot listen on ${host}: ${String(cause)}`, { cause })
    }
    if (port !== undefined)
      throw new InvalidInputError(`port ${port} is taken: give the gateway another one, or none with --no-gateway`, {
        cause
      })
    await attempt(0)
  }
  return (server.address() as AddressInfo).port
}

function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error
  if (error instanceof PathNotFoundError || error instanceof InvalidContentError)
    return new HttpProblem(404, error.message)
  const isLate = error instanceof Error && (error.name === 'TimeoutError' || error instanceof ContentUnavailableError)
  if (isLate) return new HttpProblem(504, 'no member sent a block in time', { 'retry-after': '10' })
  return new HttpProblem(500, 'an unexpected failure; see what the node printed')
}

function problemAnswer({ status, message, headers }: HttpProblem): Answer {
  const text = `${status} ${STATUS_CODES[status] ?? ''}: ${message}\n`
  const type = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }
  return textAnswer(status, { ...type, 'cache-control': 'no-store', ...headers }, text)
}
