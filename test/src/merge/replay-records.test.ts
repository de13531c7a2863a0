import { CarReader } from '@ipld/car'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Candidate, Election } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Manifest, Swarm } from '../../../src/distribute/manifest.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { mergeDataset } from '../../../src/merge/dataset.ts'
import { localAcceptance } from '../../../src/merge/local-view.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import { admissibleScores, replayRecords } from '../../../src/merge/replay-records.ts'
import {
  assessmentKey,
  candidatesOf,
  qualityKey,
  viewOf,
  type Evidence,
  type SwarmView
} from '../../../src/merge/views.ts'
import { openRecord, type Check, type SignedRecord } from '../../../src/publish/record.ts'
import type { Acceptance } from '../../../src/merge/confirmation.ts'
import { anyHistory } from '../../helpers/arbitraries.ts'
import { seeded } from '../../helpers/seeded.ts'
import {
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  testPublisher,
  verify
} from '../../helpers/swarm-factory.ts'
import { testAssessment, testEvidence } from '../../helpers/test-evidence.ts'

const MEMBERS = 8
const PARTITIONS = 12
const members = Array.from({ length: MEMBERS }, (_, i) => testPeer(i))

/** Targets by CID: the last two members have the same prior, scaled. */
const matrices = new Map<string, Matrix32>()

const electionOf = (swarm: Swarm, set: RecordSet, evidence: Evidence): Election =>
  elect(
    swarm.manifest,
    candidatesOf(set, evidence).map((c): Candidate => {
      const targets = matrices.get(c.targetsCid.toString())
      return { ...c, ...(targets === undefined ? {} : { targets }) }
    })
  )

const seen = (
  swarm: Swarm,
  records: Iterable<SignedRecord>,
  evidence: Evidence,
  acceptance?: Acceptance
): SwarmView => {
  const set = createRecordSet(records)
  return viewOf(swarm.manifest, set, evidence, electionOf(swarm, set, evidence), acceptance)
}

/** Chosen work and all that is said of it, as comparable values. */
const summary = (v: SwarmView): unknown => ({
  ranking: v.election.ranking,
  chosen: [...v.chosen]
    .sort(([a], [b]) => a - b)
    .map(([p, { score, result, alignment, standing }]) => [p, score.key, result.key, alignment.key, standing]),
  unconfirmed: v.unconfirmed,
  rows: v.rows,
  complete: v.complete
})

interface History {
  records: SignedRecord[]
  evidence: Evidence
}

/** A history in which most members say what is so, one lies, one author makes garbage, and some sign twice under one number. */
async function history(swarm: Swarm, seed: number): Promise<History> {
  const { below } = seeded(seed)
  const chance = (percent: number): boolean => below(100) < percent
  const records: SignedRecord[] = []
  const next = new Map<number, number>()
  const seqOf = (member: number): number => {
    const seq = next.get(member) ?? 0
    // now and then the number before is used again
    if (member === 5 && seq > 20 && chance(5)) return seq - 1
    next.set(member, seq + 1)
    return seq
  }
  const scores = []
  for (const [i, peer] of members.entries()) {
    const targets = testCid(`S_Y ${i}`)
    scores.push(await makeScore(swarm, peer, seqOf(i), { targets, uniformValue: -3 + i * 0.1 }))
  }
  records.push(...scores)
  const reference = testCid('S_Y 0')
  const authors = [0, 1, 2]
  const garbage = chance(70) ? 1 : undefined
  const liar = chance(70) ? 4 : undefined
  for (const author of authors) {
    for (let p = 0; p < PARTITIONS; p++) {
      const result = await makeResult(swarm, members[author]!, seqOf(author), scores[author]!, p)
      const alignments = []
      for (const by of chance(30) ? [author, below(MEMBERS)] : [author])
        alignments.push(await makeAlignment(swarm, members[by]!, seqOf(by), result, reference))
      records.push(result, ...alignments)
      for (let i = below(12); i > 0; i--) {
        const by = below(MEMBERS)
        const alignment = alignments[below(alignments.length)]!
        const isGood = author !== garbage || chance(10)
        const says = by === liar ? !isGood : isGood
        const verdict = chance(15) ? 'abstain' : says ? 'plausible' : 'implausible'
        const shard = chance(80) ? 'sound' : says ? 'lost' : 'wrong'
        const opinion =
          shard !== 'lost' && chance(80) ? ({ by: scores[chance(90) ? by : 3]!, verdict } as const) : undefined
        const overrides: Partial<Check> = { shard, ...(chance(3) ? { result: testCid('another result') } : {}) }
        records.push(
          chance(10)
            ? await makeCheck(swarm, testPublisher, seqOf(99), alignment, undefined, { shard })
            : await makeCheck(swarm, members[by]!, seqOf(by), alignment, opinion, overrides)
        )
      }
    }
  }
  return {
    records,
    evidence: {
      assessments: new Map(
        scores.map(({ body }) => [
          assessmentKey(body),
          { ...testAssessment(body.targets), uniformValue: body.uniformValue, admissible: true, refusals: [] }
        ])
      ),
      qualities: new Map(
        scores.map(({ body }) => [qualityKey(body.targets, reference), { looR2: 0.5, looCosine: 0.75, looZ: 30 }])
      )
    }
  }
}

const RULES = [
  ['each prior once', { acceptance: { quorum: 1, voters: 'priors' } }],
  [
    'two members',
    { admission: [...members, testPublisher].map(({ key }) => key), acceptance: { quorum: 2, voters: 'members' } }
  ],
  ['listed checkers', { acceptance: { quorum: 1, voters: 'priors', checkers: [members[3]!.key] } }]
] as const satisfies [string, Partial<Manifest>][]

describe.each(RULES)('records of a dataset where the rule is %s', (_, rules) => {
  let swarm: Swarm
  beforeAll(async () => {
    const file = { rows: 10, bytes: 20_000, dagBytes: 20_000 }
    swarm = await makeSwarm({
      partitions: Array.from({ length: PARTITIONS }, (_, p) => ({ cid: testCid(`partition ${p}`), ...file })),
      quotas: { recordsPerPeer: 1000, recordBytes: 1_048_576 },
      ...rules
    })
    const { rows } = swarm.manifest.shared
    for (let i = 0; i < MEMBERS; i++) {
      const random = seeded(Math.min(i, MEMBERS - 2))
      const scale = i === MEMBERS - 1 ? 2 : 1
      const data = Float32Array.from({ length: rows * 4 }, () => (scale * (random.below(2 ** 16) - 2 ** 15)) / 2 ** 15)
      matrices.set(testCid(`S_Y ${i}`).toString(), matrix(rows, 4, data))
    }
  })

  test('give the same chosen work and standings, and are their own records', async () => {
    const reached = new Set<string>()
    for (let seed = 0; seed < 16; seed++) {
      const { records, evidence } = await history(swarm, seed)
      const views = [
        undefined,
        localAcceptance(swarm.manifest, { confirmed: 2 }),
        localAcceptance(swarm.manifest, { trust: [members[6]!.id, members[4]!.id] })
      ]
      for (const acceptance of views) {
        const set = createRecordSet(records)
        const view = seen(swarm, records, evidence, acceptance)
        const kept = replayRecords(set, admissibleScores(set, evidence), view)
        expect(kept.length).toBeLessThan(records.length)
        const again = seen(swarm, kept, evidence, acceptance)
        expect(summary(again), `seed ${seed}`).toEqual(summary(view))
        const keptSet = createRecordSet(kept)
        const twice = replayRecords(keptSet, admissibleScores(keptSet, evidence), again)
        expect(twice.map(({ key }) => key).sort()).toEqual(kept.map(({ key }) => key).sort())
        for (const { standing } of view.chosen.values()) {
          reached.add(standing?.state ?? '')
          if (standing?.byHistory === true) reached.add('by history')
        }
        for (const { key, body } of set.byType('result')) {
          const result = set.get(key)
          if (body.type === 'result' && view.confirmation?.isRefuted(result as SignedRecord<typeof body>) === true)
            reached.add('refuted')
        }
        if (members.some(({ key }) => view.confirmation?.isCaught(key) === true)) reached.add('caught')
        if (set.equivocators().size > 0) reached.add('signed twice')
      }
    }
    // else the law above says little
    for (const state of ['confirmed', 'open', 'disputed', 'refuted', 'caught', 'signed twice'])
      expect(reached).toContain(state)
  }, 60_000)

  test('lie in records.car, from which the same CID can be made', async () => {
    const { records, evidence } = await history(swarm, 3)
    const set = createRecordSet(records)
    const view = seen(swarm, records, evidence)
    const merged = await mergeDataset(swarm, set, evidence, view)
    const reader = await CarReader.fromBytes(merged.files.get('records.car') as Uint8Array)
    const replayed: SignedRecord[] = []
    for await (const { cid, bytes } of reader.blocks())
      if (!cid.equals(swarm.id)) replayed.push(openRecord(bytes, swarm, verify))
    expect(replayed.some(({ body }) => body.type === 'check')).toBe(true)
    const again = await mergeDataset(swarm, createRecordSet(replayed), evidence, seen(swarm, replayed, evidence))
    expect(again.root).toEqual(merged.root)
  })
})

test('records of any history give the same chosen work and standings', async () => {
  const swarm = await makeSwarm({
    admission: [0, 1, 2, 3, 4].map(i => testPeer(i).key),
    acceptance: { quorum: 1, voters: 'members' }
  })
  fc.assert(
    fc.property(anyHistory(swarm), records => {
      const evidence = testEvidence(records)
      const set = createRecordSet(records)
      const view = seen(swarm, records, evidence)
      const kept = replayRecords(set, admissibleScores(set, evidence), view)
      const again = seen(swarm, kept, evidence)
      const standings = (v: SwarmView): unknown => (summary(v) as { chosen: unknown }).chosen
      expect(standings(again)).toEqual(standings(view))
    }),
    { numRuns: 100 }
  )
})
