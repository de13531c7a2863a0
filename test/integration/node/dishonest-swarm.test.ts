import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JoinReport } from '../../../node/api/reports.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { dishonestAuthor, type Claimed, type Deceit, type DishonestAuthor } from '../../helpers/dishonest-author.ts'
import { whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, pictures, startNode, temporaryFolder, type TestNode } from '../../helpers/test-node.ts'

/** Rows of a partition with which bundled priors tell honest targets from others. */
const ROWS = 80

/** The best of the bundled priors: whatever it is believed is chosen before the work of others. */
const BEST = 'resnet20'

/** Does not say what it lost, or never had. */
const BRAZEN = { timing: { keepMs: 0 } }

interface Deceived {
  readonly invite: string
  readonly manifest: string
  readonly publisher: TestNode
  readonly author: DishonestAuthor
  readonly claims: readonly Claimed[]
}

/** A swarm in which one author claims a piece of work of each of these kinds; the publisher knows of them. */
async function deceivedBy(deceits: readonly Deceit[]): Promise<Deceived> {
  const [publisher, liar] = await Promise.all([startNode(), startNode(BRAZEN)])
  const { length: partitions } = deceits
  const { invite, manifest } = await publisher.publish(await pictures(ROWS * 4), { partitions, quorum: 1 })
  const author = await dishonestAuthor(liar, invite, bundledPrior(BEST))
  const claims: Claimed[] = []
  for (const [p, deceit] of deceits.entries()) claims.push(await author.claim(p, deceit))
  const member = publisher.membership(manifest)
  await liar.membership(manifest).sync()
  await whenState(member, () => claims.every(({ alignment }) => member.state.set.has(alignment.key)))
  return { invite, manifest, publisher, author, claims }
}

/** Members with these priors take part until everything is confirmed: nobody stays for ghosts, which would take longer than a test may. */
async function finishedBy(
  { invite }: Deceived,
  priors: readonly Parameters<typeof bundledPrior>[0][]
): Promise<{ members: TestNode[]; reports: JoinReport[] }> {
  const members = await Promise.all(priors.map(async () => await startNode({ timing: { handoffMs: 600_000 } })))
  const reports = await Promise.all(
    priors.map(async (prior, i) => await (members[i] as TestNode).join(invite, bundledPrior(prior)))
  )
  return { members, reports }
}

/** What is chosen of this author's shards, and of the results that it claimed. */
function chosenOf({ manifest, author, claims }: Deceived, of: TestNode): { shards: number; results: number[] } {
  const view = of.membership(manifest).state.view()
  const chosen = [...view.chosen.values()]
  const results = new Set(chosen.map(({ result }) => result.key))
  return {
    shards: chosen.filter(({ alignment }) => peerIdOf(alignment.body.author) === author.node.peer).length,
    results: claims.filter(({ result }) => results.has(result.key)).map(({ partition }) => partition)
  }
}

/** All have one complete dataset once they have all checks, and a node that has nothing can fetch it whole. */
async function isWhole(
  { invite }: Deceived,
  members: readonly TestNode[],
  reports: readonly JoinReport[]
): Promise<void> {
  expect(reports.map(({ complete }) => complete)).toEqual(reports.map(() => true))
  const merge = async ({ node }: TestNode): Promise<string> => (await node.merge(invite, {})).mergedCid
  await expect.poll(async () => new Set(await Promise.all(members.map(merge))).size, { timeout: 60_000 }).toBe(1)
  const fresh = await startNode()
  const { provisional } = await fresh.node.merge(invite, { out: join(await temporaryFolder(), 'dataset') })
  expect(provisional).toBe(false)
}

test('ghosts, garbage and malformed shards of an author that left are done again by others', async () => {
  const swarm = await deceivedBy(['ghost', 'permuted', 'constant', 'changed-image'])
  await swarm.author.node.node.close()
  const { members, reports } = await finishedBy(swarm, ['superclass2', 'vgg_small'])
  await isWhole(swarm, members, reports)
  for (const node of members) {
    const { shards, results } = chosenOf(swarm, node)
    expect(shards).toBe(0)
    // the raw targets of the last one are honest: whoever has them may align them
    expect(results.filter(partition => partition < 3)).toEqual([])
  }
})

test('ghosts that a second key with the same prior praises are believed by nobody', async () => {
  const swarm = await deceivedBy(['ghost', 'ghost', 'ghost'])
  const friend = await dishonestAuthor(await startNode(BRAZEN), swarm.invite, bundledPrior(BEST))
  for (const claim of swarm.claims) await friend.say(claim, 'sound', 'plausible')
  const { members, reports } = await finishedBy(swarm, ['superclass2', 'vgg_small'])
  await isWhole(swarm, members, reports)
  for (const node of members) expect(chosenOf(swarm, node)).toEqual({ shards: 0, results: [] })
})
