import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkChecker, type Finding, type Judge, type WorkChecker } from '../../../node/checks/check-work.ts'
import { createTargetComputer } from '../../../node/priors/compute-targets.ts'
import { loadPrior } from '../../../node/priors/load-prior.ts'
import type { PutBlock } from '../../../src/distribute/unixfs-import.ts'
import { dishonestAuthor, type Deceit, type DishonestAuthor } from '../../helpers/dishonest-author.ts'
import { GARBAGE } from '../../helpers/deceits.ts'
import { whenState } from '../../helpers/node-conditions.ts'
import { bundledPrior, closeShared, pictures, shared, startNode } from '../../helpers/test-node.ts'

/** One member looks at what another publishes: every kind of dishonest work is told from honest work, by the check that is for it. */
let checker: WorkChecker
let judge: Judge
let author: DishonestAuthor
let put: PutBlock
const { signal } = new AbortController()

beforeAll(async () => {
  const { honest, liar, invite, manifest } = await shared(async () => {
    const [publisher, honest, liar] = await Promise.all([startNode(), startNode(), startNode()])
    return { honest, liar, ...(await publisher.publish(await pictures(512))) }
  })
  // only the prior of this one is of interest: it claims nothing
  judge = await shared(async () => await dishonestAuthor(honest, invite, bundledPrior('superclass2')))
  author = await shared(async () => await dishonestAuthor(liar, invite, bundledPrior('resnet20')))
  const member = honest.membership(manifest)
  await member.sync()
  await whenState(member, () => member.state.set.has(author.score.key))
  await member.state.untilJudged()
  const { content, gemm } = honest.runtime
  put = content.put
  checker = createWorkChecker({ manifest: member.swarm.manifest, content, exact: member.exact, gemm })
})
afterAll(closeShared)

async function look(deceit: Deceit, deadline = signal): Promise<Finding> {
  const work = await author.claim(0, deceit)
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
  expect(await look('ghost', AbortSignal.timeout(1000))).toMatchObject({ shard: 'lost' })
})
