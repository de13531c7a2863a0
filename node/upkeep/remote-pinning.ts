/**
 * Client of the IPFS Pinning Service API 1.0 (https://ipfs.github.io/pinning-services-api-spec/): asks a service to keep a DAG, connects
 * to the nodes that it names as its delegates, and waits until it has pinned or failed.
 *
 * The access token goes into the Authorization header and nowhere else; it leaves the machine encrypted only (https), and redirects are
 * not followed. Answers are bounded and checked by schema, like everything from the network.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { ContentUnavailableError, InvalidInputError, ProtocolError } from '../../src/errors.ts'

/** A status with 20 delegates has some kilobytes. */
const MAX_ANSWER_BYTES = 256 * 1024
/** For one request; the service answers at once and fetches later. */
const REQUEST_MS = 30_000
/** Between two looks at the status: twice the last one, up to this. */
const MAX_PAUSE_MS = 10_000
/** Attempts at a request that fails for a temporary reason. */
const ATTEMPTS = 5

const text = (length: number) => z.string().max(length)

const statusSchema = z.object({
  requestid: text(1024).min(1),
  status: z.enum(['queued', 'pinning', 'pinned', 'failed']),
  pin: z.object({ cid: text(256) }),
  delegates: z.array(text(1024)).max(64),
  info: z.record(text(256), z.unknown()).optional()
})

const failureSchema = z.object({ error: z.object({ reason: text(1024), details: text(4096).optional() }) })

type PinStatus = z.infer<typeof statusSchema>

export interface RemotePinning {
  service: string
  token: string
  cid: CID
  name?: string
  /** Multiaddrs at which the service finds the content */
  origins: readonly string[]
  /** Connect to these multiaddrs; must not throw */
  connect(addresses: readonly string[]): Promise<void>
  onStatus(status: PinStatus['status']): void
  signal: AbortSignal
  /** First pause between two looks, ms. @default 500 */
  pauseMs?: number
}

/** An https URL, or http on loopback. Throws `InvalidInputError`. */
export function serviceUrl(given: string): URL {
  const url = URL.parse(given)
  if (url === null) throw new InvalidInputError(`the pinning service "${given}" is not a URL`)
  const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal))
    throw new InvalidInputError(
      `the pinning service ${url.origin} is not https: anyone on the way could read its token`
    )
  if (url.username !== '' || url.password !== '')
    throw new InvalidInputError('give the token of the pinning service by --token-env, not in its URL')
  if (url.search !== '' || url.hash !== '') throw new InvalidInputError('the URL of a pinning service has no query')
  return url
}

/**
 * Resolves with the id of the request once the service has pinned. Throws `InvalidInputError` (URL, token or request refused),
 * `ContentUnavailableError` (the service cannot be reached or failed to pin), `ProtocolError` (not this API).
 */
export async function pinRemotely(job: RemotePinning): Promise<string> {
  const url = serviceUrl(job.service)
  const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}/pins`
  const send = async (method: 'GET' | 'POST', path: string, body?: unknown): Promise<PinStatus> =>
    await persevere(job, async () => await request(job, method, `${base}${path}`, body))

  let status = await send('POST', '', {
    cid: job.cid.toString(),
    ...(job.name === undefined ? {} : { name: job.name }),
    origins: job.origins.slice(0, 20) // as many as the specification allows
  })
  const { requestid } = status
  let delegates = ''
  let told: PinStatus['status'] | undefined
  for (let wait = job.pauseMs ?? 500; ; wait = Math.min(MAX_PAUSE_MS, wait * 2)) {
    if (status.pin.cid !== job.cid.toString())
      throw new ProtocolError(`${url.origin} answers about ${status.pin.cid}, asked for was ${job.cid}`)
    if (status.status !== told) job.onStatus((told = status.status))
    if (status.status === 'pinned') return requestid
    if (status.status === 'failed')
      throw new ContentUnavailableError(
        `${url.origin} failed to pin ${job.cid}${reasonIn(status)}: see that its nodes can reach this one, and ask again`
      )
    if (status.delegates.join() !== delegates) {
      delegates = status.delegates.join()
      await job.connect(status.delegates)
    }
    await pause(wait, undefined, { signal: job.signal })
    status = await send('GET', `/${encodeURIComponent(requestid)}`)
  }
}

// --- internal ---

/** A refusal that may be temporary. */
class BusyError extends Error {}

async function request(
  { token, signal }: RemotePinning,
  method: string,
  url: string,
  body: unknown
): Promise<PinStatus> {
  const { origin } = new URL(url)
  let response: Response
  try {
    response = await fetch(url, {
      method,
      redirect: 'error', // a redirect would send the token to another service
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)])
    })
  } catch (cause) {
    signal.throwIfAborted()
    throw new BusyError(`${origin} cannot be reached: ${messageOf(cause)}`, { cause })
  }
  const answer = await readAnswer(response, origin)
  if (response.ok) {
    const status = statusSchema.safeParse(answer)
    if (status.success) return status.data
    throw new ProtocolError(`${origin} does not answer as a pinning service does: ${z.prettifyError(status.error)}`)
  }
  const failure = failureSchema.safeParse(answer)
  const reason = failure.success
    ? `${failure.data.error.reason}${failure.data.error.details === undefined ? '' : ` (${failure.data.error.details})`}`
    : `HTTP status ${response.status}`
  if (response.status === 429 || response.status >= 500) throw new BusyError(`${origin}: ${reason}`)
  if (response.status === 401 || response.status === 403)
    throw new InvalidInputError(`${origin} does not accept the token: ${reason}`)
  throw new InvalidInputError(`${origin} refuses the request: ${reason}`)
}

async function readAnswer(response: Response, origin: string): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES) throw new ProtocolError(`${origin} answers with more than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined // judged by its status, or refused by the schema
  }
}

async function persevere<T>({ signal, pauseMs = 500 }: RemotePinning, action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof BusyError)) throw error
      if (attempt === ATTEMPTS) throw new ContentUnavailableError(error.message, { cause: error })
      await pause(pauseMs * 2 ** attempt, undefined, { signal })
    }
  }
}

function reasonIn({ info }: PinStatus): string {
  const details = info?.['status_details']
  return typeof details === 'string' ? ` (${details.slice(0, 512)})` : ''
}

function messageOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inner instanceof Error ? inner.message : String(inner)
}
