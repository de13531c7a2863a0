/**
 * READ FIRST: the page that a node shows of itself in a browser, rendered here: a view of what the monitor says, which is what `coopt status` says.
 *
 *   /                       this node: swarms, warnings, network, disk
 *   /swarm/CID              a swarm by its manifest
 *   /dataset/CID            what a swarm merges to so far, by its manifest or the merged directory
 *   /dataset/CID/image/ID   an image that is shown there
 *   /events?page=PATH       the live parts of one of these (live.ts)
 *   /assets/NAME            style, script and icon
 *
 * Read only. Names, claims and reasons come from strangers: everything goes through the template `html`, which escapes.
 */
import { randomBytes } from 'node:crypto'
import { VERSION } from '../api/version.ts'
import type { Mergeable } from '../merge/merge-swarm.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { NodeOverview } from '../monitor/overview.ts'
import { html } from '../process/html.ts'
import { asset } from './assets.ts'
import { datasetPage } from './dataset-page.ts'
import type { SampleSource } from './dataset-sample.ts'
import { createDatasets } from './datasets.ts'
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

export interface PageComponents {
  readonly monitor: Pick<Monitor, 'overview' | 'onChange'>
  memberships(): readonly Mergeable[]
  readonly content: SampleSource
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
const PLAIN = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }

export function createPages({ monitor, memberships, content }: PageComponents): Pages {
  const datasets = createDatasets({ memberships, content })
  let streams = 0
  let making: Promise<NodeOverview> | undefined

  /** Streams that wake together share one look. */
  const overview = async (): Promise<NodeOverview> =>
    await (making ??= monitor.overview().finally(() => (making = undefined)))

  /** Undefined when there is no such page. `liveOnly`: without what is costly and does not change by itself. */
  const render = async (path: string, host: string, liveOnly: boolean): Promise<Page | undefined> => {
    const [, kind, id = '', ...rest] = path.split('/')
    if (path !== '/' && rest.length > 0) return undefined
    const now = await overview()
    if (path === '/') return nodePage(now)
    if (kind === 'swarm') {
      const swarm = now.swarms.find(({ manifest }) => manifest === id)
      return swarm === undefined ? undefined : swarmPage(swarm, now)
    }
    const found = kind === 'dataset' ? await datasets.find(id) : undefined
    const swarm = now.swarms.find(({ manifest }) => manifest === found?.swarm.id.toString())
    if (found === undefined || swarm === undefined) return undefined
    const sample = liveOnly ? {} : { sample: await datasets.sample(found) }
    return datasetPage({ swarm, dataset: await datasets.view(found), host, ...sample })
  }

  const pageAnswer = async (path: string, host: string): Promise<PageAnswer> => {
    const nonce = randomBytes(16).toString('base64url')
    const found = await render(path, host, false)
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

  const imageAnswer = async (swarm: string, id: string): Promise<PageAnswer> => {
    const found = await datasets.find(swarm)
    const image = found === undefined ? undefined : (await datasets.sample(found)).images.get(id)
    if (image?.type === undefined) return textAnswer(404, PLAIN, 'there is no such image\n')
    const headers = {
      'content-type': image.type,
      'content-length': `${image.bytes.byteLength}`,
      'content-security-policy': "default-src 'none'; sandbox",
      'cache-control': 'private, max-age=86400, immutable' // the id is the CID of the bytes
    }
    return { status: 200, headers: { ...COMMON, ...headers }, body: [image.bytes] }
  }

  const eventAnswer = async ({ url, host, closed }: PageRequest): Promise<PageAnswer> => {
    const path = new URLSearchParams(url.split('?')[1]).get('page') ?? '/'
    if ((await render(path, host, true)) === undefined) return textAnswer(404, PLAIN, 'there is no such page\n')
    if (streams >= MAX_STREAMS) return textAnswer(503, { ...PLAIN, 'retry-after': '10' }, 'too many pages are open\n')
    const source = {
      render: async () => (await render(path, host, true))?.sections,
      onChange: monitor.onChange
    }
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
    if (found === undefined) return textAnswer(404, PLAIN, 'there is no such file\n')
    const { type, bytes } = found
    // the next version of the program has another one under this name
    const headers = { 'content-type': type, 'content-length': `${bytes.byteLength}`, 'cache-control': 'no-cache' }
    return { status: 200, headers: { ...COMMON, ...headers }, body: [bytes] }
  }

  return {
    isOwn: path => path === '/' || path === '/events' || /^\/(swarm|dataset|assets)\//.test(path),
    answer: async request => {
      const [path = '/'] = request.url.split('?')
      const { host } = request
      const image = /^\/dataset\/([^/]+)\/image\/([^/]+)$/.exec(path)
      if (image !== null) return await imageAnswer(image[1] ?? '', image[2] ?? '')
      if (path === '/events') return await eventAnswer({ ...request, host: safeHost(host) })
      if (path.startsWith('/assets/')) return await assetAnswer(path)
      return await pageAnswer(path, safeHost(host))
    }
  }
}

// --- internal ---

/** It becomes part of commands that people copy. */
function safeHost(host: string): string {
  return /^[\w.[\]:-]+$/.test(host) ? host : '127.0.0.1:18480'
}

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
