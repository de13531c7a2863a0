/** What is on the pages, without a browser: from overviews with everything in them. */
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NodeOverview } from '../../../node/monitor/overview.ts'
import { createPages, type PageAnswer, type Pages } from '../../../node/page/page.ts'
import { ALL_STATES, busySwarm, emptySwarm, fullOverview, HOSTILE, quietOverview } from './overviews.ts'

function pagesOf(first: NodeOverview) {
  let overview = first
  const listeners = new Set<() => void>()
  const pages = createPages({
    memberships: () => [],
    content: { holdsEach: async () => [], ranges: () => Promise.reject(new Error('not here')) },
    monitor: {
      overview: async () => overview,
      onChange: listener => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      }
    }
  })
  return {
    pages,
    listeners,
    show: (next: NodeOverview) => {
      overview = next
      for (const tell of listeners) tell()
    }
  }
}

const never = new AbortController().signal
const get = async (pages: Pages, url: string, closed = never): Promise<PageAnswer> =>
  await pages.answer({ url, host: '127.0.0.1:18480', closed })

async function text(answer: PageAnswer): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

const PATHS = ['/', ...fullOverview.swarms.map(({ manifest }) => `/swarm/${manifest}`)]

describe('every page', () => {
  test.each(PATHS)('%s shows names of strangers as text', async path => {
    const { pages } = pagesOf(fullOverview)
    const answer = await get(pages, path)
    const page = await text(answer)
    expect(answer.status).toBe(200)
    expect(page).not.toContain('<script>alert')
    expect([...page.matchAll(/<script/g)]).toHaveLength(1)
    expect(page).not.toMatch(/ on[a-z]+=| style=|javascript:/)
    expect(page).not.toMatch(/(undefined|NaN|\[object)/)
  })

  test('may load what this node serves below /assets, and nothing else', async () => {
    const { pages } = pagesOf(fullOverview)
    const answer = await get(pages, '/')
    const policy = answer.headers['content-security-policy'] ?? ''
    const page = await text(answer)
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1]
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|\*|http/)
    expect(policy).not.toContain("script-src 'self'")
    expect(page).toContain(`<script src="/assets/page.js" nonce="${nonce}"`)
    expect([...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, target]) => target)).not.toContainEqual(
      expect.stringMatching(/^(?!\/|#)/)
    )
    expect((await get(pages, '/')).headers['content-security-policy']).not.toBe(policy)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })
})

test('the first page names swarms, what needs attention with its remedy, peers and disk', async () => {
  const page = await text(await get(pagesOf(fullOverview).pages, '/'))
  for (const part of ['new-images', 'What to do', 'network.announce', 'relayed', '31.0 GB', '6.2 GB', '66.6 %'])
    expect(page, part).toContain(part)
})

test('a node without anything says how to begin', async () => {
  const page = await text(await get(pagesOf(quietOverview).pages, '/'))
  for (const part of ['coopt publish', 'coopt join', 'coopt doctor']) expect(page, part).toContain(part)
})

test('a swarm shows every state of a partition, with whom it is, and why it waits', async () => {
  const page = await text(await get(pagesOf(fullOverview).pages, `/swarm/${busySwarm.manifest}`))
  for (const state of ALL_STATES) expect(page, state).toContain(`href="#s-${state}"`)
  expect(page).toContain('aria-label="Partitions of')
  expect(page).toContain('done, not confirmed')
  expect(page).toContain('wait for a check by a member with another prior')
  expect(page).toContain('z = 0.7 is below 5')
  expect(page).toContain('0.047')
  expect(page).toContain('−4.3')
})

test('a swarm that nobody has joined says so', async () => {
  const page = await text(await get(pagesOf(fullOverview).pages, `/swarm/${emptySwarm.manifest}`))
  expect(page).toContain('Nobody has entered a prior yet')
})

test('another path below these is 404, as a page and as a stream', async () => {
  const { pages } = pagesOf(fullOverview)
  for (const path of ['/swarm/bafynobody', '/swarm/', `/swarm/${HOSTILE}`, '/assets/../page.ts', '/assets/x'])
    expect((await get(pages, path)).status, path).toBe(404)
  expect((await get(pages, '/events?page=/swarm/bafynobody')).status).toBe(404)
  expect(pages.isOwn('/ipfs/bafy')).toBe(false)
})

test('a stream sends every live part once, then those that change, and ends with its reader', async () => {
  const { pages, show, listeners } = pagesOf(fullOverview)
  const closed = new AbortController()
  const answer = await get(pages, '/events?page=%2F', closed.signal)
  expect(answer.headers['content-type']).toBe('text/event-stream')
  const chunks = (answer.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  const next = async (): Promise<string> => Buffer.from((await chunks.next()).value ?? []).toString('utf8')
  const parts = (sent: string): string[] =>
    [...sent.matchAll(/^data: (.*)$/gm)].map(([, line = '']) => (JSON.parse(line) as { id: string }).id)
  expect(await next()).toMatch(/^retry: /)
  expect(parts(await next())).toEqual(['now', 'warnings', 'swarms', 'network', 'disk'])
  show({ ...fullOverview, relayReservations: 9 })
  expect(parts(await next())).toEqual(['network'])
  const end = chunks.next()
  closed.abort()
  expect(await end).toMatchObject({ done: true })
  expect(listeners.size).toBe(0)
})

test('no more streams than a person could want', async () => {
  const { pages } = pagesOf(fullOverview)
  const open = await Promise.all(
    Array.from({ length: 32 }, async () => {
      const closed = new AbortController()
      const { body } = await get(pages, '/events?page=/', closed.signal)
      const stream = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
      await stream.next()
      return { stream, closed }
    })
  )
  onTestFinished(async () => {
    for (const { closed, stream } of open) {
      closed.abort()
      await stream.return?.()
    }
  })
  expect((await get(pages, '/events?page=/')).status).toBe(503)
  const [first] = open
  const gone = once(first?.closed.signal as AbortSignal, 'abort')
  first?.closed.abort()
  await gone
  await first?.stream.return?.()
  expect((await get(pages, '/events?page=/')).status).toBe(200)
})
