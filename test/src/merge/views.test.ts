import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Election } from '../../../src/align/candidate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { MAX_SCORES_PER_AUTHOR } from '../../../src/merge/counted-scores.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import {
  assessmentKey,
  candidatesOf,
  ALIGNMENT_TOLERANCE,
  qualityKey,
  viewOf,
  type Evidence,
  type SwarmView,
  HOPELESS,
  type Quality
} from '../../../src/merge/views.ts'
import type { Alignment, Result, Score, SignedRecord } from '../../../src/publish/record.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'
import {
  copyOf,
  makeAlignment,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer
} from '../../helpers/swarm-factory.ts'

const [alice, bob, carol] = [testPeer('alice'), testPeer('bob'), testPeer('carol')]
const FIGURES = { looR2: 0.5, looCosine: 0.75 }
const GOOD: Quality = { ...FIGURES, looZ: 30 }

let swarm: Swarm
let best: SignedRecord<Score>
let close: SignedRecord<Score>
let weak: SignedRecord<Score>
/** Uniform values: best -3, close -2.98 (within the margin of 0.05), weak -1 */
let evidence: { assessments: Map<string, Assessment>; qualities: Map<string, Quality> }

beforeAll(async () => {
  swarm = await makeSwarm()
  best = await makeScore(swarm, alice, 0, { uniformValue: -3 })
  close = await makeScore(swarm, bob, 0, { uniformValue: -2.98 })
  weak = await makeScore(swarm, carol, 0, { uniformValue: -1 })
})
beforeEach(() => {
  const assess = (score: SignedRecord<Score>): [string, Assessment] => [
    assessmentKey(score.body),
    { ...testAssessment(score.body.targets), uniformValue: score.body.uniformValue, admissible: true, refusals: [] }
  ]
  evidence = { assessments: new Map([best, close, weak].map(assess)), qualities: new Map() }
  for (const from of [best, close, weak])
    for (const to of [best, close, weak]) evidence.qualities.set(qualityKey(from.body.targets, to.body.targets), GOOD)
})

function view(records: readonly SignedRecord[], by: Evidence = evidence): SwarmView {
  const set = createRecordSet([best, close, weak, ...records])
  return viewOf(swarm.manifest, set, by, electionOf(set, by))
}

function electionOf(set: ReturnType<typeof createRecordSet>, by: Evidence): Election {
  return elect(swarm.manifest, candidatesOf(set, by))
}

/** A result of `score` on a partition and its alignment to the best prior. */
async function work(
  peer: typeof alice,
  seq: number,
  score: SignedRecord<Score>,
  partition: number,
  change: Partial<Alignment> = {},
  resultChange: Partial<Result> = {}
): Promise<[SignedRecord<Result>, SignedRecord<Alignment>]> {
  const result = await makeResult(swarm, peer, seq, score, partition, resultChange)
  return [result, await makeAlignment(swarm, peer, seq + 1, result, best.body.targets, change)]
}

describe('a view', () => {
  test('of scores alone has a reference and everything missing', () => {
    expect(view([])).toMatchObject({ missing: [0, 1, 2, 3], rows: 0, complete: false })
    expect(view([]).election.reference?.cid).toEqual(best.body.targets)
  })

  test('of no records has nothing', () => {
    const set = createRecordSet()
    const v = viewOf(swarm.manifest, set, evidence, electionOf(set, evidence))
    expect(v).toMatchObject({ missing: [0, 1, 2, 3], complete: false })
    expect(v.election.reference).toBeUndefined()
  })

  test('takes an alignment of a result to the reference', async () => {
    const [result, alignment] = await work(bob, 1, close, 2)
    const v = view([result, alignment])
    expect(v.chosen.get(2)).toEqual({ partition: 2, score: close, result, alignment })
    expect(v).toMatchObject({ missing: [0, 1, 3], rows: 10, complete: false })
    expect(v.pending.size).toBe(0)
  })

  test('is complete once every partition has one, and counts the rows that have a target', async () => {
    const records: SignedRecord[] = []
    for (let p = 0; p < 4; p++) records.push(...(await work(alice, 1 + 2 * p, best, p, {}, { present: p + 1 })))
    expect(view(records)).toMatchObject({ missing: [], rows: 1 + 2 + 3 + 4, complete: true })
  })

  test('says of which partitions some rows have no target, whether the fullest result is aligned or not', async () => {
    const some = await work(alice, 1, best, 0, {}, { present: 1 })
    expect(view(some)).toMatchObject({ incomplete: [0], missing: [1, 2, 3] })
    const [unaligned] = await work(bob, 1, close, 1, {}, { present: 9 })
    expect(view([...some, unaligned])).toMatchObject({ incomplete: [0, 1], missing: [2, 3] })
    const all = await work(bob, 3, close, 0)
    expect(view([...some, all[0]])).toMatchObject({ incomplete: [] })
    expect(view([...some, ...all]).chosen.get(0)?.result.key).toBe(all[0].key)
  })

  test('keeps a result waiting until it is aligned to the present reference', async () => {
    const [result, alignment] = await work(bob, 1, close, 2)
    const foreign = await makeAlignment(swarm, bob, 3, result, close.body.targets)
    const v = view([result, foreign])
    expect(v.pending.get(2)).toEqual([{ partition: 2, score: close, result, byOthers: false }])
    expect(v).toMatchObject({ missing: [0, 1, 3] })
    expect(v.chosen.size).toBe(0)
    expect(view([result, foreign, alignment]).pending.size).toBe(0)
  })

  test('lets the author align its own targets although somebody else did before', async () => {
    const [result] = await work(bob, 1, close, 2)
    const foreign = await makeAlignment(swarm, carol, 5, result, best.body.targets, FIGURES)
    const v = view([result, foreign])
    expect(v.pending.get(2)).toEqual([{ partition: 2, score: close, result, byOthers: true }])
    expect(v.chosen.get(2)?.alignment.key).toBe(foreign.key)
    expect(v.missing).not.toContain(2)
    const own = await makeAlignment(swarm, bob, 6, result, best.body.targets, FIGURES)
    const after = view([result, foreign, own])
    expect(after.chosen.get(2)?.alignment.key).toBe(own.key)
    expect(after.pending.size).toBe(0)
  })

  test('keeps the work with more rows, and that of priors that can be elected before that of labels', async () => {
    const labels = await makeScore(swarm, alice, 20, {
      uniformValue: -3.5,
      prior: { ...best.body.prior, kind: 'human' },
      targets: testCid('labels')
    })
    const judged = { ...testAssessment(labels.body.targets), uniformValue: -3.5, admissible: true, refusals: [] }
    evidence.assessments.set(assessmentKey(labels.body), judged)
    evidence.qualities.set(qualityKey(labels.body.targets, best.body.targets), GOOD)
    const byNetwork = await work(carol, 1, weak, 1)
    const few = await makeResult(swarm, alice, 21, labels, 1, { present: 1 })
    const all = await makeResult(swarm, alice, 22, labels, 1)
    const alignedFew = await makeAlignment(swarm, alice, 23, few, best.body.targets, FIGURES)
    const alignedAll = await makeAlignment(swarm, alice, 24, all, best.body.targets, FIGURES)
    const chosen = (records: SignedRecord[]): string | undefined => view([labels, ...records]).chosen.get(1)?.score.key
    expect(view([labels]).election.ranking.find(r => r.key === labels.key)?.electable).toBe(false)
    expect(chosen([...byNetwork, few, alignedFew])).toBe(weak.key)
    expect(chosen([...byNetwork, all, alignedAll])).toBe(weak.key)
    expect(chosen([few, alignedFew])).toBe(labels.key)
  })

  test('keeps the work of the best prior before that of a worse one, whichever of its bringers did it', async () => {
    // the same public model in two hands: one of the two scores is a copy, by its record id either
    const again = await makeScore(swarm, bob, 30, { uniformValue: -3, targets: best.body.targets })
    for (const [peer, score] of [[alice, best] as const, [bob, again] as const]) {
      const done = await work(peer, 40, score, 1)
      const worse = await work(carol, 1, weak, 1)
      expect(view([again, ...done, ...worse]).chosen.get(1)?.score.key).toBe(score.key)
    }
  })

  test('can be made of more alignments of one partition than a call takes arguments', async () => {
    const [result, alignment] = await work(bob, 1, close, 2)
    // the set and the view never look at signatures: what the ids and sizes are is enough
    const copies = Array.from({ length: 161_000 }, (_, i) => copyOf(alignment, i))
    const { chosen } = view([result, ...copies])
    expect(chosen.get(2)?.result.key).toBe(result.key)
  })

  test('leaves out results of a score that is not counted, whatever is known of its content', async () => {
    const scores = await Promise.all(
      Array.from({ length: MAX_SCORES_PER_AUTHOR + 1 }, async (_, i) =>
        makeScore(swarm, bob, 100 + i, { uniformValue: -2, targets: testCid(`many ${i}`) })
      )
    )
    for (const { body } of scores) {
      const assessment = { ...testAssessment(body.targets), uniformValue: -2, admissible: true }
      evidence.assessments.set(assessmentKey(body), assessment)
      evidence.qualities.set(qualityKey(body.targets, best.body.targets), GOOD)
    }
    const first = await work(bob, 200, scores[0] as SignedRecord<Score>, 0)
    const last = await work(bob, 202, scores.at(-1) as SignedRecord<Score>, 1)
    // without the score of bob that all tests share: there are as many before it as count
    const set = createRecordSet([best, ...scores, ...first, ...last])
    expect([...viewOf(swarm.manifest, set, evidence, electionOf(set, evidence)).chosen.keys()]).toEqual([0])
  })

  test('goes back to waiting when a better prior becomes the reference', async () => {
    const better = await makeScore(swarm, carol, 9, { uniformValue: -3.9 })
    const records = await work(bob, 1, close, 2)
    expect(view(records).chosen.size).toBe(1)
    evidence.assessments.set(assessmentKey(better.body), {
      ...testAssessment(better.body.targets),
      uniformValue: -3.9,
      admissible: true
    })
    const v = view([...records, better])
    expect(v.election.reference?.cid).toEqual(better.body.targets)
    expect(v.chosen.size).toBe(0)
    expect(v.pending.get(2)?.map(w => w.result.key)).toEqual([records[0].key])
  })

  test.each<[string, Partial<Alignment>]>([
    ['R2 too high', { looR2: GOOD.looR2 + 1.5 * ALIGNMENT_TOLERANCE }],
    ['R2 too low', { looR2: GOOD.looR2 - 1.5 * ALIGNMENT_TOLERANCE }],
    ['cosine too high', { looCosine: GOOD.looCosine + 1.5 * ALIGNMENT_TOLERANCE }],
    ['cosine too low', { looCosine: GOOD.looCosine - 1.5 * ALIGNMENT_TOLERANCE }]
  ])('refuses an alignment that claims its %s', async (_, change) => {
    const v = view(await work(bob, 1, close, 2, change))
    expect(v.chosen.size).toBe(0)
    expect([...v.pending.keys()]).toEqual([2])
  })

  test('takes claims that differ by the rounding of faster kernels', async () => {
    const change = {
      looR2: GOOD.looR2 + 0.5 * ALIGNMENT_TOLERANCE,
      looCosine: GOOD.looCosine - 0.5 * ALIGNMENT_TOLERANCE
    }
    expect(view(await work(bob, 1, close, 2, change)).chosen.size).toBe(1)
  })

  test.each([
    ['is below the floor', { ...GOOD, looZ: 3.999999 }],
    ['is not a number', { ...GOOD, looZ: Number.NaN }],
    ['is that of a prior which cannot be mapped', HOPELESS]
  ])('neither takes nor waits for targets whose z %s: the partition is still to be done', async (_, quality) => {
    evidence.qualities.set(qualityKey(close.body.targets, best.body.targets), quality)
    const [result, alignment] = await work(bob, 1, close, 2, {
      looR2: quality.looR2,
      looCosine: quality.looCosine
    })
    for (const records of [[result], [result, alignment]]) {
      const v = view(records)
      expect(v.chosen.size + v.pending.size).toBe(0)
      expect(v.missing).toEqual([0, 1, 2, 3])
    }
  })

  test('waits for a quality that is not computed yet', async () => {
    evidence.qualities.delete(qualityKey(close.body.targets, best.body.targets))
    const v = view(await work(bob, 1, close, 2))
    expect(v.chosen.size).toBe(0)
    expect([...v.pending.keys()]).toEqual([2])
  })

  test('has no use for results of a score that did not pass the gate, or that nobody could judge yet', async () => {
    const records = await work(bob, 1, close, 2)
    const key = assessmentKey(close.body)
    evidence.assessments.set(key, { ...testAssessment(close.body.targets), admissible: false })
    expect(view(records)).toMatchObject({ missing: [0, 1, 2, 3], rows: 0 })
    evidence.assessments.delete(key)
    expect(view(records)).toMatchObject({ missing: [0, 1, 2, 3], rows: 0 })
  })

  test('has no use for results of a score that claims another uniform value than its targets have', async () => {
    const liar = await makeScore(swarm, bob, 0, { uniformValue: -2.98 + 2e-4, targets: close.body.targets })
    const v = view([liar, ...(await work(bob, 1, liar, 2))])
    expect(v.missing).toEqual([0, 1, 2, 3])
    expect(v.election.ranking.find(r => r.key === liar.key)?.electable).toBe(false)
  })

  test('judges the same targets anew for whoever cites them under the other kind of prior', async () => {
    const { prior, targets, uniformValue } = best.body
    const thief = await makeScore(swarm, carol, 9, { targets, uniformValue, prior: { ...prior, kind: 'human' } })
    evidence.assessments.set(assessmentKey(thief.body), { ...testAssessment(targets), uniformValue, admissible: false })
    const records = await work(alice, 1, best, 2)
    expect(view([thief, ...records])).toMatchObject({ missing: [0, 1, 3] })
    expect(view([thief, ...records]).election.reference?.provenance.from).toEqual([best.key])
  })

  test('has no use for a result that cites the score of somebody else, an unknown one, or another record', async () => {
    const stolen = await work(bob, 1, best, 2)
    const unknown = await work(bob, 3, { ...close, id: testCid('nothing') }, 2)
    const [result] = await work(bob, 5, close, 1)
    const nested = await makeResult(swarm, bob, 7, result, 3)
    expect(view([...stolen, ...unknown, nested])).toMatchObject({ missing: [0, 1, 2, 3] })
  })

  test('has no use for an alignment under another partition than that of its result', async () => {
    const [result] = await work(bob, 1, close, 2)
    const alignment = await makeAlignment(swarm, bob, 2, result, best.body.targets, { partition: 1, bytes: 20_500 })
    const v = view([result, alignment])
    expect(v.chosen.size).toBe(0)
    expect(v.missing).toEqual([0, 1, 3])
  })

  test('takes an alignment that another peer made of the raw targets', async () => {
    const [result] = await work(bob, 1, close, 2)
    const alignment = await makeAlignment(swarm, carol, 1, result, best.body.targets)
    expect(view([result, alignment]).chosen.get(2)?.alignment).toEqual(alignment)
  })

  test('puts an alignment by the author of the targets before those by others', async () => {
    const [result, own] = await work(bob, 1, close, 2)
    for (let seq = 1; seq < 8; seq++) {
      const foreign = await makeAlignment(swarm, carol, seq, result, best.body.targets)
      expect(view([result, foreign, own]).chosen.get(2)?.alignment.key).toBe(own.key)
    }
  })

  test('keeps the targets of the better prior, whichever came first', async () => {
    const good = await work(alice, 1, best, 2)
    const poor = await work(carol, 1, weak, 2)
    for (const records of [
      [...good, ...poor],
      [...poor, ...good]
    ]) {
      expect(view(records).chosen.get(2)?.score.key).toBe(best.key)
    }
  })

  test('lets the record id decide between priors within the margin, not the value', async () => {
    const winners = new Set<string>()
    for (let i = 0; i < 12; i++) {
      const a = await work(alice, 1, best, 2, { shard: testCid(`a ${i}`) })
      const b = await work(bob, 1, close, 2, { shard: testCid(`b ${i}`) })
      const chosen = view([...a, ...b]).chosen.get(2)
      expect(chosen?.alignment.key).toBe([a[1].key, b[1].key].sort()[0])
      winners.add(chosen?.score.key ?? '')
    }
    expect(winners).toEqual(new Set([best.key, close.key]))
  })

  test('leaves finished work with the worse prior where the margin makes them equal, and not beyond it', async () => {
    const near = await work(bob, 1, close, 2)
    const [raw, late] = await work(alice, 1, best, 2)
    // by construction of the total order only a record with a lower id takes over within the margin
    const kept = view([...near, raw, late]).chosen.get(2)?.alignment.key
    expect(kept).toBe([near[1].key, late.key].sort()[0])
    expect(view([...(await work(carol, 1, weak, 2)), raw, late]).chosen.get(2)?.alignment.key).toBe(late.key)
  })

  test('does not elect an author that signed two records under one number, but keeps its results', async () => {
    const records = await work(alice, 1, best, 2)
    const second = await makeScore(swarm, alice, 0, { uniformValue: -3, targets: testCid('a second face') })
    const set = createRecordSet([best, close, weak, second, ...records])
    expect(set.equivocators()).toEqual(new Set([alice.id]))
    const v = viewOf(swarm.manifest, set, evidence, electionOf(set, evidence))
    expect(v.election.reference?.cid).toEqual(close.body.targets)
    expect(v.pending.get(2)?.map(w => w.result.key)).toEqual([records[0].key])
  })
})

describe('candidatesOf', () => {
  test('leaves out scores whose content is not known and marks equivocators', async () => {
    const second = await makeScore(swarm, bob, 0, { uniformValue: -2, targets: testCid('a second face') })
    evidence.assessments.delete(assessmentKey(weak.body))
    const candidates = candidatesOf(createRecordSet([best, close, weak, second]), evidence)
    expect(candidates.map(c => `${c.key} ${c.equivocator}`).sort()).toEqual(
      [`${best.key} false`, `${close.key} true`].sort()
    )
    expect(candidates.find(c => c.key === best.key)).toMatchObject({ author: alice.id, kind: 'onnx', claimed: -3 })
    expect(candidates.every(c => !('targets' in c))).toBe(true)
  })
})
