import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Choice } from '../../../src/merge/views.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { Check } from '../../../src/publish/record.ts'
import { dishonestAuthor, type DishonestAuthor } from '../../helpers/dishonest-author.ts'
import { blockPath, split, whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, dial, pictures, startNode, temporaryFolder, type TestNode } from '../../helpers/test-node.ts'

/** Rows of a partition with which bundled priors tell honest targets from others. */
const ROWS = 80
const PARTITIONS = 2

/** Who is away counts as gone at once, and what nobody sends is given up soon. */
const HASTY = { goneMs: 100, blockMs: 1000, blockAttempts: 1, handoffMs: 30_000 }
const NO_COPIES = { replicas: { min: 0, max: 0 } }

const { signal } = new AbortController()

interface Claimed {
  readonly invite: string
  readonly manifest: string
  readonly publisher: TestNode
  readonly author: DishonestAuthor
}

/** A swarm whose author has all images and has claimed nothing yet. */
async function swarmWith(author: TestNode, publisher: TestNode): Promise<Claimed> {
  const published = await publisher.publish(await pictures(ROWS * PARTITIONS + 300), {
    partitions: PARTITIONS,
    quorum: 1
  })
  const { invite, manifest } = published
  const by = await dishonestAuthor(author, invite, bundledPrior('resnet20'))
  const { partitions } = author.membership(manifest).swarm.manifest
  for (const { cid, bytes } of partitions) await author.runtime.content.fetch(cid, bytes, { signal })
  return { invite, manifest, publisher, author: by }
}

async function claimAll({ author }: Claimed): Promise<void> {
  for (let p = 0; p < PARTITIONS; p++) await author.claim(p, 'honest')
}

const chosen = (node: TestNode, manifest: string): Choice[] => [
  ...node.membership(manifest).state.view().chosen.values()
]

/** The last word of one peer on each chosen shard, as another knows it. */
function wordsOf(of: TestNode, manifest: string, peer: string): (Check['shard'] | undefined)[] {
  const { state } = of.membership(manifest)
  return chosen(of, manifest).map(({ alignment }) => {
    const words = state.set
      .byType('check')
      .filter(({ body }) => body.alignment.equals(alignment.id) && peerIdOf(body.author) === peer)
    return words.toSorted((a, b) => b.body.seq - a.body.seq)[0]?.body.shard
  })
}

const isComplete = (node: TestNode, manifest: string): boolean => node.membership(manifest).state.view().complete

/** Stay until the dataset is complete and `also` holds. */
async function stayUntil(
  node: TestNode,
  { invite, manifest }: Claimed,
  prior: string,
  also: () => boolean
): Promise<void> {
  const joined = node.join(invite, prior, { once: false })
  await node.node.status(invite)
  await whenState(node.membership(manifest), () => isComplete(node, manifest) && also())
  node.stop()
  await joined
}

async function isFetchedWhole({ invite }: Claimed): Promise<void> {
  const fresh = await startNode()
  const { provisional } = await fresh.node.merge(invite, { out: join(await temporaryFolder(), 'dataset') })
  expect(provisional).toBe(false)
}

test('work whose author lost its disk before anybody held it is done again, and the dataset can be fetched whole', async () => {
  const [publisher, author] = [await startNode({ timing: HASTY }), await startNode()]
  const swarm = await swarmWith(author, publisher)
  const { manifest, invite } = swarm
  const heal = split([publisher], [author])
  await claimAll(swarm)
  const lost = chosen(author, manifest)
  expect(lost).toHaveLength(PARTITIONS)
  for (const { result, alignment } of lost)
    for (const cid of [result.body.raw, alignment.body.shard]) await rm(blockPath(author.home, cid))
  author.runtime.content.distrust()
  heal()
  const known = whenState(publisher.membership(manifest), () => chosen(publisher, manifest).length === PARTITIONS)
  await dial(author, publisher)
  await known
  await author.node.close()

  const members = await Promise.all([startNode({ timing: HASTY }), startNode({ timing: HASTY })])
  const priors = ['superclass2', 'vgg_small'] as const
  const reports = await Promise.all(
    members.map(async (one, i) => await one.join(invite, bundledPrior(priors[i] ?? 'superclass2')))
  )
  expect(reports.map(({ complete }) => complete)).toEqual([true, true])
  const before = new Set(lost.map(({ alignment }) => alignment.key))
  for (const one of members)
    expect(chosen(one, manifest).filter(({ alignment }) => before.has(alignment.key))).toEqual([])
  await isFetchedWhole(swarm)
})

test('once the author is gone another member makes a copy of what only one holds', async () => {
  const [publisher, author] = [await startNode({ timing: HASTY, replicate: 'never' }), await startNode()]
  const swarm = await swarmWith(author, publisher)
  const { manifest } = swarm
  await claimAll(swarm)
  const checker = await startNode({ timing: HASTY })
  await stayUntil(checker, swarm, bundledPrior('superclass2'), () => true)
  await author.node.close()
  const hold = (): boolean =>
    [publisher, checker].every(({ peer }) => wordsOf(checker, manifest, peer).every(word => word === 'sound'))
  await whenState(checker.membership(manifest), hold)
  const { checks } = (await checker.node.status(swarm.invite)).swarms[0] ?? {}
  expect(checks?.scarce).toEqual({ min: 2, partitions: [] })
  expect(checks?.partitions.map(({ copies }) => copies)).toEqual([2, 2])
  await checker.node.close()
  await isFetchedWhole(swarm)
})

test('work of which all holders are gone is done again by those that remain', async () => {
  const config = { timing: HASTY, ...NO_COPIES }
  const [publisher, author, checker, first, second] = await Promise.all([
    startNode({ ...config, replicate: 'never' }),
    startNode(config),
    startNode(config),
    startNode(config),
    startNode(config)
  ])
  const swarm = await swarmWith(author, publisher)
  const { manifest } = swarm
  // the publisher has the images, and never gets the shards
  const heal = split([publisher], [author, checker, first, second])
  await claimAll(swarm)
  const { invite } = await author.node.invite(swarm.invite)
  const away = { ...swarm, invite }
  await stayUntil(checker, away, bundledPrior('superclass2'), () => true)
  for (const one of [first, second]) {
    await one.node.status(invite)
    await whenState(one.membership(manifest), () => isComplete(one, manifest))
  }
  const gone = new Set(chosen(first, manifest).map(({ alignment }) => alignment.key))
  await Promise.all([author.node.close(), checker.node.close()])
  heal()
  const isRedone = (node: TestNode) => () => chosen(node, manifest).every(({ alignment }) => !gone.has(alignment.key))
  await Promise.all([
    stayUntil(first, swarm, bundledPrior('vgg_small'), isRedone(first)),
    stayUntil(second, swarm, bundledPrior('superclass2'), isRedone(second))
  ])
  await isFetchedWhole(swarm)
})

test('a member that lost what it vouched for fetches it again, or says so until it has it', async () => {
  const [publisher, author] = [await startNode(), await startNode()]
  const swarm = await swarmWith(author, publisher)
  const { manifest } = swarm
  await claimAll(swarm)
  const checker = await startNode({ timing: { ...HASTY, goneMs: 60_000, keepMs: 200 }, replicas: { min: 4, max: 4 } })
  const vouches = (): boolean => wordsOf(checker, manifest, checker.peer).every(word => word === 'sound')
  await stayUntil(checker, swarm, bundledPrior('superclass2'), vouches)
  const { content } = checker.runtime
  const shards = chosen(checker, manifest).map(({ alignment }) => alignment.body.shard)
  const paths = shards.map(cid => blockPath(checker.home, cid))

  // others have it: it comes back, and nobody hears of it
  await Promise.all(paths.map(async path => await rm(path)))
  await expect
    .poll(async () => await Promise.all(shards.map(async cid => await content.has(cid))))
    .toEqual([true, true])
  expect(vouches()).toBe(true)

  const heal = split([checker], [publisher, author])
  await Promise.all(paths.map(async path => await rm(path)))
  const member = checker.membership(manifest)
  await whenState(member, () => wordsOf(checker, manifest, checker.peer).every(word => word === 'lost'))
  heal()
  await dial(checker, author)
  await whenState(member, vouches)
  expect(await Promise.all(shards.map(async cid => await content.holds(cid)))).toEqual([true, true])
})
