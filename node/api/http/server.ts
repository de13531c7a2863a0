/**
 * The daemon's local API: `CoOptApi` over HTTP on the loopback interface.
 *
 * Answer to a call: 200 and NDJSON, one `{"event":…}` per line while it runs, then one `{"result":…}` or `{"error":…}`. A client
 * that goes away kills its operation; DELETE /v1/calls/ID ends it gracefully and the answer goes on to its last line.
 *
 * A web page in the operator's browser can reach loopback ports. It cannot read the token; the Host check also stops DNS
 * rebinding, and a request with an Origin header is refused whatever it carries.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidInputError } from '../../../src/errors.ts'
import type { CoOptApi } from '../api.ts'
import type { ApiEvent } from '../events.ts'
import { removeApiFile, writeApiFile } from './api-file.ts'
import { checkArguments, isOperation, OPERATIONS, type OperationName } from '../operations.ts'
import { CALL_HEADER, callIdSchema } from './wire.ts'
import { toWireError } from './wire-error.ts'

/** An allow list of 4,096 peer ids is 250 KB of JSON, everything else far less. */
const MAX_BODY_BYTES = 1024 * 1024
/** Commands are typed by people and scripts; more at once is a runaway loop. */
const MAX_CALLS = 64
/** Events are hints: a reader that is this far behind misses some, so that it cannot fill the daemon's memory. */
const MAX_UNREAD_BYTES = 1024 * 1024

export interface ApiServerInit {
  /** Directory that gets `api.json` */
  home: string
  /** @default 0, any free port */
  port?: number
}

export interface ApiServer {
  readonly port: number
  /** Ends running operations gracefully, then the server; removes `api.json`. May be called twice. */
  close(): Promise<void>
}

export async function serveApi(api: CoOptApi, { home, port = 0 }: ApiServerInit): Promise<ApiServer> {
  const token = randomBytes(32).toString('base64url')
  const calls = new Map<string, AbortController>()
  const running = new Set<Promise<void>>()

  const server = createServer((request, response) => {
    const handled = handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy(error instanceof Error ? error : new Error(String(error)))
      else refuse(response, 500, toWireError(error).message)
    })
    running.add(handled)
    void handled.finally(() => running.delete(handled))
  })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isLoopbackHost(request.headers.host) || request.headers.origin !== undefined) {
      return refuse(response, 403, 'this API serves local programs only')
    }
    if (!isAuthorized(request.headers.authorization, token)) return refuse(response, 401, 'the bearer token is wrong')
    const [, version, name = '', id] = (request.url ?? '').split('/')
    if (version !== 'v1') return refuse(response, 404, 'no such version')
    if (name === 'calls' && id !== undefined && request.method === 'DELETE') {
      calls.get(id)?.abort(abortError('the operation was asked to end'))
      return refuse(response, calls.has(id) ? 202 : 404, '')
    }
    if (!isOperation(name) || id !== undefined) return refuse(response, 404, 'no such operation')
    if (request.method !== 'POST') return refuse(response, 405, 'use POST')
    if (calls.size >= MAX_CALLS) return refuse(response, 503, `${MAX_CALLS} operations are running already`)
    const call = callIdSchema.safeParse(request.headers[CALL_HEADER])
    if (!call.success || calls.has(call.data)) return refuse(response, 400, `${CALL_HEADER} is not a new call id`)
    const body = await readBody(request)
    if (body === undefined) return refuse(response, 413, `more than ${MAX_BODY_BYTES} bytes of arguments`)
    const graceful = new AbortController()
    calls.set(call.data, graceful)
    try {
      await answer(response, name, body, graceful.signal)
    } finally {
      calls.delete(call.data)
    }
  }

  const answer = async (
    response: ServerResponse,
    name: OperationName,
    body: string,
    signal: AbortSignal
  ): Promise<void> => {
    const kill = new AbortController()
    response.once('close', () => kill.abort(abortError('the command went away')))
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
    response.flushHeaders()
    const send = (line: object): boolean => response.write(`${JSON.stringify(line)}\n`)
    const onEvent = (event: ApiEvent): void => {
      if (response.writable && response.writableLength < MAX_UNREAD_BYTES) send({ event })
    }
    try {
      const args = checkArguments(name, parseBody(body))
      const result = await OPERATIONS[name].invoke(api, args, { signal, kill: kill.signal, onEvent })
      send({ result: OPERATIONS[name].result.parse(result) })
    } catch (error) {
      if (response.writable) send({ error: toWireError(error) })
    }
    response.end()
  }

  server.listen({ host: '127.0.0.1', port })
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EADDRINUSE' && cause.code !== 'EACCES') throw cause
    const reason = cause.code === 'EACCES' ? 'needs more rights than this process has' : 'is taken by another program'
    throw new InvalidInputError(`port ${port} for the local API ${reason}: give another with --api-port`, { cause })
  })
  const { port: bound } = server.address() as AddressInfo
  await writeApiFile(home, { pid: process.pid, port: bound, token })

  const close = async (): Promise<void> => {
    await removeApiFile(home, token)
    for (const call of calls.values()) call.abort(abortError('the daemon is stopping'))
    const closed = once(server, 'close')
    server.close()
    await Promise.all(running)
    server.closeIdleConnections()
    await closed
  }
  let closing: Promise<void> | undefined
  return { port: bound, close: () => (closing ??= close()) }
}

// --- internal ---

/** The port in the header is not compared: it may be that of a tunnel the operator made. */
function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(host)
}

/** Compares digests: of equal length whatever was sent, in constant time. */
function isAuthorized(header: string | undefined, token: string): boolean {
  const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`))
}

/** Undefined when there is more than is accepted; the rest is not read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseBody(body: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    throw new InvalidInputError('the arguments are not JSON', { cause })
  }
  if (!Array.isArray(value)) throw new InvalidInputError('the arguments are not a JSON array')
  return value
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(message)
}

function abortError(message: string): DOMException {
  return new DOMException(message, 'AbortError')
}
