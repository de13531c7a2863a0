/** The page of a dataset, from a finished round with real shards. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeOverview, SwarmOverview } from '../../../node/monitor/overview.ts'
import { createPages, type PageAnswer } from '../../../node/page/page.ts'
import { projectTwo } from '../../../node/page/projection.ts'
import { elect } from '../../../src/align/election.ts'
import { candidatesOf, viewOf, type SwarmView } from '../../../src/merge/views.ts'
import { finishedRound, ROUND, type FinishedRound } from '../../helpers/finished-round.ts'
import { seeded } from '../../helpers/seeded.ts'
import { makeStore } from '../gateway/fixtures.ts'
import { busySwarm, fullOverview, HOSTILE } from './overviews.ts'

let store: Awaited<ReturnType<typeof makeStore>>
let round: FinishedRound
const never = new AbortController().signal

beforeAll(async () => {
  store = await makeStore()
  round = await finishedRound(store.content)
})
afterAll(async () => await store.remove())

const withoutChecks: SwarmOverview = (() => {
  const { checks: _, ...rest } = busySwarm
  return rest
})()

function pagesOf(view: SwarmView, changed: Partial<SwarmOverview>, isHere = true) {
  const swarm: SwarmOverview = {
    ...withoutChecks,
    manifest: round.swarm.id.toString(),
    partitions: [0, 1].map(index => ({ index, rows: ROUND.rows, state: 'done', prior: HOSTILE, peer: 'me' })),
    ...changed
  }
  const overview: NodeOverview = { ...fullOverview, swarms: [swarm] }
  const { holdsEach, ranges } = store.content
  const pages = createPages({
    monitor: { overview: async () => overview, onChange: () => () => {} },
    memberships: () => [{ swarm: round.swarm, state: { set: round.set, evidence: round.evidence, view: () => view } }],
    content: { holdsEach: async cids => (isHere ? await holdsEach(cids) : cids.map(() => false)), ranges }
  })
  return async (path: string): Promise<PageAnswer> =>
    await pages.answer({ url: path, host: 'localhost:18480', closed: never })
}

async function bytes({ body }: PageAnswer): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const text = async (answer: PageAnswer): Promise<string> => (await bytes(answer)).toString('utf8')

describe('a complete dataset', () => {
  test('is found by its swarm and by its root, with images, neighbours, a plane, loading, card and directory', async () => {
    const get = pagesOf(round.mergeable.state.view(), { complete: true })
    const { root } = await round.merge()
    for (const id of [round.swarm.id, root]) {
      const answer = await get(`/dataset/${id}`)
      const page = await text(answer)
      expect(answer.status).toBe(200)
      for (const part of [
        'asks for no checks',
        'Nearest neighbours',
        'Targets in the plane',
        'load_dataset(',
        'IterableDataset',
        `coopt verify ${root}`,
        `http://localhost:18480/ipfs/${root}`,
        'README.md',
        `href="/ipfs/${root}/data/"`
      ])
        expect(page, part).toContain(part)
      expect(page).not.toContain('<script>alert')
      expect(page).not.toMatch(/(undefined|NaN|\[object)/)
    }
  })

  test('serves the images that are on its page as what they are, and no others', async () => {
    const get = pagesOf(round.mergeable.state.view(), { complete: true })
    const page = await text(await get(`/dataset/${round.swarm.id}`))
    const sources = [...page.matchAll(/<img\s+src="([^"]+)"/g)].map(([, source = '']) => source)
    expect(sources.length).toBeGreaterThan(ROUND.rows)
    const known = new Set(round.images.flat().map(image => Buffer.from(image).toString('hex')))
    for (const source of new Set(sources)) {
      const answer = await get(source)
      expect(answer.headers['content-security-policy']).toBe("default-src 'none'; sandbox")
      expect(answer.headers['content-type']).toMatch(/^image\//)
      expect(known).toContain((await bytes(answer)).toString('hex'))
    }
    expect((await get(`/dataset/${round.swarm.id}/image/bafynothing`)).status).toBe(404)
    expect((await get(`/dataset/bafynothing/image/bafynothing`)).status).toBe(404)
  })

  test('without a shard here says what fetches them', async () => {
    const page = await text(
      await pagesOf(round.mergeable.state.view(), { complete: true }, false)(`/dataset/${round.swarm.id}`)
    )
    expect(page).toContain('coopt merge INVITE')
    expect(page).toContain('load_dataset(')
  })
})

test('work that nobody else confirmed is shown as unconfirmed, and is there', async () => {
  const { manifest } = round.swarm
  const election = elect(manifest, candidatesOf(round.set, round.evidence))
  const view = viewOf(manifest, round.set, round.evidence, election, { quorum: 1, voters: 'priors' })
  expect(view.complete).toBe(false)
  const answer = await pagesOf(view, { complete: false, ...(busySwarm.checks && { checks: busySwarm.checks }) })(
    `/dataset/${round.swarm.id}`
  )
  const page = await text(answer)
  expect(answer.status).toBe(200)
  expect(page).toContain('unconfirmed')
  expect(page).toContain('Nobody but their authors has confirmed the targets yet: 2 of 2')
  expect(page).toMatch(/<img\s+src=/)
  expect(page).toContain('load_dataset(')
})

test('a swarm without any work has a page that says so', async () => {
  const { manifest } = round.swarm
  const nothing = viewOf(manifest, round.set, { ...round.evidence, qualities: new Map() }, elect(manifest, []))
  const get = pagesOf(nothing, { partitions: [{ index: 0, rows: ROUND.rows, state: 'missing' }], complete: false })
  const answer = await get(`/dataset/${round.swarm.id}`)
  expect(answer.status).toBe(200)
  expect(await text(answer)).toContain('No partition has targets yet')
})

describe('the plane', () => {
  test('is spanned by the directions in which rows differ most, and says how much it shows', async () => {
    const random = seeded(7)
    const noise = (size: number): number => size * (random.below(2 ** 20) / 2 ** 19 - 1)
    const rows = Array.from({ length: 200 }, () => Float32Array.from([noise(0.1), 5 + noise(3), noise(0.1), noise(1)]))
    const found = await projectTwo(rows)
    const [first, second] = found?.explained ?? [0, 0]
    expect(first).toBeGreaterThan(0.85)
    expect(second).toBeGreaterThan(0.05)
    expect(first + second).toBeGreaterThan(0.99)
    const xs = found?.points.map(([x]) => x) ?? []
    const along = Math.sign((xs[0] ?? 0) * ((rows[0]?.[1] ?? 0) - 5))
    expect(rows.every((row, i) => Math.abs((xs[i] ?? 0) * along - ((row[1] ?? 0) - 5)) < 0.5)).toBe(true)
    expect(await projectTwo(rows)).toEqual(found)
  })

  test('is left out where there is none', async () => {
    const same = Float32Array.of(1, 2, 3)
    expect(await projectTwo([])).toBeUndefined()
    expect(await projectTwo([same, same, same, same])).toBeUndefined()
  })
})
