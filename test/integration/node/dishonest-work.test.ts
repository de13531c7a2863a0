import type { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkChecker, type Finding, type Judge, type WorkChecker } from '../../../node/checks/check-work.ts'
import { storeMatrix } from '../../../node/priors/compute-targets.ts'
import { candidatesOf } from '../../../src/merge/views.ts'
import type { PutBlock } from '../../../src/distribute/unixfs-import.ts'
import { dishonestAuthor, type Deceit, type DishonestAuthor } from '../../helpers/dishonest-author.ts'
import { GARBAGE } from '../../helpers/deceits.ts'
import { whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, closeShared, pictures, shared, startNode } from '../../helpers/test-node.ts'

/** One member looks at what another publishes: every kind of dishonest work is told from honest work, by the check that is for it. */
let checker: WorkChecker
let judge: Judge
let author: DishonestAuthor
/** Its S_Y is a copy of the other author's, and of the consensus */
let copyist: { ofAuthor: DishonestAuthor; ofConsensus: DishonestAuthor }
let put: PutBlock
const { signal } = new AbortController()

beforeAll(async () => {
  const { honest, liar, other, invite, manifest } = await shared(async () => {
    const [publisher, honest, liar, other] = await Promise.all([
      startNode(),
      startNode(),
      // they do not say what they never had
      startNode({ timing: { keepMs: 0 } }),
      startNode({ timing: { keepMs: 0 } })
    ])
    return { honest, liar, other, ...(await publisher.publish(await pictures(512))) }
  })
  // only the prior of this one is of interest: it claims nothing
  judge = await shared(async () => await dishonestAuthor(honest, invite, bundledPrior('superclass2')))
  author = await shared(async () => await dishonestAuthor(liar, invite, bundledPrior('resnet20')))
  const member = honest.membership(manifest)
  const seen = async ({ score }: DishonestAuthor): Promise<void> => {
    await member.sync()
    await whenState(member, () => member.state.set.has(score.key))
    await member.state.untilJudged()
  }
  await seen(author)
  const { reference } = await member.exact.elect(candidatesOf(member.state.set, member.state.evidence), 'consensus')
  if (reference?.matrix === undefined) throw new Error('there is no consensus')
  const consensus = await storeMatrix(reference.matrix, other.runtime.content.put)
  const copy = async (sharedTargets: CID): Promise<DishonestAuthor> => {
    const made = await shared(
      async () => await dishonestAuthor(other, invite, bundledPrior('vgg_small'), { sharedTargets })
    )
    await seen(made)
    return made
  }
  copyist = { ofAuthor: await copy(author.score.body.targets), ofConsensus: await copy(consensus) }
  const { content, gemm } = honest.runtime
  put = content.put
  checker = createWorkChecker({ manifest: member.swarm.manifest, content, exact: member.exact, gemm })
})
afterAll(closeShared)

async function look(deceit: Deceit, { of = author, deadline = signal } = {}): Promise<Finding> {
  const work = await of.claim(0, deceit)
  return await checker.look({ work, opinion: true }, judge, { signal, deadline, put })
}

test('honest work is sound, and plausible whatever the rows that are drawn', async () => {
  const found = [await look('honest'), await look('honest'), await look('honest')]
  expect(found.map(({ shard }) => shard)).toEqual(['sound', 'sound', 'sound'])
  // one check in a few hundred abstains
  const verdicts = found.map(({ opinion }) => opinion?.verdict)
  expect(verdicts.filter(verdict => verdict === 'plausible').length).toBeGreaterThanOrEqual(2)
  expect(verdicts).not.toContain('implausible')
})

test.each(GARBAGE)('targets that are not those of the images, %s, are not praised in a sound shard', async kind => {
  const { shard, opinion } = await look(kind)
  expect(shard).toBe('sound')
  // of `first-rows` a quarter is honest, and only more rows than one check draws would always tell
  const verdicts = kind === 'first-rows' ? ['implausible', 'abstain'] : ['implausible']
  expect(verdicts).toContain(opinion?.verdict)
})

describe.each(['ofAuthor', 'ofConsensus'] as const)('a copied S_Y, %s,', whose => {
  test.each(['honest', 'mapped'] as const)('leads to no praise for the own targets, %s', async kind => {
    const { shard, opinion } = await look(kind, { of: copyist[whose] })
    expect(shard).toBe('sound')
    expect(opinion?.verdict).toBe('implausible')
  })
})

test.each([
  ['other-images', /not that of partition 0/],
  ['changed-image', /not that of partition 0/],
  ['one-row-more', /rows or more|not laid out/],
  ['not-finite', /row 1 .*not finite/],
  ['raw-not-finite', /row 1 .*not finite/],
  ['other-dimension', /./],
  ['not-aligned', /not what the raw targets give/]
] as const)('a shard that is not the partition with targets, %s, is wrong, and why is told', async (kind, why) => {
  const found = await look(kind)
  expect(found).toEqual({ shard: 'wrong', reason: expect.stringMatching(why) as string })
})

test('what nobody sends until the deadline is lost', async () => {
  expect(await look('ghost', { deadline: AbortSignal.timeout(1000) })).toMatchObject({ shard: 'lost' })
})
