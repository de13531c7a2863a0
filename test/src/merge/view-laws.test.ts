import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Election } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Manifest, Swarm } from '../../../src/distribute/manifest.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import {
  belowFloor,
  candidatesOf,
  qualityKey,
  viewOf,
  type Evidence,
  type SwarmView
} from '../../../src/merge/views.ts'
import type { Result, SignedRecord } from '../../../src/publish/record.ts'
import { anyHistory } from '../../helpers/arbitraries.ts'
import { makeSwarm, testPeer } from '../../helpers/swarm-factory.ts'
import { testEvidence } from '../../helpers/test-evidence.ts'

const members = [0, 1, 2, 3, 4].map(i => testPeer(i).key)
const RULES = [
  ['without checks', {}],
  ['with checks', { admission: members, acceptance: { quorum: 1, voters: 'members' } }]
] as const satisfies [string, Partial<Manifest>][]

let swarm: Swarm

function electionOf(set: RecordSet, by: Evidence): Election {
  return elect(swarm.manifest, candidatesOf(set, by))
}

/** What a view says, as comparable text. */
const summary = (v: SwarmView): unknown => ({
  reference: v.election.reference?.cid?.toString(),
  ranking: v.election.ranking,
  chosen: [...v.chosen].sort(([a], [b]) => a - b).map(([p, c]) => [p, c.score.key, c.result.key, c.alignment.key]),
  pending: [...v.pending].sort(([a], [b]) => a - b).map(([p, list]) => [p, list.map(w => w.result.key)]),
  missing: v.missing,
  standings: [...v.chosen].sort(([a], [b]) => a - b).map(([p, c]) => [p, c.standing]),
  contenders: [...v.contenders].sort(([a], [b]) => a - b).map(([p, list]) => [p, list.map(c => c.alignment.key)]),
  unconfirmed: v.unconfirmed,
  rows: v.rows,
  complete: v.complete
})

describe.each(RULES)('a view %s', (_, rules) => {
  beforeAll(async () => {
    swarm = await makeSwarm(rules)
  })

  test('is the same for every order of arrival, and covers every partition', () => {
    fc.assert(
      fc.property(
        anyHistory(swarm).chain(list =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))
        ),
        ([records, shuffled]) => {
          const by = testEvidence(records)
          const views = [records, shuffled].map(list => {
            const set = createRecordSet(list)
            return viewOf(swarm.manifest, set, by, electionOf(set, by))
          }) as [SwarmView, SwarmView]
          expect(summary(views[1])).toEqual(summary(views[0]))
          const [v] = views
          const covered = new Set([...v.chosen.keys(), ...v.pending.keys(), ...v.missing])
          expect([...covered].sort((a, b) => a - b)).toEqual(swarm.manifest.partitions.map((_, p) => p))
          for (const p of v.missing) expect(v.chosen.has(p) || v.pending.has(p)).toBe(false)
          expect(v.complete).toBe(v.chosen.size === swarm.manifest.partitions.length && v.unconfirmed.length === 0)
          for (const { alignment, result, score } of v.chosen.values()) {
            expect(alignment.body.reference).toEqual(v.election.reference?.cid)
            expect(alignment.body.result).toEqual(result.id)
            expect(result.body.score).toEqual(score.id)
            expect(result.body.author).toEqual(score.body.author)
            const quality = by.qualities.get(qualityKey(score.body.targets, alignment.body.reference))
            expect(quality === undefined || belowFloor(swarm.manifest, quality)).toBeUndefined()
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  test('made of random histories reaches every kind of state, so that the law above says something', () => {
    let chosen = 0
    let pending = 0
    let contested = 0
    const states = new Set<string>()
    for (const records of fc.sample(anyHistory(swarm), { numRuns: 200, seed: 1 })) {
      const set = createRecordSet(records)
      const by = testEvidence(records)
      const v = viewOf(swarm.manifest, set, by, electionOf(set, by))
      chosen += v.chosen.size
      pending += v.pending.size
      contested += set.equivocators().size
      for (const { standing } of v.chosen.values()) if (standing !== undefined) states.add(standing.state)
      for (const { result } of works(set)) if (v.confirmation?.isRefuted(result) === true) states.add('refuted')
    }
    if (swarm.manifest.acceptance !== undefined)
      expect([...states].sort()).toEqual(['confirmed', 'disputed', 'open', 'refuted'])
    expect(Math.min(chosen, pending, contested)).toBeGreaterThan(50)
  })
})

function works(set: RecordSet): { result: SignedRecord<Result> }[] {
  return set.byType('result').map(result => ({ result }))
}
