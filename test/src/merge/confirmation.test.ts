import { beforeAll, describe, expect, test } from 'vitest'
import type { Election, Ranked } from '../../../src/align/candidate.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import {
  CAUGHT_AFTER,
  confirmationOf,
  TRUSTED_AFTER,
  type Acceptance,
  type Confirmation,
  type Standing
} from '../../../src/merge/confirmation.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Alignment, Check, Result, Score, SignedRecord } from '../../../src/publish/record.ts'
import {
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  testPublisher,
  type TestPeer
} from '../../helpers/swarm-factory.ts'

const NAMES = ['author', 'ann', 'bea', 'cyd', 'dan', 'eve', 'fay', 'gus'] as const
type Name = (typeof NAMES)[number]
type Verdict = 'plausible' | 'implausible' | 'abstain'

const OPEN: Acceptance = { quorum: 1, voters: 'priors' }
const peers = new Map<Name, TestPeer>(NAMES.map(name => [name, testPeer(name)]))
const scores = new Map<Name, SignedRecord<Score>>()
let swarm: Swarm
let election: Election

beforeAll(async () => {
  swarm = await makeSwarm({
    acceptance: { quorum: 1, voters: 'priors' },
    quotas: { recordsPerPeer: 1000, recordBytes: 1_048_576 }
  })
  for (const [name, peer] of peers) scores.set(name, await makeScore(swarm, peer, 0))
  election = { ranking: NAMES.map(name => ranked(name)) }
})

const peer = (name: Name): TestPeer => peers.get(name) as TestPeer
const score = (name: Name): SignedRecord<Score> => scores.get(name) as SignedRecord<Score>
const ranked = (name: Name, change: Partial<Ranked> = {}): Ranked => ({
  key: score(name).key,
  author: peer(name).id,
  value: -1,
  electable: true,
  distinct: `prior of ${name}`,
  ...change
})

interface Work {
  score: SignedRecord<Score>
  result: SignedRecord<Result>
  alignment: SignedRecord<Alignment>
}

async function work(by: Name = 'author', seq = 1): Promise<Work> {
  const result = await makeResult(swarm, peer(by), seq, score(by), seq % 4)
  return {
    score: score(by),
    result,
    alignment: await makeAlignment(swarm, peer(by), seq + 1, result, testCid('reference'))
  }
}

let seq = 100
/** By name: a verdict, or what is said of the shard. */
async function checksOf(
  { alignment }: Work,
  said: Partial<Record<Name, Verdict | Check['shard']>>
): Promise<SignedRecord<Check>[]> {
  return await Promise.all(
    Object.entries(said).map(async ([name, what]) => {
      const by = name as Name
      seq++
      return what === 'sound' || what === 'wrong' || what === 'lost'
        ? await makeCheck(swarm, peer(by), seq, alignment, undefined, { shard: what })
        : await makeCheck(swarm, peer(by), seq, alignment, { by: score(by), verdict: what })
    })
  )
}

function count(
  works: readonly Work[],
  checks: readonly SignedRecord<Check>[],
  acceptance: Acceptance = OPEN,
  by: Pick<Election, 'ranking'> = election
): Confirmation {
  const results = new Map(works.map(one => [one.result.key, one]))
  return confirmationOf(swarm.manifest, acceptance, createRecordSet(checks), by, results)
}

const standing = async (
  said: Partial<Record<Name, Verdict | Check['shard']>>,
  acceptance: Acceptance = OPEN,
  by: Pick<Election, 'ranking'> = election
): Promise<Standing> => {
  const one = await work()
  return count([one], await checksOf(one, said), acceptance, by).standing(one.result, one.alignment)
}

describe('work', () => {
  test('that nobody has looked at is open', async () => {
    expect(await standing({})).toMatchObject({ state: 'open', holders: 0, plausible: 0 })
  })

  test('is confirmed by one member that holds it and finds it plausible', async () => {
    expect(await standing({ ann: 'plausible' })).toMatchObject({ state: 'confirmed', holders: 1, plausible: 1 })
  })

  test('is not confirmed by holders without an opinion, nor by those that cannot tell', async () => {
    expect(await standing({ ann: 'sound', bea: 'abstain' })).toMatchObject({ state: 'open', holders: 2, abstained: 1 })
  })

  test('is confirmed by as many as the quorum asks for', async () => {
    const two: Acceptance = { quorum: 2, voters: 'priors' }
    expect(await standing({ ann: 'plausible', bea: 'sound' }, two)).toMatchObject({ state: 'open' })
    expect(await standing({ ann: 'plausible', bea: 'plausible' }, two)).toMatchObject({ state: 'confirmed' })
  })

  test('is refuted by the only one that looked, disputed among two, and decided by the third', async () => {
    expect(await standing({ ann: 'implausible' })).toMatchObject({ state: 'refuted' })
    expect(await standing({ ann: 'implausible', bea: 'plausible' })).toMatchObject({ state: 'disputed' })
    expect(await standing({ ann: 'implausible', bea: 'plausible', cyd: 'plausible' })).toMatchObject({
      state: 'confirmed'
    })
    expect(await standing({ ann: 'implausible', bea: 'plausible', cyd: 'implausible' })).toMatchObject({
      state: 'refuted'
    })
  })

  test('whose shard is not what its records say is refuted, however plausible its targets', async () => {
    const one = await work()
    const praise = await checksOf(one, { ann: 'plausible' })
    const wrong = await checksOf(one, { bea: 'wrong', cyd: 'wrong' })
    expect(count([one], [...praise, ...wrong]).standing(one.result, one.alignment).state).toBe('refuted')
  })

  test('is unconfirmed again when as many have lost it as hold it', async () => {
    expect(await standing({ ann: 'plausible', bea: 'lost' })).toMatchObject({ state: 'open', holders: 1, lost: 1 })
    expect(await standing({ ann: 'plausible', bea: 'lost', cyd: 'sound' })).toMatchObject({ state: 'confirmed' })
  })

  test('keeps what was found in its targets when it is aligned to another reference, but has to be held anew', async () => {
    const one = await work()
    const again = await makeAlignment(swarm, peer('author'), 9, one.result, testCid('another reference'))
    const checks = await checksOf(one, { ann: 'plausible' })
    expect(count([one], checks).standing(one.result, again)).toMatchObject({ state: 'open', plausible: 1, holders: 0 })
    const held = await makeCheck(swarm, peer('bea'), 50, again, undefined)
    expect(count([one], [...checks, held]).standing(one.result, again).state).toBe('confirmed')
  })
})

describe('a voice', () => {
  test('is that of a distinct prior: copies under several keys count once, and of the author’s own not at all', async () => {
    const copies = {
      ranking: NAMES.map(name =>
        ranked(name, {
          distinct: ['ann', 'bea', 'cyd'].includes(name) ? 'one' : name === 'dan' ? 'author' : name
        })
      )
    }
    expect(await standing({ ann: 'plausible', bea: 'plausible', cyd: 'plausible' }, OPEN, copies)).toMatchObject({
      plausible: 1,
      holders: 1
    })
    expect(await standing({ dan: 'plausible', author: 'plausible' }, OPEN, copies)).toMatchObject({
      state: 'open',
      plausible: 0,
      holders: 0
    })
  })

  test('of one prior that contradicts itself under two keys says nothing', async () => {
    const pair = {
      ranking: NAMES.map(name => ranked(name, name === 'ann' || name === 'bea' ? { distinct: 'one' } : {}))
    }
    expect(await standing({ ann: 'plausible', bea: 'implausible' }, OPEN, pair)).toMatchObject({
      state: 'open',
      plausible: 0,
      implausible: 0
    })
  })

  test('belongs to nobody without a prior that can be elected', async () => {
    const unfit = { ranking: NAMES.map(name => ranked(name, name === 'ann' ? { electable: false } : {})) }
    expect(await standing({ ann: 'plausible' }, OPEN, unfit)).toMatchObject({ holders: 0, plausible: 0 })
  })

  test('needs an own score: that of somebody else does not lend one', async () => {
    const one = await work()
    const borrowed = await makeCheck(swarm, peer('ann'), 7, one.alignment, { by: score('bea'), verdict: 'plausible' })
    expect(count([one], [borrowed]).standing(one.result, one.alignment)).toMatchObject({ plausible: 0, holders: 1 })
  })

  test('is each admitted key where members are listed', async () => {
    const same = { ranking: NAMES.map(name => ranked(name, { distinct: 'one' })) }
    const members: Acceptance = { quorum: 2, voters: 'members' }
    expect(await standing({ ann: 'plausible', bea: 'plausible' }, members, same)).toMatchObject({ state: 'confirmed' })
  })

  test('of the publisher counts for what it holds, and for a prior that it ran again', async () => {
    const one = await work()
    const holds = await makeCheck(swarm, testPublisher, 1, one.alignment, undefined)
    expect(count([one], [holds]).standing(one.result, one.alignment)).toMatchObject({ state: 'open', holders: 1 })
    const opinion = { by: one.score, verdict: 'plausible' as const }
    const { body } = await makeCheck(swarm, testPublisher, 2, one.alignment, opinion)
    if (body.opinion === undefined) throw new Error('it has an opinion')
    const rerun = await makeCheck(swarm, testPublisher, 2, one.alignment, undefined, {
      opinion: { ...body.opinion, by: 'rerun' }
    })
    expect(count([one], [rerun]).standing(one.result, one.alignment)).toMatchObject({ state: 'confirmed', reruns: 1 })
  })

  test('is heard with its last word only', async () => {
    const one = await work()
    const first = await makeCheck(swarm, peer('ann'), 10, one.alignment, { by: score('ann'), verdict: 'implausible' })
    const second = await makeCheck(swarm, peer('ann'), 11, one.alignment, { by: score('ann'), verdict: 'plausible' })
    for (const checks of [
      [first, second],
      [second, first]
    ])
      expect(count([one], checks).standing(one.result, one.alignment)).toMatchObject({
        state: 'confirmed',
        implausible: 0
      })
  })

  test('is lost by signing two checks under one number', async () => {
    const one = await work()
    const first = await makeCheck(swarm, peer('ann'), 10, one.alignment, { by: score('ann'), verdict: 'plausible' })
    const second = await makeCheck(swarm, peer('ann'), 10, one.alignment, { by: score('ann'), verdict: 'abstain' })
    expect(count([one], [first, second]).standing(one.result, one.alignment)).toMatchObject({
      state: 'open',
      holders: 0
    })
  })

  test('of anybody but those that are trusted is not heard in a local view', async () => {
    const local: Acceptance = { ...OPEN, trusted: new Set([peer('bea').id]) }
    expect(await standing({ ann: 'plausible' }, local)).toMatchObject({ state: 'open', holders: 0 })
    expect(await standing({ ann: 'implausible', bea: 'plausible' }, local)).toMatchObject({ state: 'confirmed' })
  })
})

describe('liars', () => {
  test('that accuse everybody are caught by clear majorities, and count for nothing from then on', async () => {
    const works = await Promise.all([1, 3, 5, 7].map(async n => await work('author', n)))
    const checks: SignedRecord<Check>[] = []
    for (const one of works.slice(0, CAUGHT_AFTER))
      checks.push(
        ...(await checksOf(one, { eve: 'implausible', ann: 'plausible', bea: 'plausible', cyd: 'plausible' }))
      )
    const last = works[3] as Work
    checks.push(...(await checksOf(last, { eve: 'implausible', ann: 'plausible' })))
    const found = count(works, checks)
    expect(found.isCaught(peer('eve').key)).toBe(true)
    expect(found.isCaught(peer('ann').key)).toBe(false)
    expect(found.standing(last.result, last.alignment)).toMatchObject({ state: 'confirmed', implausible: 0 })
  })

  test('are heard again once they have stood with the majority often enough', async () => {
    const works = await Promise.all(Array.from({ length: 16 }, async (_, i) => await work('author', 1 + 2 * i)))
    const checks: SignedRecord<Check>[] = []
    for (const [i, one] of works.entries()) {
      const eve = i < CAUGHT_AFTER ? 'implausible' : 'plausible'
      checks.push(...(await checksOf(one, { eve, ann: 'plausible', bea: 'plausible', cyd: 'plausible' })))
    }
    expect(count(works, checks).isCaught(peer('eve').key)).toBe(false)
    expect(count(works, checks.slice(0, 40)).isCaught(peer('eve').key)).toBe(true)
  })

  test('that praise each other are outvoted by those that look', async () => {
    const works = await Promise.all([1, 3, 5].map(async n => await work('eve', n)))
    const checks: SignedRecord<Check>[] = []
    for (const one of works)
      checks.push(
        ...(await checksOf(one, {
          fay: 'plausible',
          gus: 'plausible',
          ann: 'implausible',
          bea: 'implausible',
          cyd: 'implausible',
          dan: 'implausible'
        }))
      )
    const found = count(works, checks)
    for (const { result, alignment } of works) expect(found.standing(result, alignment).state).toBe('refuted')
    for (const name of ['eve', 'fay', 'gus'] as const) expect(found.isCaught(peer(name).key)).toBe(true)
    for (const name of ['ann', 'bea', 'cyd', 'dan'] as const) expect(found.isCaught(peer(name).key)).toBe(false)
  })
})

describe('opinions with which others agree', () => {
  test('are counted in a row for whoever gave them, until a majority says otherwise', async () => {
    const works = await Promise.all([1, 3, 5, 7].map(async n => await work('author', n)))
    const [first, second, third, last] = works as [Work, Work, Work, Work]
    const checks = [
      ...(await checksOf(first, { ann: 'plausible', bea: 'plausible' })),
      ...(await checksOf(second, { ann: 'plausible', bea: 'abstain' })),
      ...(await checksOf(third, { ann: 'plausible', cyd: 'plausible' }))
    ]
    const agreed = (list: readonly SignedRecord<Check>[], name: Name): number =>
      count(works, list).agreements(peer(name).key)
    expect([agreed(checks, 'ann'), agreed(checks, 'bea'), agreed(checks, 'dan')]).toEqual([2, 1, 0])
    const praise = await checksOf(last, { ann: 'plausible' })
    expect(agreed([...checks, ...praise], 'ann')).toBe(2)
    expect(agreed([...checks, ...praise, ...(await checksOf(last, { bea: 'plausible' }))], 'ann')).toBe(3)
    expect(agreed([...checks, ...praise, ...(await checksOf(last, { bea: 'implausible' }))], 'ann')).toBe(0)
  })

  test('are named with their voices, without those that count for nothing', async () => {
    const one = await work()
    const checks = await checksOf(one, { ann: 'plausible', bea: 'implausible', cyd: 'abstain', author: 'plausible' })
    const found = count([one], checks).opinionsOn(one.result)
    expect(found.map(({ voice, verdict }) => `${voice} ${verdict}`).sort()).toEqual([
      'prior prior of ann plausible',
      'prior prior of bea implausible'
    ])
  })
})

describe('a history', () => {
  test('lets an author’s further results pass with holders alone, until one is refuted', async () => {
    const works = await Promise.all(
      Array.from({ length: TRUSTED_AFTER + 2 }, async (_, i) => await work('author', 1 + 2 * i))
    )
    const checks: SignedRecord<Check>[] = []
    for (const one of works.slice(0, TRUSTED_AFTER)) checks.push(...(await checksOf(one, { ann: 'plausible' })))
    const last = works.at(-1) as Work
    const held = await checksOf(last, { bea: 'sound' })
    expect(count(works, [...checks.slice(1), ...held]).standing(last.result, last.alignment).state).toBe('open')
    const trusted = count(works, [...checks, ...held])
    expect(trusted.history(score('author'))).toBe(TRUSTED_AFTER)
    expect(trusted.standing(last.result, last.alignment)).toMatchObject({ state: 'confirmed', byHistory: true })
    const caught = await checksOf(works.at(-2) as Work, { ann: 'implausible' })
    const after = count(works, [...checks, ...held, ...caught])
    expect(after.history(score('author'))).toBe(0)
    expect(after.standing(last.result, last.alignment)).toMatchObject({ state: 'open', byHistory: false })
  })
})
