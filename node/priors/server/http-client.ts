/**
 * HTTP to one model server: never to another host, never more bytes of an answer than asked for, never longer than the limit, and the token in
 * no message.
 *
 * Redirects are refused: they would carry images and token to a place that nobody named.
 */
import { InvalidPriorError } from '../../../src/errors.ts'

/** Of an error message of the server as many characters are repeated. */
const MAX_SAID = 300
/** More of the body of an error is not read. */
const MAX_ERROR_BYTES = 65_536

/** The server cannot be reached, or is not ready: it may be later. */
export class ServerAwayError extends Error {
  static override readonly name = 'ServerAwayError'
}

/** The server answered, and not as wanted. */
export class ServerStatusError extends Error {
  static override readonly name = 'ServerStatusError'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** No answer within the limit. */
export class ServerSlowError extends Error {
  static override readonly name = 'ServerSlowError'
}

export interface Answer {
  readonly headers: Headers
  readonly body: Uint8Array
}

export interface Ask {
  readonly path: string
  /** Of the answer's body, after decompression */
  readonly maxBytes: number
  readonly signal?: AbortSignal
  /** Sent by POST; a GET without */
  readonly body?: { readonly parts: readonly Uint8Array[]; readonly headers: Readonly<Record<string, string>> }
}

export interface HttpClient {
  /**
   * Throws `ServerAwayError` (no connection; 408, 429, 502, 503, 504), `ServerSlowError`, `ServerStatusError` (any other status than 200), the
   * signal's reason, or `InvalidPriorError` (redirect, token refused, answer too large).
   */
  ask(request: Ask): Promise<Answer>
}

export function createHttpClient(server: string, init: { milliseconds: number; token?: string }): HttpClient {
  const { milliseconds, token } = init
  const hidden = (text: string): string => (token === undefined ? text : text.replaceAll(token, '…'))
  return {
    async ask({ path, maxBytes, signal, body }) {
      signal?.throwIfAborted()
      const timeout = AbortSignal.timeout(milliseconds)
      const stop = signal === undefined ? timeout : AbortSignal.any([signal, timeout])
      const where = `${server}${path}`
      try {
        const response = await fetch(where, {
          redirect: 'manual',
          signal: stop,
          headers: {
            accept: 'application/json, application/octet-stream',
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...body?.headers
          },
          ...(body === undefined ? {} : { method: 'POST', body: Buffer.concat(body.parts) })
        })
        if (response.status === 200) return { headers: response.headers, body: await read(response, maxBytes, where) }
        throw await refusal(response, where)
      } catch (error) {
        signal?.throwIfAborted()
        if (timeout.aborted) throw new ServerSlowError(`${where} gave no answer within ${milliseconds} ms`)
        if (error instanceof ServerStatusError) throw new ServerStatusError(error.status, hidden(error.message))
        if (error instanceof ServerAwayError || error instanceof InvalidPriorError) throw error
        throw new ServerAwayError(`${server} cannot be reached: ${hidden(reason(error))}`, { cause: error })
      }
    }
  }
}

// --- internal ---

async function read(response: Response, maxBytes: number, where: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength
    if (bytes > maxBytes)
      // leaving the loop cancels the rest
      throw new InvalidPriorError(`${where} answered with more than ${maxBytes} bytes, which no answer to this has`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function refusal(response: Response, where: string): Promise<Error> {
  const { status, headers } = response
  if (status >= 300 && status < 400) {
    await response.body?.cancel()
    const to = headers.get('location') ?? ''
    const target = URL.canParse(to, where) ? new URL(to, where).origin : 'elsewhere'
    return new InvalidPriorError(
      `${where} redirects to ${target}, and redirects are not followed: give the URL of the server itself`
    )
  }
  const said = await text(response)
  if (status === 401 || status === 403)
    return new InvalidPriorError(
      `${where} refuses access (${status}): put a token for it into the environment variable COOPT_PRIOR_TOKEN`
    )
  const message = `${where} answered ${status}${said === '' ? '' : `: ${said}`}`
  return [408, 429, 502, 503, 504].includes(status)
    ? new ServerAwayError(message)
    : new ServerStatusError(status, message)
}

/** What the server says is wrong, as one line. */
async function text(response: Response): Promise<string> {
  const body = await read(response, MAX_ERROR_BYTES, 'the server').catch(() => undefined) // the status says enough
  if (body === undefined) return ''
  const plain = new TextDecoder().decode(body)
  let said = plain
  try {
    const value: unknown = JSON.parse(plain)
    if (typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string')
      said = value.error
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error // plain text then
  }
  return said
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_SAID)
}

/** `fetch` says "fetch failed"; its cause knows why. */
function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  return cause.message === '' ? code : cause.message
}
