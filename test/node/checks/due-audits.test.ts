import { describe, expect, test } from 'vitest'
import { AUDIT_SHARE } from '../../../node/checks/due-audits.ts'
import type { DueCheck } from '../../../node/checks/due-checks.ts'
import { dueWork } from '../../../node/checks/due-work.ts'
import { confirmationOf, TRUSTED_AFTER, type Acceptance } from '../../../src/merge/confirmation.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Choice, SwarmView } from '../../../src/merge/views.ts'
import type { Check, SignedRecord } from '../../../src/publish/record.ts'
import { checkParties } from '../../helpers/check-parties.ts'
import { makeCheck, testPeer } from '../../helpers/swarm-factory.ts'

const NAMES = ['author', 'friend', 'ann', 'bea', 'cyd'] as const
type Name = (typeof NAMES)[number]
const RULE: Acceptance = { quorum: 1, voters: 'priors' }

const { swarm, election, peer, score, workOf, says } = await checkParties(NAMES, {
  prefix: 'audit ',
  quotas: { recordsPerPeer: 10_000, recordBytes: 16_777_216 }
})

interface Case {
  readonly works: readonly Choice[]
  readonly checks: readonly SignedRecord<Check>[]
  readonly here?: readonly Name[]
  readonly periods?: number
  readonly chance?: number
  readonly gone?: readonly Name[]
  readonly min?: number
}

/** What `name` looks at of these works, all of them chosen. */
function due(
  name: Name,
  { works, checks, here = NAMES, periods = 0, chance = 0.999, gone = [], min = 0 }: Case
): DueCheck[] {
  const set = createRecordSet(checks)
  const confirmation = confirmationOf(
    swarm.manifest,
    RULE,
    set,
    election,
    new Map(works.map(one => [one.result.key, one]))
  )
  const chosen = new Map(
    works.map((one, i) => [i, { ...one, standing: confirmation.standing(one.result, one.alignment) }])
  )
  const view = {
    confirmation,
    acceptance: RULE,
    chosen,
    contenders: new Map(),
    refuted: new Map()
  } as unknown as SwarmView
  return dueWork({
    self: peer(name).key,
    view,
    set,
    members: here.map(one => peer(one).key),
    score: score(name),
    replicas: { min, max: min + 1 },
    isGone: id => gone.some(one => peer(one).id === id),
    isOverdue: () => false,
    periods: () => periods,
    mayAskAgain: () => true,
    isBeyond: () => false,
    chance: () => chance
  })
}

const looking = (work: Choice, c: Omit<Case, 'works'> & { works?: readonly Choice[] }): Name[] =>
  NAMES.filter(name =>
    due(name, { works: [work], ...c }).some(one => one.opinion && one.work.alignment.key === work.alignment.key)
  )

/** Author and friend after `n` results each way on which others agree. */
async function histories(n: number): Promise<{ works: Choice[]; checks: SignedRecord<Check>[] }> {
  const works: Choice[] = []
  const checks: SignedRecord<Check>[] = []
  for (let i = 0; i < n; i++) {
    const one = await workOf('author')
    works.push(one)
    checks.push(await says('friend', one, 'plausible'), await says('ann', one, 'plausible'))
  }
  return { works, checks }
}

describe('confirmed work', () => {
  test('of a pair without a history is looked at once more, by the next in line', async () => {
    for (let i = 0; i < 6; i++) {
      const work = await workOf('author')
      const checks = [await says('friend', work, 'plausible')]
      const [first, ...others] = looking(work, { checks })
      expect(others).toEqual([])
      expect(['ann', 'bea', 'cyd']).toContain(first)
      expect(looking(work, { checks: [...checks, await says(first as Name, work, 'plausible')] })).toEqual([])
    }
  })

  test('is left to the next after a lease, when the first in line does not look', async () => {
    const work = await workOf('author')
    const checks = [await says('friend', work, 'plausible')]
    expect(looking(work, { checks, periods: 1 })).toHaveLength(2)
    expect(looking(work, { checks, periods: 2 })).toHaveLength(3)
  })

  test('of a pair with a history is looked at by lot, which each member draws for its share', async () => {
    const past = await histories(TRUSTED_AFTER)
    const work = await workOf('author')
    const situation = {
      works: [...past.works, work],
      checks: [...past.checks, await says('friend', work, 'plausible')],
      periods: 1
    }
    const share = 1 / TRUSTED_AFTER / 3 // ann, bea and cyd may still look
    expect(looking(work, { ...situation, chance: 0.99 * share })).toEqual(['ann', 'bea', 'cyd'])
    expect(looking(work, { ...situation, chance: 1.01 * share })).toEqual([])
    expect(looking(work, { ...situation, chance: 0, periods: 0.9 })).toEqual([])
    const young = await histories(TRUSTED_AFTER - 1)
    expect(
      looking(work, {
        works: [...young.works, work],
        checks: [...young.checks, await says('friend', work, 'plausible')]
      })
    ).toHaveLength(1)
  })

  test('that two friends praise is drawn all the same', async () => {
    const work = await workOf('author')
    const checks = [await says('friend', work, 'plausible'), await says('bea', work, 'plausible')]
    expect(looking(work, { checks, periods: 1, chance: (0.99 * AUDIT_SHARE) / 2 })).toEqual(['ann', 'cyd'])
    expect(looking(work, { checks, periods: 1, chance: (1.01 * AUDIT_SHARE) / 2 })).toEqual([])
  })

  test('is looked at by whom those that praise it contradicted elsewhere: friends have no history with who looked', async () => {
    const [seen, work] = [await workOf('author'), await workOf('author')]
    const praise = [await says('friend', work, 'plausible'), await says('bea', work, 'plausible')]
    const situation = { works: [seen, work], checks: praise }
    expect(looking(work, situation)).toEqual([])
    const contradicted = [
      await says('friend', seen, 'plausible'),
      await says('bea', seen, 'plausible'),
      await says('ann', seen, 'implausible')
    ]
    expect(looking(work, { ...situation, checks: [...praise, ...contradicted] })).toContain('ann')
  })

  test('that somebody finds implausible or wrong is looked at by everybody, before everything else', async () => {
    const [disputed, other] = [await workOf('author'), await workOf('author')]
    const praise = [
      await says('friend', disputed, 'plausible'),
      await says('bea', disputed, 'plausible'),
      await says('friend', other, 'plausible')
    ]
    const works = [other, disputed]
    expect(looking(disputed, { works, checks: praise })).toEqual([])
    for (const word of ['implausible', 'wrong'] as const) {
      const checks = [...praise, await says('ann', disputed, word)]
      const [first] = due('cyd', { works, checks })
      expect(first?.work.alignment.key).toBe(disputed.alignment.key)
      expect(due('ann', { works, checks }).map(({ work }) => work.alignment.key)).not.toContain(disputed.alignment.key)
    }
  })

  test('is not looked at twice by anybody, nor by its author', async () => {
    const work = await workOf('author')
    const all = { checks: [await says('friend', work, 'plausible')], periods: 9, chance: 0 }
    expect(looking(work, all)).toEqual(['ann', 'bea', 'cyd'])
    const checks = [...all.checks, await says('ann', work, 'plausible')]
    expect(looking(work, { ...all, checks })).toEqual(['bea', 'cyd'])
  })
})

describe('a shard', () => {
  const copying = (work: Choice, c: Omit<Case, 'works'>): Name[] =>
    NAMES.filter(name => due(name, { works: [work], min: 2, chance: 1, ...c }).some(({ opinion }) => !opinion))
  /** Confirmed by one, and looked at by all, so that no audit is due */
  const settled = async (): Promise<{ work: Choice; checks: SignedRecord<Check>[] }> => {
    const work = await workOf('author')
    const checks = [await says('friend', work, 'plausible'), await says('ann', work, 'plausible')]
    return { work, checks }
  }

  test('that author and another hold is copied by nobody', async () => {
    const { work, checks } = await settled()
    expect(copying(work, { checks: checks.slice(0, 1), min: 2 })).toEqual([])
  })

  test('is copied once fewer than the minimum hold it, by as many members as the maximum lacks', async () => {
    const { work, checks } = await settled()
    expect(copying(work, { checks, gone: ['author'] })).toEqual([])
    expect(copying(work, { checks, gone: ['author', 'friend'] })).toHaveLength(2)
    expect(copying(work, { checks, gone: ['author', 'friend'], here: ['ann', 'bea'] })).toContain('bea')
    const [made] = copying(work, { checks, gone: ['author', 'friend'] }) as [Name]
    const after = [...checks, await says(made, work, 'sound')]
    expect(copying(work, { checks: after, gone: ['author', 'friend'] })).toEqual([])
  })

  test('is not held by whoever says that it lost it, its author included', async () => {
    const { work, checks } = await settled()
    const held = [...checks, await says('bea', work, 'sound')]
    expect(copying(work, { checks: held, gone: ['friend'] })).toEqual([])
    // bea is left, and asks for two copies: of cyd, and of ann, which may get it again
    const lost = [...held, await says('author', work, 'lost'), await says('ann', work, 'lost')]
    expect(copying(work, { checks: lost, gone: ['friend'] })).toEqual(['ann', 'cyd'])
  })

  test('has one holder for each voice, however many keys praise it', async () => {
    const { work, checks } = await settled()
    const stranger = await makeCheck(swarm, testPeer('audit stranger'), 1, work.alignment, undefined)
    expect(copying(work, { checks: [...checks, stranger], gone: ['author', 'friend'] })).toHaveLength(2)
  })
})
