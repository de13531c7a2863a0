import { beforeAll, expect, test } from 'vitest'
import { isJudgeable, isUndecided } from '../../../node/checks/undecided.ts'
import type { Election } from '../../../src/align/candidate.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { confirmationOf, type Acceptance } from '../../../src/merge/confirmation.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Choice } from '../../../src/merge/views.ts'
import type { Check, Score, SignedRecord } from '../../../src/publish/record.ts'
import {
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  type TestPeer
} from '../../helpers/swarm-factory.ts'

const NAMES = ['author', 'ann', 'bea'] as const
type Name = (typeof NAMES)[number]
const RULE: Acceptance = { quorum: 1, voters: 'priors' }
const peers = new Map<Name, TestPeer>(NAMES.map(name => [name, testPeer(`undecided ${name}`)]))
const scores = new Map<Name, SignedRecord<Score>>()
let swarm: Swarm
let election: Election

beforeAll(async () => {
  swarm = await makeSwarm()
  for (const [name, one] of peers) scores.set(name, await makeScore(swarm, one, 0))
  election = {
    ranking: NAMES.map(name => ({
      key: score(name).key,
      author: peer(name).id,
      value: -1,
      electable: true,
      distinct: name
    }))
  }
})

const peer = (name: Name): TestPeer => peers.get(name) as TestPeer
const score = (name: Name): SignedRecord<Score> => scores.get(name) as SignedRecord<Score>

let seq = 1
async function workOf(by: Name): Promise<Choice> {
  const result = await makeResult(swarm, peer(by), seq++, score(by), 0)
  const alignment = await makeAlignment(swarm, peer(by), seq++, result, testCid('reference'))
  return { partition: 0, score: score(by), result, alignment }
}
const says = async (by: Name, { alignment }: Choice, what: Check['shard'] | 'plausible' | 'abstain') =>
  what === 'plausible' || what === 'abstain'
    ? await makeCheck(swarm, peer(by), seq++, alignment, { by: score(by), verdict: what })
    : await makeCheck(swarm, peer(by), seq++, alignment, undefined, { shard: what })

function seen(
  name: Name,
  works: readonly Choice[],
  checks: readonly SignedRecord<Check>[],
  here: readonly Name[] = NAMES
) {
  const set = createRecordSet([...works.map(({ result }) => result), ...checks])
  const confirmation = confirmationOf(swarm.manifest, RULE, set, election, new Map(works.map(w => [w.result.key, w])))
  const view = { confirmation, acceptance: RULE }
  return {
    isUndecided: (work: Choice): boolean => {
      const standing = confirmation.standing(work.result, work.alignment)
      const members = here.map(one => peer(one).key)
      return isUndecided({ self: peer(name).key, view, set, members }, { ...work, standing })
    },
    isJudgeable: isJudgeable({ view, set }, score(name))
  }
}

test('work is undecided once everybody who is here looked at it and could not tell', async () => {
  const work = await workOf('author')
  const [ann, bea] = [await says('ann', work, 'abstain'), await says('bea', work, 'sound')]
  expect(seen('ann', [work], [ann]).isUndecided(work)).toBe(false)
  expect(seen('ann', [work], [ann], ['author', 'ann']).isUndecided(work)).toBe(true)
  expect(seen('ann', [work], [ann, bea]).isUndecided(work)).toBe(true)
  expect(seen('bea', [work], [ann, bea]).isUndecided(work)).toBe(true)
  expect(seen('author', [work], [ann, bea]).isUndecided(work)).toBe(false)
  expect(seen('ann', [work], [ann, bea, await says('bea', work, 'plausible')]).isUndecided(work)).toBe(false)
  expect(
    seen('ann', [work], [await says('ann', work, 'lost'), await says('bea', work, 'lost')]).isUndecided(work)
  ).toBe(false)
})

test('a prior does such work again while none of its results waits, or once one was found plausible', async () => {
  const [first, second] = [await workOf('ann'), await workOf('ann')]
  expect(seen('ann', [], []).isJudgeable).toBe(true)
  expect(seen('ann', [first], []).isJudgeable).toBe(false)
  expect(seen('ann', [first], [await says('bea', first, 'abstain')]).isJudgeable).toBe(false)
  expect(seen('ann', [first, second], [await says('bea', first, 'plausible')]).isJudgeable).toBe(true)
})
