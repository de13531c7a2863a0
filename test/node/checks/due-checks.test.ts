import { describe, expect, test } from 'vitest'
import { confirmationOf, TRUSTED_AFTER, type Acceptance } from '../../../src/merge/confirmation.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Choice, SwarmView } from '../../../src/merge/views.ts'
import type { Check, SignedRecord } from '../../../src/publish/record.ts'
import { dueChecks, isDoubted, type DueCheck } from '../../../node/checks/due-checks.ts'
import { checkParties } from '../../helpers/check-parties.ts'
import { makeCheck, testPublisher, type TestPeer } from '../../helpers/swarm-factory.ts'

const NAMES = ['author', 'ann', 'bea', 'cyd', 'dan'] as const
type Name = (typeof NAMES)[number]
const OTHERS = NAMES.slice(1)

const { swarm, election, peer, score, workOf, says } = await checkParties(NAMES, {
  quotas: { recordsPerPeer: 1000, recordBytes: 1_048_576 }
})

interface Case {
  checks?: readonly SignedRecord<Check>[]
  /** Further work that has its place in histories alone */
  past?: readonly Choice[]
  rule?: Acceptance
  here?: readonly Name[]
  withPrior?: boolean
  overdue?: boolean
  chance?: number
  again?: boolean
  beyond?: boolean
}

function due(self: TestPeer, works: readonly Choice[], c: Case = {}): DueCheck[] {
  const { checks = [], past = [], rule = { quorum: 1, voters: 'priors' }, here = OTHERS, withPrior = true } = c
  const set = createRecordSet(checks)
  const results = new Map([...works, ...past].map(one => [one.result.key, one]))
  const confirmation = confirmationOf(swarm.manifest, rule, set, election, results)
  const contenders = new Map<number, Choice[]>()
  const refuted = new Map<number, Choice[]>()
  for (const [i, one] of works.entries()) {
    const standing = confirmation.standing(one.result, one.alignment)
    if (standing.state !== 'confirmed')
      (standing.state === 'refuted' ? refuted : contenders).set(i, [{ ...one, standing }])
  }
  const view = { confirmation, acceptance: rule, contenders, refuted } as unknown as SwarmView
  const name = NAMES.find(one => peer(one).id === self.id)
  return dueChecks({
    self: self.key,
    view,
    set,
    members: here.map(one => peer(one).key),
    ...(withPrior && name !== undefined ? { score: score(name) } : {}),
    isOverdue: () => c.overdue === true,
    isBeyond: () => c.beyond === true,
    mayAskAgain: () => c.again === true,
    chance: () => c.chance ?? 0.99
  })
}

/** Who would look at this work now, with an opinion? */
const lookers = (work: Choice, c: Case = {}): Name[] =>
  OTHERS.filter(name => due(peer(name), [work], c).some(({ opinion }) => opinion))

describe('of the members that may judge a piece of work', () => {
  test('as many as the quorum asks for look at it, the same ones whoever is asked', async () => {
    for (let i = 0; i < 8; i++) {
      const work = await workOf('author')
      expect(lookers(work)).toHaveLength(1)
      expect(lookers(work, { rule: { quorum: 2, voters: 'priors' } })).toHaveLength(2)
    }
  })

  test('its author does not', async () => {
    const work = await workOf('author')
    expect(due(peer('author'), [work], { overdue: true })).toEqual([])
  })

  test('one that is not here is not waited for', async () => {
    const work = await workOf('author')
    const [first] = lookers(work) as [Name]
    expect(lookers(work, { here: OTHERS.filter(name => name !== first) })).toHaveLength(2) // itself, and the next
  })

  test('one that cannot tell makes room for the next', async () => {
    const work = await workOf('author')
    const [first] = lookers(work) as [Name]
    const checks = [await says(first, work, 'abstain')]
    const next = lookers(work, { checks })
    expect(next).toHaveLength(1)
    expect(next).not.toContain(first)
  })

  test('one that has no prior loaded makes room for the next by its word on the shard', async () => {
    const work = await workOf('author')
    const held = [await makeCheck(swarm, testPublisher, 1, work.alignment, undefined, { shard: 'sound' })]
    const [first] = lookers(work, { checks: held }) as [Name]
    const asked = due(peer(first), [work], { checks: held, withPrior: false })
    expect(asked).toEqual([{ work: expect.objectContaining({ alignment: work.alignment }), opinion: false }])
    const next = lookers(work, { checks: [...held, await says(first, work, 'sound')] })
    expect(next).toHaveLength(2) // the next, and the first if it loads a prior after all
  })

  test('all do once it has waited for long', async () => {
    const work = await workOf('author')
    expect(lookers(work, { overdue: true })).toEqual(OTHERS)
  })

  test('nobody does after it is confirmed', async () => {
    const work = await workOf('author')
    const [first] = lookers(work) as [Name]
    expect(lookers(work, { checks: [await says(first, work, 'plausible')], overdue: true })).toEqual([])
  })
})

test('the publisher gives its word on shards, and no opinion', async () => {
  const work = await workOf('author')
  const checks = due(testPublisher, [work], { here: [], overdue: false })
  expect(checks).toEqual([{ work: expect.objectContaining({ alignment: work.alignment }), opinion: false }])
})

test('a member that could not get the work asks again when it may', async () => {
  const work = await workOf('author')
  const checks = [await says('ann', work, 'lost')]
  const [open] = [due(peer('ann'), [work], { checks, overdue: true, withPrior: false })]
  expect(open).toEqual([])
  expect(due(peer('ann'), [work], { checks, overdue: true, withPrior: false, again: true })).toHaveLength(1)
})

test('refuted work is looked at by everybody that has not judged it, after all other work', async () => {
  const [refuted, open] = [await workOf('author', 0), await workOf('author', 1)]
  const checks = [await says('ann', refuted, 'implausible')]
  expect(due(peer('ann'), [refuted], { checks })).toEqual([])
  for (const name of ['bea', 'cyd', 'dan'] as const) {
    const list = due(peer(name), [refuted, open], { checks, overdue: true }).map(({ work }) => work.alignment.key)
    expect(list).toEqual([open.alignment.key, refuted.alignment.key])
  }
})

test('an author with a history is given an opinion for a share of its results only', async () => {
  const past: Choice[] = []
  const checks: SignedRecord<Check>[] = []
  for (let i = 0; i < TRUSTED_AFTER; i++) {
    const one = await workOf('author')
    past.push(one)
    checks.push(await says('ann', one, 'plausible'))
  }
  const work = await workOf('author')
  expect(lookers(work, { past, checks, chance: 1 / TRUSTED_AFTER })).toEqual([])
  expect(lookers(work, { past, checks, chance: 0.99 / TRUSTED_AFTER })).toHaveLength(1)
  // somebody has to hold it all the same
  const holders = OTHERS.filter(name => due(peer(name), [work], { past, checks, chance: 1 }).length > 0)
  expect(holders).toHaveLength(1)
})

test('a member doubts work by its own last word alone', async () => {
  const work = await workOf('author')
  const doubts = (checks: SignedRecord<Check>[]): boolean =>
    isDoubted({ self: peer('ann').key, set: createRecordSet(checks) }, work)
  const lost = await says('ann', work, 'lost')
  expect(doubts([lost])).toBe(true)
  expect(doubts([await says('bea', work, 'lost')])).toBe(false)
  expect(doubts([lost, await says('ann', work, 'sound')])).toBe(false)
  expect(doubts([await says('ann', work, 'implausible')])).toBe(true)
})
