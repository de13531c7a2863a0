import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { createContent, type Content } from '../../../node/content/content.ts'
import { walkDag } from '../../../node/content/dag/walk.ts'
import { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { collectGarbage, type CollectedSwarm, type GarbageComponents } from '../../../node/upkeep/collect-garbage.ts'
import { neededRoots } from '../../../node/upkeep/needed-roots.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { finishedRound, type FinishedRound } from '../../helpers/finished-round.ts'
import { makeAlignment, makeCheck, testCid, testPeer } from '../../helpers/swarm-factory.ts'

let store: DurableBlockstore
let content: Content
let round: FinishedRound
const signal = new AbortController().signal

const collectedOf = ({ mergeable: { swarm, state } }: FinishedRound): CollectedSwarm => ({
  swarm,
  state: { ...state, untilJudged: async () => {} }
})

async function gc(overrides: Partial<GarbageComponents> = {}, dryRun = false) {
  return await collectGarbage(
    {
      memberships: () => [collectedOf(round)],
      known: async () => [round.swarm.id],
      settled: async () => {},
      pins: async () => [],
      self: testPeer('nobody here').key,
      content,
      store,
      ...overrides
    },
    { dryRun, signal }
  )
}

async function held(root: CID): Promise<number> {
  let blocks = 0
  for await (const _ of walkDag(root, async cid => await content.block(cid, { signal }), new Set())) blocks++
  return blocks
}

const litter = async (i = 0): Promise<CID> => (await importBytes([new Uint8Array(3_000_000).fill(i)], content.put)).cid

beforeEach(async () => {
  const path = await mkdtemp(join(tmpdir(), 'coopt-gc-'))
  onTestFinished(async () => await rm(path, { recursive: true, force: true }))
  store = await DurableBlockstore.open({ path })
  content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
  round = await finishedRound(content)
})

test('frees what nothing needs, in the process that stored it, and the dataset stays whole', async () => {
  const { root } = await round.merge()
  const blocks = await held(root)
  const before = store.bytes
  const wasted = await litter()
  expect(await content.holds(wasted)).toBe(true)
  const tried = await gc({}, true)
  expect(tried).toEqual({ dryRun: true, blocks: 3, bytes: store.bytes - before, left: before })
  expect(await held(wasted)).toBe(3) // two of its leaves are the same block
  expect(await gc()).toEqual({ ...tried, dryRun: false })
  expect(store.bytes).toBe(before)
  expect(await content.holds(wasted)).toBe(false)
  expect(await held(root)).toBe(blocks)
  for (const { body } of round.results) expect(await content.holds(body.raw)).toBe(true)
  expect(await gc()).toMatchObject({ blocks: 0, bytes: 0 })
})

test('keeps what is pinned, as a whole', async () => {
  const [pinned, other] = [await litter(1), await litter(2)]
  expect(await gc({ pins: async () => [pinned] })).toMatchObject({ blocks: 3 })
  expect(await content.holds(pinned)).toBe(true)
  expect(await content.holds(other)).toBe(false)
})

test('frees a shard aligned to a superseded reference, unless it is our own or scores wait to be judged', async () => {
  const [result] = round.results
  if (result === undefined) throw new Error('there is no result')
  const past = await litter(3)
  const other = testPeer('another author')
  round.set.insert(await makeAlignment(round.swarm, other, 0, result, testCid('a past reference'), { shard: past }))
  expect(await gc({ self: other.key })).toMatchObject({ blocks: 0 })

  const unjudged = { ...round.evidence, assessments: new Map([...round.evidence.assessments].slice(0, 1)) }
  const waiting = collectedOf(round)
  const swarm = { ...waiting, state: { ...waiting.state, evidence: unjudged } }
  await gc({ memberships: () => [swarm] })
  expect(await content.holds(past)).toBe(true)

  await gc()
  expect(await content.holds(past)).toBe(false)
})

test('keeps the shard that this node has vouched for, whatever the reference', async () => {
  const [result] = round.results
  if (result === undefined) throw new Error('there is no result')
  const past = await litter(6)
  const [author, checker] = [testPeer('another author'), testPeer('who checked')]
  const alignment = await makeAlignment(round.swarm, author, 0, result, testCid('a past reference'), { shard: past })
  round.set.insert(alignment)
  round.set.insert(await makeCheck(round.swarm, checker, 0, alignment, undefined))
  expect(await gc({ self: checker.key })).toMatchObject({ blocks: 0 })
  await gc()
  expect(await content.holds(past)).toBe(false)
})

test('takes nothing of what is written while it runs', async () => {
  using writing = content.writing()
  const unfinished = (await importBytes([new Uint8Array(3_000_000).fill(4)], writing.put)).cid
  let during: CID | undefined
  // put when the pins have been looked at, named by nothing yet
  await gc({
    settled: async () => {
      during = await litter(5)
    }
  })
  expect(await content.holds(unfinished)).toBe(true)
  expect(during !== undefined && (await content.holds(during))).toBe(true)
  writing.release()
  expect(await gc()).toMatchObject({ blocks: 6 })
})

test('a swarm of the home that is not open stops it: nobody can say what that needs', async () => {
  await litter()
  const bytes = store.bytes
  await expect(gc({ memberships: () => [] })).rejects.toBeInstanceOf(InvalidInputError)
  expect(store.bytes).toBe(bytes)
})

test('a record that names something else than a file does no harm', async () => {
  const [result] = round.results
  if (result === undefined) throw new Error('there is no result')
  const odd = { cid: testCid('not dag-pb'), bytes: new TextEncoder().encode('test content not dag-pb') }
  await content.put(odd.cid, odd.bytes)
  const asTree = odd.cid.toV1()
  round.set.insert(await makeAlignment(round.swarm, testPeer('x'), 0, result, testCid('r'), { shard: asTree }))
  await gc()
  expect(await held((await round.merge()).root)).toBeGreaterThan(0)
})

test('more alignments than a call takes arguments are no limit', () => {
  const [alignment] = round.alignments
  if (alignment === undefined) throw new Error('there is no alignment')
  const many = Array.from({ length: 161_000 }, () => alignment)
  const { state, swarm } = round.mergeable
  const set = Object.assign(Object.create(state.set) as typeof state.set, {
    byType: (type: string) => (type === 'alignment' ? many : [])
  })
  const roots = [...neededRoots({ swarm, state: { ...state, view: () => state.view(), set } }, testPeer('x').key)]
  expect(roots.length).toBeGreaterThan(161_000)
})
