import { beforeAll, describe, expect, test } from 'vitest'
import { dueChecks, type DueCheck } from '../../../node/checks/due-checks.ts'
import { dueWork, type WorkSituation } from '../../../node/checks/due-work.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import {
  assessmentKey,
  candidatesOf,
  qualityKey,
  viewOf,
  type Choice,
  type Quality,
  type SwarmView
} from '../../../src/merge/views.ts'
import type { Check, Score, SignedRecord } from '../../../src/publish/record.ts'
import {
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  testPeer,
  type TestPeer
} from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

/** Ten members, three of them liars. */
const MEMBERS = 10
const LIARS = 3
const PARTITIONS = 7
const FIGURES = { looR2: 0.5, looCosine: 0.75 }
const QUALITY: Quality = { ...FIGURES, looZ: 30 }

const peers = Array.from({ length: MEMBERS }, (_, i) => testPeer(`liars ${i}`))
const liars = peers.slice(0, LIARS)
const honest = peers.slice(LIARS)

let swarm: Swarm
let scores: Map<TestPeer, SignedRecord<Score>>
let evidence: { assessments: Map<string, Assessment>; qualities: Map<string, Quality> }

beforeAll(async () => {
  swarm = await makeSwarm({
    partitions: Array.from({ length: PARTITIONS }, (_, i) => ({
      cid: testPeerCid(i),
      rows: 10,
      bytes: 20_000,
      dagBytes: 20_000
    })),
    admission: peers.map(({ key }) => key),
    acceptance: { quorum: 1, voters: 'members' },
    quotas: { recordsPerPeer: 10_000, recordBytes: 16_777_216 }
  })
  // the liars' priors are better by more than the margin: whatever of theirs is confirmed is chosen
  const made = await Promise.all(
    peers.map(
      async (one, i) => [one, await makeScore(swarm, one, 0, { uniformValue: i < LIARS ? -3 + i / 1000 : -2 })] as const
    )
  )
  scores = new Map(made)
  const bodies = made.map(([, { body }]) => body)
  evidence = {
    assessments: new Map(
      bodies.map(body => [
        assessmentKey(body),
        { ...testAssessment(body.targets), uniformValue: body.uniformValue, admissible: true, refusals: [] }
      ])
    ),
    qualities: new Map(bodies.flatMap(a => bodies.map(b => [qualityKey(a.targets, b.targets), QUALITY] as const)))
  }
})

const testPeerCid = (i: number) => swarmCids[i] as (typeof swarmCids)[number]
const swarmCids = await Promise.all(
  Array.from({ length: PARTITIONS }, async (_, i) => (await makeSwarm({ name: `partition ${i}` })).id)
)
const scoreOf = (one: TestPeer): SignedRecord<Score> => scores.get(one) as SignedRecord<Score>

let seq = 1
async function workOf(by: TestPeer, partition: number): Promise<Choice> {
  const reference = scoreOf(liars[0] as TestPeer).body.targets
  const result = await makeResult(swarm, by, seq++, scoreOf(by), partition)
  const alignment = await makeAlignment(swarm, by, seq++, result, reference, FIGURES)
  return { partition, score: scoreOf(by), result, alignment }
}

const say = async (
  by: TestPeer,
  { alignment }: Choice,
  verdict: 'plausible' | 'implausible',
  shard: Check['shard'] = 'sound'
) => await makeCheck(swarm, by, seq++, alignment, { by: scoreOf(by), verdict }, { shard })

interface Story {
  readonly works: readonly Choice[]
  /** Keys of alignments that are garbage */
  readonly isFalse: (work: Choice) => boolean
  readonly said: readonly SignedRecord<Check>[]
  /** Draws of lots: below the share or not */
  readonly chance?: WorkSituation['chance']
  readonly choose?: (s: WorkSituation) => DueCheck[]
}

/** Honest members look at whatever is due, one piece each in turn, until nothing is. Lots are drawn, and the line moves on no further. */
async function end({
  works,
  isFalse,
  said,
  chance = () => 0.999,
  choose = dueWork
}: Story): Promise<{ view: SwarmView; looks: number }> {
  const records: SignedRecord[] = [
    ...scores.values(),
    ...works.flatMap(({ result, alignment }) => [result, alignment]),
    ...said
  ]
  const look = (): { view: SwarmView; set: ReturnType<typeof createRecordSet> } => {
    const set = createRecordSet(records)
    return { set, view: viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence))) }
  }
  let looks = 0
  for (let isBusy = true; isBusy;) {
    isBusy = false
    for (const one of honest) {
      const [next] = choose({
        self: one.key,
        ...look(),
        members: peers.map(({ key }) => key),
        score: scoreOf(one),
        replicas: { min: 2, max: 3 },
        isGone: () => false,
        isOverdue: () => true,
        periods: () => 1,
        mayAskAgain: () => false,
        isBeyond: () => false,
        chance: what => chance(`${one.id} ${what}`)
      })
      if (next === undefined) continue
      isBusy = true
      looks++
      records.push(await say(one, next.work, isFalse(next.work) ? 'implausible' : 'plausible'))
    }
  }
  return { view: look().view, looks }
}

const isBy = (list: readonly TestPeer[], { result }: Choice): boolean =>
  list.some(({ key }) => Buffer.compare(key, result.body.author) === 0)

const caught = ({ confirmation }: SwarmView, list: readonly TestPeer[]): number =>
  list.filter(({ key }) => confirmation?.isCaught(key) === true).length

describe('of ten members three', () => {
  test('accuse everybody of everything: honest work is chosen all the same, and nobody honest is refused', async () => {
    const works = await Promise.all(honest.map(async (one, i) => await workOf(one, i % PARTITIONS)))
    const said = await Promise.all(
      works.flatMap(work => liars.map(async liar => await say(liar, work, 'implausible', 'wrong')))
    )
    const { view } = await end({ works, isFalse: () => false, said })
    expect(view.chosen.size).toBe(PARTITIONS)
    expect({ complete: view.complete, unconfirmed: view.unconfirmed, refuted: view.refuted.size }).toEqual({
      complete: true,
      unconfirmed: [],
      refuted: 0
    })
    expect([caught(view, honest), caught(view, liars)]).toEqual([0, LIARS])
  })

  test('accuse confirmed work after the fact: everybody looks, and it stays confirmed', async () => {
    const works = await Promise.all(honest.map(async (one, i) => await workOf(one, i % PARTITIONS)))
    const first = honest[0] as TestPeer
    const second = honest[1] as TestPeer
    const praise = await Promise.all(
      works.map(async work => await say(isBy([first], work) ? second : first, work, 'plausible'))
    )
    const accusations = await Promise.all(
      works.map(async (work, i) => await say(liars[i % LIARS] as TestPeer, work, 'implausible'))
    )
    const { view } = await end({ works, isFalse: () => false, said: [...praise, ...accusations] })
    expect(view.complete).toBe(true)
    expect(caught(view, honest)).toBe(0)
  })

  /** Honest work everywhere, and false work of two liars with better priors that `friends` praise at once. */
  async function praised(friends: readonly TestPeer[]): Promise<Pick<Story, 'works' | 'said' | 'isFalse'>> {
    const works = await Promise.all(honest.map(async (one, i) => await workOf(one, i % PARTITIONS)))
    const authors = liars.filter(one => !friends.includes(one) || friends.length > 1)
    const falseWorks = await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, p) => await workOf(authors[p % authors.length] as TestPeer, p))
    )
    const said = falseWorks.flatMap(work =>
      friends.filter(one => !isBy([one], work)).map(async one => await say(one, work, 'plausible'))
    )
    return { works: [...works, ...falseWorks], said: await Promise.all(said), isFalse: work => isBy(liars, work) }
  }
  const falseIn = ({ chosen, unconfirmed }: SwarmView): number =>
    [...chosen.values()].filter(work => isBy(liars, work) && !unconfirmed.includes(work.partition)).length

  test('have one friend that praises their garbage: audits find all of it, where nobody would look again without', async () => {
    const story = await praised([liars[0] as TestPeer])
    expect(falseIn((await end({ ...story, choose: dueChecks })).view)).toBe(PARTITIONS)
    const { view } = await end(story)
    expect([falseIn(view), view.complete, caught(view, honest)]).toEqual([0, true, 0])
  })

  test('praise each other, two friends for each: once a lot falls on one piece, all of it falls', async () => {
    const story = await praised(liars)
    expect(falseIn((await end(story)).view)).toBe(PARTITIONS)
    const drawn = story.works.findLast(story.isFalse)?.result.key ?? ''
    const lucky = (honest[3] as TestPeer).id
    const chance = (what: string): number => (what.startsWith(lucky) && what.endsWith(drawn) ? 0 : 0.999)
    const { view } = await end({ ...story, chance })
    expect([falseIn(view), view.complete, caught(view, honest), caught(view, liars)]).toEqual([0, true, 0, LIARS])
  })
})
