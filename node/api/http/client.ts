/**
 * `CoOptApi` of a running daemon, over its local HTTP API (see server.ts).
 *
 * `signal` asks the daemon to end the operation gracefully and waits for its answer; `kill` drops the connection, which ends the
 * operation there. Errors carry the name they had in the daemon; a daemon that dies is a `DaemonUnavailableError`.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { CoOptError, ProtocolError } from '../../../src/errors.ts'
import type { CallOptions, CoOptApi } from '../api.ts'
import { readLines } from './answer-lines.ts'
import { readApiFile, type ApiEndpoint } from './api-file.ts'
import { apiOf, OPERATIONS, type OperationName } from '../operations.ts'
import { answerLineSchema, CALL_HEADER } from './wire.ts'
import { fromWireError } from './wire-error.ts'

/** The daemon could not be reached, or went away during the call. */
export class DaemonUnavailableError extends CoOptError {
  static override readonly name = 'DaemonUnavailableError'
}

/** Did a call fail because nothing listened any more? Then it did not begin, and may be tried again. */
export function isNeverReached(error: unknown): boolean {
  return (
    error instanceof DaemonUnavailableError && isConnectionError(error.cause) && error.cause.code === 'ECONNREFUSED'
  )
}

/** How long a daemon may take to answer that it is there; it may be busy hashing. */
const PROBE_TIMEOUT_MS = 5000

/** The daemon of this home, or undefined when none is running. */
export async function connectApi(home: string): Promise<CoOptApi | undefined> {
  const endpoint = await readApiFile(home)
  return endpoint !== undefined && (await isServing(endpoint)) ? createApiClient(endpoint) : undefined
}

export function createApiClient(endpoint: ApiEndpoint): CoOptApi {
  const call = async (name: OperationName, args: unknown[], options: CallOptions): Promise<unknown> => {
    const { signal, kill, onEvent } = options
    kill?.throwIfAborted()
    signal?.throwIfAborted()
    const id = randomUUID()
    const leave = (): void => void askToEnd(endpoint, id)
    signal?.addEventListener('abort', leave, { once: true })
    try {
      const response = await send(endpoint, 'POST', `/v1/${name}`, JSON.stringify(args), {
        id,
        ...(kill && { signal: kill })
      })
      if (response.statusCode !== 200) throw new ProtocolError(await refusal(response))
      for await (const line of readLines(response)) {
        const answer = answerLineSchema.parse(JSON.parse(line))
        if ('event' in answer) onEvent?.(answer.event)
        else if ('error' in answer) throw fromWireError(answer.error)
        else return OPERATIONS[name].result.parse(answer.result)
      }
      throw new DaemonUnavailableError('the daemon ended before it answered; see what it printed and start it again')
    } catch (error) {
      kill?.throwIfAborted()
      throw isConnectionError(error) ? unavailable(endpoint, error) : error
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }
  return apiOf(call)
}

// --- internal ---

/** node:http and not fetch: fetch gives up on an answer that is silent for five minutes, and partitions take longer. */
async function send(
  { port, token }: ApiEndpoint,
  method: string,
  path: string,
  body: string,
  { id, signal }: { id?: string; signal?: AbortSignal } = {}
): Promise<IncomingMessage> {
  const sent = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    agent: false,
    headers: { authorization: `Bearer ${token}`, ...(id === undefined ? {} : { [CALL_HEADER]: id }) },
    ...(signal && { signal })
  })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

/** A failure to connect is not reported: the connection of the call itself fails then, too. */
async function askToEnd(endpoint: ApiEndpoint, id: string): Promise<void> {
  try {
    const response = await send(endpoint, 'DELETE', `/v1/calls/${id}`, '')
    response.resume()
  } catch (error) {
    if (!isConnectionError(error)) throw error
  }
}

/** Is it our daemon that listens there? Another program on a reused port does not know the token's API. */
async function isServing(endpoint: ApiEndpoint): Promise<boolean> {
  try {
    const response = await send(endpoint, 'DELETE', '/v1/calls/probe', '', {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS)
    })
    response.resume()
    return response.statusCode === 404
  } catch (error) {
    if (isConnectionError(error) || (error instanceof Error && error.name === 'AbortError')) return false
    throw error
  }
}

async function refusal(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    if (chunks.length < 16) chunks.push(chunk)
  }
  return `the daemon refused the call (${response.statusCode}): ${Buffer.concat(chunks).toString('utf8').slice(0, 1024)}`
}

function isConnectionError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && /^(ECONN|EPIPE|ENOTCONN|HPE_)/.test((error as NodeJS.ErrnoException).code ?? '')
}

function unavailable({ pid }: ApiEndpoint, cause: Error): DaemonUnavailableError {
  return new DaemonUnavailableError(`the daemon (process ${pid}) went away: ${cause.message}`, { cause })
}
