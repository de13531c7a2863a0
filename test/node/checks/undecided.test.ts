import { expect, test } from 'vitest'
import { isJudgeable, isUndecided } from '../../../node/checks/undecided.ts'
import { confirmationOf, type Acceptance } from '../../../src/merge/confirmation.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Choice } from '../../../src/merge/views.ts'
import type { Check, SignedRecord } from '../../../src/publish/record.ts'
import { checkParties } from '../../helpers/check-parties.ts'

const NAMES = ['author', 'ann', 'bea'] as const
type Name = (typeof NAMES)[number]
const RULE: Acceptance = { quorum: 1, voters: 'priors' }
const { swarm, election, peer, score, workOf, says } = await checkParties(NAMES, { prefix: 'undecided ' })

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
