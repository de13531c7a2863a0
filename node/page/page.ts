/**
 * READ FIRST: the page that a node shows of itself in a browser, rendered here: a view of what the monitor says, which is what `coopt status` says.
 *
 *   /                  this node: swarms, warnings, network, disk
 *   /swarm/CID         a swarm by its manifest
 *   /dataset/CID       what a swarm merges to so far, by its manifest or the merged directory
 *   /events?page=PATH  the live parts of one of these (live.ts)
 *   /assets/NAME       style, script and icon
 *
 * Read only. Names, claims and reasons come from strangers: everything goes through the template `html`, which escapes.
 */
import { randomBytes } from 'node:crypto'
import { VERSION } from '../api/version.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { NodeOverview } from '../monitor/overview.ts'
import { html } from '../process/html.ts'
import { asset } from './assets.ts'
import { pageHtml, pagePolicy, type Page } from './layout.ts'
import { liveEvents } from './live.ts'
import { nodePage } from './node-page.ts'
import { swarmPage } from './swarm-page.ts'

export interface PageAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface PageRequest {
  /** With its query */
  readonly url: string
  readonly host: string
  /** The client went away */
  readonly closed: AbortSignal
}

export interface Pages {
  isOwn(path: string): boolean
  answer(request: PageRequest): Promise<PageAnswer>
}

/** Browsers and their tabs; each holds a connection and is rendered for. */
const MAX_STREAMS = 32

const COMMON = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin'
}

export function createPages({ monitor }: { monitor: Pick<Monitor, 'overview' | 'onChange'> }): Pages {
  let streams = 0
  let making: Promise<NodeOverview> | undefined

  /** Streams that wake together share one look. */
  const overview = async (): Promise<NodeOverview> =>
    await (making ??= monitor.overview().finally(() => (making = undefined)))

  /** Undefined when there is no such page. */
  const render = async (path: string): Promise<Page | undefined> => {
    const now = await overview()
    if (path === '/') return nodePage(now)
    const [, kind, id] = path.split('/')
    const swarm = now.swarms.find(({ manifest }) => manifest === id)
    return kind === 'swarm' && swarm !== undefined ? swarmPage(swarm, now) : undefined
  }

  const pageAnswer = async (path: string): Promise<PageAnswer> => {
    const nonce = randomBytes(16).toString('base64url')
    const found = await render(path)
    const page = found ?? missingPage()
    const isLive = page.sections.some(({ live }) => live)
    const { peer } = await overview()
    const events = isLive ? { events: `/events?page=${encodeURIComponent(path)}` } : {}
    const text = pageHtml(page, { peer, version: VERSION, nonce, ...events })
    const headers = {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': pagePolicy(nonce),
      'cache-control': 'no-store'
    }
    return textAnswer(found === undefined ? 404 : 200, headers, text)
  }

  const eventAnswer = async (url: string, closed: AbortSignal): Promise<PageAnswer> => {
    const path = new URLSearchParams(url.split('?')[1]).get('page') ?? '/'
    const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }
    if ((await render(path)) === undefined) return textAnswer(404, plain, 'there is no such page\n')
    if (streams >= MAX_STREAMS) return textAnswer(503, { ...plain, 'retry-after': '10' }, 'too many pages are open\n')
    const source = { render: async () => (await render(path))?.sections, onChange: monitor.onChange }
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      streams++
      try {
        yield* liveEvents(source, closed)
      } finally {
        streams--
      }
    }
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
    return { status: 200, headers: { ...COMMON, ...headers }, body: counted() }
  }

  const assetAnswer = async (path: string): Promise<PageAnswer> => {
    const found = await asset(path.slice('/assets/'.length))
    if (found === undefined) return textAnswer(404, { 'content-type': 'text/plain; charset=utf-8' }, 'no such file\n')
    const { type, bytes } = found
    // the next version of the program has another one under this name
    const headers = { 'content-type': type, 'content-length': `${bytes.byteLength}`, 'cache-control': 'no-cache' }
    return { status: 200, headers: { ...COMMON, ...headers }, body: [bytes] }
  }

  return {
    isOwn: path => path === '/' || path === '/events' || /^\/(swarm|dataset|assets)\//.test(path),
    answer: async ({ url, closed }) => {
      const [path = '/'] = url.split('?')
      if (path === '/events') return await eventAnswer(url, closed)
      if (path.startsWith('/assets/')) return await assetAnswer(path)
      return await pageAnswer(path)
    }
  }
}

// --- internal ---

function textAnswer(status: number, headers: Record<string, string>, text: string): PageAnswer {
  const bytes = new TextEncoder().encode(text)
  return { status, headers: { ...COMMON, ...headers, 'content-length': `${bytes.byteLength}` }, body: [bytes] }
}

function missingPage(): Page {
  return {
    title: 'Not found – CoOpt',
    heading: html`<h1>There is no such page</h1>
      <p>It may be of a swarm that this node is not in. <a href="/">This node</a> lists those it is in.</p>`,
    sections: []
  }
}
