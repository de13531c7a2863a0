import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Assessment } from '../../../src/align/gate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { mergeDataset } from '../../../src/merge/dataset.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { assessmentKey, candidatesOf, qualityKey, viewOf, type Choice, type Quality } from '../../../src/merge/views.ts'
import type { Check, Score, SignedRecord } from '../../../src/publish/record.ts'
import { unsigned } from '../../helpers/arbitraries.ts'
import { makeAlignment, makeResult, makeScore, makeSwarm, testCid, testPeer } from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

/** Five members with eligible priors; two of them did each partition. */
const peers = [0, 1, 2, 3, 4].map(i => testPeer(`check law ${i}`))
const FIGURES = { looR2: 0.5, looCosine: 0.75 }
const QUALITY: Quality = { ...FIGURES, looZ: 30 }

let swarm: Swarm
let scores: SignedRecord<Score>[]
let works: Choice[]
let evidence: { assessments: Map<string, Assessment>; qualities: Map<string, Quality> }

beforeAll(async () => {
  swarm = await makeSwarm({
    admission: peers.map(({ key }) => key),
    acceptance: { quorum: 1, voters: 'members' },
    quotas: { recordsPerPeer: 1000, recordBytes: 1_048_576 }
  })
  scores = await Promise.all(
    peers.map(async (one, i) => await makeScore(swarm, one, 0, { uniformValue: -2 - i / 1000 }))
  )
  const reference = scores.at(-1)?.body.targets ?? testCid('none')
  works = await Promise.all(
    [0, 1, 2, 3, 4, 5, 6, 7].map(async i => {
      const [by, score, partition] = [peers[i % 5], scores[i % 5], i % 4]
      if (by === undefined || score === undefined) throw new Error('five peers')
      const result = await makeResult(swarm, by, 1 + 2 * i, score, partition)
      return {
        partition,
        score,
        result,
        alignment: await makeAlignment(swarm, by, 2 + 2 * i, result, reference, FIGURES)
      }
    })
  )
  const bodies = scores.map(({ body }) => body)
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

/** Checks of anybody about anything: repeated, contradicted, taken back, of own work, and now and then two under one number. */
const anyChecks = (): fc.Arbitrary<SignedRecord<Check>[]> =>
  fc.array(
    fc
      .record({
        by: fc.nat(4),
        about: fc.nat(7),
        seq: fc.integer({ min: 100, max: 999 }),
        shard: fc.constantFrom('sound' as const, 'sound' as const, 'wrong' as const, 'lost' as const),
        verdict: fc.constantFrom(
          'plausible' as const,
          'plausible' as const,
          'implausible' as const,
          'abstain' as const,
          undefined
        )
      })
      .map(({ by, about, seq, shard, verdict }) => {
        const work = works[about] as Choice
        const score = (scores[by] as SignedRecord<Score>).id
        const seed = new Uint8Array(32).fill(by)
        const figures = { seed, rows: 1, targets: testCid(`rows ${seq}`), z: 1, expected: 10 }
        return unsigned<Check>({
          v: 1,
          swarm: swarm.id,
          type: 'check',
          author: (peers[by] as (typeof peers)[number]).key,
          seq,
          partition: work.partition,
          alignment: work.alignment.id,
          result: work.result.id,
          shard,
          ...(verdict === undefined || shard === 'lost' ? {} : { opinion: { by: 'prior', score, ...figures, verdict } })
        })
      }),
    { maxLength: 60, size: 'max' }
  )

/** Everything that follows from these checks, as comparable values. */
async function following(checks: readonly SignedRecord<Check>[]) {
  const set = createRecordSet([...scores, ...works.flatMap(({ result, alignment }) => [result, alignment]), ...checks])
  const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
  const { confirmation } = view
  if (confirmation === undefined) throw new Error('the swarm asks for checks')
  const { root } = await mergeDataset(swarm, set, evidence, view)
  return {
    root: root.toString(),
    standings: works.map(({ result, alignment }) => confirmation.standing(result, alignment)),
    agreements: peers.map(({ key }) => confirmation.agreements(key)),
    histories: scores.map(score => confirmation.history(score)),
    opinions: works.map(({ result }) =>
      confirmation
        .opinionsOn(result)
        .map(({ voice, verdict }) => `${voice} ${verdict}`)
        .sort()
    )
  }
}

test('the same checks come to the same dataset, standings and histories in any order', async () => {
  const reached = { lost: 0, agreements: 0, refuted: 0, roots: new Set<string>() }
  await fc.assert(
    fc.asyncProperty(
      anyChecks().chain(list => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      async ([checks, shuffled]) => {
        const [first, second] = [await following(checks), await following(shuffled)]
        expect(second).toEqual(first)
        reached.roots.add(first.root)
        reached.agreements += first.agreements.reduce((sum, n) => sum + n, 0)
        reached.lost += first.standings.filter(({ lost }) => lost > 0).length
        reached.refuted += first.standings.filter(({ state }) => state === 'refuted').length
      }
    ),
    { numRuns: 80 }
  )
  // the law says something: the checks decide
  expect(reached.roots.size).toBeGreaterThan(20)
  expect(Math.min(reached.lost, reached.agreements, reached.refuted)).toBeGreaterThan(50)
})

test('opinions of a voice that is caught count neither for work nor for those that agree with it', async () => {
  await fc.assert(
    fc.asyncProperty(anyChecks(), async checks => {
      const set = createRecordSet([
        ...scores,
        ...works.flatMap(({ result, alignment }) => [result, alignment]),
        ...checks
      ])
      const { confirmation } = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
      for (const { result, alignment } of works) {
        const counted = confirmation?.opinionsOn(result) ?? []
        const { plausible, implausible } = confirmation?.standing(result, alignment) ?? {}
        const of = (verdict: string): number =>
          new Set(counted.filter(o => o.verdict === verdict).map(o => o.voice)).size
        expect([of('plausible'), of('implausible')]).toEqual([plausible, implausible])
        expect(counted.filter(({ author }) => confirmation?.isCaught(author) === true)).toEqual([])
      }
    }),
    { numRuns: 60 }
  )
})
