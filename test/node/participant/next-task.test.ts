import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createLeaseTable, type LeaseTable } from '../../../node/state/leases.ts'
import { hasResultBy, nextTask, type Situation, type Task } from '../../../node/participant/next-task.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import { elect } from '../../../src/align/election.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { assessmentKey, candidatesOf, qualityKey, viewOf, type Quality } from '../../../src/merge/views.ts'
import type { Lease } from '../../../src/publish/lease.ts'
import type { Result, Score, SignedRecord } from '../../../src/publish/record.ts'
import {
  makeAlignment,
  makeResult,
  makeScore,
  makeSwarm,
  testPeer,
  type TestPeer
} from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

const TTL = 60_000
const FIGURES = { looR2: 0.5, looCosine: 0.75 }
const QUALITY: Quality = { ...FIGURES, looZ: 30 }
const peers = [testPeer('best'), testPeer('close'), testPeer('weak')] as const
const [best, close, weak] = peers

let swarm: Swarm
/** Uniform values: best -3, close -2.98 (within the margin of 0.05), weak -1 */
let scores: Map<TestPeer, SignedRecord<Score>>
let assessments: Map<string, Assessment>
let qualities: Map<string, Quality>
beforeAll(async () => {
  swarm = await makeSwarm()
  scores = new Map()
  for (const [i, peer] of peers.entries()) {
    scores.set(peer, await makeScore(swarm, peer, 0, { uniformValue: [-3, -2.98, -1][i] ?? 0 }))
  }
  assessments = new Map(
    [...scores.values()].map(({ body }) => [
      assessmentKey(body),
      { ...testAssessment(body.targets), uniformValue: body.uniformValue, admissible: true, refusals: [] }
    ])
  )
  const all = [...scores.values()].map(s => s.body.targets)
  qualities = new Map(all.flatMap(a => all.map(b => [qualityKey(a, b), QUALITY] as const)))
})

let time: number
beforeEach(() => {
  time = 0
})
const scoreOf = (peer: TestPeer): SignedRecord<Score> => scores.get(peer) as SignedRecord<Score>
const table = (self: TestPeer): LeaseTable => createLeaseTable({ self: self.key, ttlMs: TTL, now: () => time })
const lease = (peer: TestPeer, partition: number, change: Partial<Lease> = {}): Lease => ({
  v: 1,
  swarm: swarm.id,
  author: peer.key,
  type: 'lease',
  partition,
  task: 'optimize',
  counter: 0,
  done: 0,
  released: false,
  ...change
})

/** What `self` does next when these records are known; everything is allowed unless `change` forbids it. */
function next(self: TestPeer, records: readonly SignedRecord[], change: Partial<Situation> = {}): Task | undefined {
  const set = createRecordSet([...scores.values(), ...records])
  const evidence = { assessments, qualities }
  const election = elect(swarm.manifest, candidatesOf(set, evidence))
  return nextTask({
    self: self.key,
    manifest: swarm.manifest,
    view: viewOf(swarm.manifest, set, evidence, election),
    score: scoreOf(self),
    admissible: true,
    leases: table(self),
    mayTake: true,
    once: false,
    isReferenceStable: true,
    isAbandoned: () => false,
    isSetAside: () => false,
    isDoubted: () => false,
    isUndecided: () => false,
    mayRetry: true,
    hasOwnResult: partition => hasResultBy(set, scoreOf(self), partition),
    ...change
  })
}

async function result(peer: TestPeer, partition: number, change: Partial<Result> = {}) {
  return await makeResult(swarm, peer, 1 + 2 * partition, scoreOf(peer), partition, change)
}
/** A finished partition: result and alignment to the reference, which is the best prior's targets. */
async function done(peer: TestPeer, partition: number, change: Partial<Result> = {}): Promise<SignedRecord[]> {
  const raw = await result(peer, partition, change)
  const { targets } = scoreOf(best).body
  return [raw, await makeAlignment(swarm, peer, 2 + 2 * partition, raw, targets, FIGURES)]
}
const allDone = async (peer: TestPeer): Promise<SignedRecord[]> =>
  (await Promise.all([0, 1, 2, 3].map(p => done(peer, p)))).flat()

describe('the next task', () => {
  test('is to optimize a partition that nobody has done', () => {
    expect(next(best, [])).toMatchObject({ do: 'optimize', improving: false })
  })

  test('is another one for each of two peers that know of each other', () => {
    const first = next(best, []) as Task
    const leases = table(close)
    leases.observe(lease(best, first.partition))
    const second = next(close, [], { leases }) as Task
    expect(second.do).toBe('optimize')
    expect(second.partition).not.toBe(first.partition)
  })

  test('covers all partitions when each peer leases what it takes', () => {
    const observed: Lease[] = []
    const taken = [best, close, weak, testPeer('fourth')].map(peer => {
      const leases = table(peer)
      for (const l of observed) leases.observe(l)
      const task = next(peer === testPeer('fourth') ? best : peer, [], { self: peer.key, leases }) as Task
      observed.push(lease(peer, task.partition))
      return task.partition
    })
    expect(new Set(taken).size).toBe(4)
  })

  test('is the partition of a peer that went silent, once its lease ran out and not before', async () => {
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    const leases = table(best)
    leases.observe(lease(weak, 3))
    expect(next(best, records, { leases })).toBeUndefined()
    time = TTL - 1
    expect(next(best, records, { leases })).toBeUndefined()
    time = TTL
    expect(next(best, records, { leases })).toEqual({ do: 'optimize', partition: 3, improving: false })
  })

  test('is not held up for ever by a peer that renews its lease and does nothing', async () => {
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    const leases = table(best)
    let idle = 0
    for (let counter = 0; counter < 100; counter++, time += TTL / 3) {
      leases.observe(lease(weak, 3, { counter }))
      if (next(best, records, { leases }) !== undefined) idle++
    }
    // three leases of 60 s, then ever longer times in which no lease of that peer counts
    expect(idle).toBeGreaterThan(50)
  })

  test('goes on elsewhere while content cannot be had', () => {
    const { partition } = next(best, []) as Task
    const elsewhere = next(best, [], { isSetAside: key => key === `${partition}` }) as Task
    expect(elsewhere.partition).not.toBe(partition)
    expect(next(best, [], { isSetAside: () => true })).toBeUndefined()
  })

  test('is to optimize again what others left there and nobody can align', async () => {
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    const garbage = await result(weak, 3)
    const situation = { isAbandoned: () => true, isSetAside: (key: string) => key === garbage.key }
    expect(next(best, [...records, garbage], situation)).toEqual({ do: 'optimize', partition: 3, improving: false })
  })

  test('is, rather than nothing, what somebody has been at for longer than a lease', async () => {
    let time = 0
    const leases = createLeaseTable({ self: best.key, ttlMs: TTL, now: () => time })
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    leases.observe(lease(weak, 3, { counter: 1 }))
    expect(next(best, records, { leases })).toBeUndefined()
    for (let i = 2; i < 5; i++, time += TTL / 2) leases.observe(lease(weak, 3, { counter: i, done: i }))
    expect(next(best, records, { leases })).toEqual({ do: 'optimize', partition: 3, improving: false })
  })

  test('is to align own raw targets before anything else', async () => {
    const raw = await result(close, 2)
    expect(next(close, [raw])).toEqual({
      do: 'align',
      partition: 2,
      own: true,
      work: { partition: 2, score: scoreOf(close), result: raw, byOthers: false }
    })
  })

  test('is to optimize more while the election has not settled: aligning can wait, and costs seconds', async () => {
    const raw = await result(close, 2)
    const task = next(close, [raw], { isReferenceStable: false })
    expect(task).toMatchObject({ do: 'optimize' })
    expect(task?.partition).not.toBe(2)
  })

  test('is nothing for a prior that did not pass the gate', () => {
    expect(next(weak, [], { admissible: false })).toBeUndefined()
  })

  test('is nothing new once as many partitions are taken as were asked for, but own targets are still aligned', async () => {
    expect(next(close, [], { mayTake: false })).toBeUndefined()
    expect(next(close, [await result(close, 2)], { mayTake: false })).toMatchObject({ do: 'align', own: true })
  })

  test('is to align the raw targets of a peer that does not come round to it, and only then', async () => {
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    const raw = await result(weak, 3)
    expect(next(best, [...records, raw])).toBeUndefined()
    expect(next(best, [...records, raw], { isAbandoned: () => true })).toEqual({
      do: 'align',
      partition: 3,
      own: false,
      work: { partition: 3, score: scoreOf(weak), result: raw, byOthers: false }
    })
    expect(next(best, [...records, raw], { isAbandoned: () => true, isReferenceStable: false })).toBeUndefined()
  })

  test('leaves abandoned targets to a peer that is already at them, and to nobody who cannot have them', async () => {
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    const all = [...records, await result(weak, 3)]
    const leases = table(best)
    leases.observe(lease(close, 3, { task: 'align' }))
    expect(next(best, all, { isAbandoned: () => true, leases })).toBeUndefined()
    expect(next(best, all, { isAbandoned: () => true, isSetAside: () => true })).toBeUndefined()
  })

  test('does fresh partitions before abandoned ones', async () => {
    const raw = await result(weak, 3)
    expect(next(best, [raw], { isAbandoned: () => true })).toMatchObject({ do: 'optimize' })
  })

  test('does not align targets that would change nothing, own or abandoned', async () => {
    const records = await allDone(best)
    const raw = await result(weak, 3)
    expect(next(weak, [...records, raw])).toBeUndefined()
    expect(next(best, [...records, raw], { isAbandoned: () => true })).toBeUndefined()
  })

  test('of a peer that stays is to improve what a clearly weaker prior did', async () => {
    const task = next(best, await allDone(weak))
    expect(task).toMatchObject({ do: 'optimize', improving: true })
  })

  test('of a peer that leaves when all is complete is to improve what a clearly weaker prior did, too', async () => {
    expect(next(best, await allDone(weak), { once: true })).toMatchObject({ do: 'optimize', improving: true })
    expect(next(close, await allDone(weak), { once: true })).toMatchObject({ do: 'optimize', improving: true })
  })

  test('of a peer that leaves is not to improve what another strong prior did, nor is a weak prior to improve a weaker one', async () => {
    const medium = testPeer('medium')
    const score = async (uniformValue: number): Promise<SignedRecord<Score>> => {
      const made = await makeScore(swarm, medium, 0, { uniformValue })
      const key = assessmentKey(made.body)
      assessments.set(key, { ...testAssessment(made.body.targets), uniformValue, admissible: true, refusals: [] })
      for (const { body } of [...scores.values(), made]) {
        qualities.set(qualityKey(made.body.targets, body.targets), QUALITY)
        qualities.set(qualityKey(body.targets, made.body.targets), QUALITY)
      }
      return made
    }
    try {
      // better by more than the margin, but not clearly
      scores.set(medium, await score(-2.5))
      expect(next(best, await allDone(medium), { once: true })).toBeUndefined()
      expect(next(best, await allDone(medium))).toMatchObject({ improving: true })
      expect(next(medium, await allDone(weak), { once: true })).toMatchObject({ improving: true })
      // nearer to the worst than to the best
      scores.set(medium, await score(-1.5))
      expect(next(medium, await allDone(weak), { once: true })).toBeUndefined()
      expect(next(best, await allDone(medium), { once: true })).toMatchObject({ improving: true })
    } finally {
      scores.delete(medium)
    }
  })

  test('is never to improve within the margin, or what a better prior did', async () => {
    expect(next(best, await allDone(close))).toBeUndefined()
    expect(next(close, await allDone(best))).toBeUndefined()
    expect(next(weak, await allDone(best))).toBeUndefined()
  })

  test('is not to improve while partitions are missing, or without the right to take more', async () => {
    const three = (await Promise.all([0, 1, 2].map(p => done(weak, p)))).flat()
    expect(next(best, three)).toEqual({ do: 'optimize', partition: 3, improving: false })
    expect(next(best, await allDone(weak), { mayTake: false })).toBeUndefined()
    expect(next(best, await allDone(weak), { admissible: false })).toBeUndefined()
  })

  test('improves each partition once: a better result that waits for its alignment is not made again', async () => {
    const records = await allDone(weak)
    const improved: SignedRecord[] = []
    for (let round = 0; round < 4; round++) {
      const task = next(best, [...records, ...improved], { isReferenceStable: false }) as Task
      expect(task).toMatchObject({ do: 'optimize', improving: true })
      improved.push(await result(best, task.partition))
    }
    expect(new Set(improved.map(r => 'partition' in r.body && r.body.partition)).size).toBe(4)
    expect(next(best, [...records, ...improved], { isReferenceStable: false })).toMatchObject({ do: 'wait' })
    // then each is aligned, and nothing is left to do
    for (let round = 0; round < 4; round++) {
      const task = next(best, [...records, ...improved]) as Task
      if (task.do !== 'align') throw new Error(`${task.do} in round ${round}`)
      const { targets } = scoreOf(best).body
      improved.push(await makeAlignment(swarm, best, 20 + round, task.work.result, targets, FIGURES))
    }
    expect(next(best, [...records, ...improved])).toBeUndefined()
  })

  test('improves each partition once also where the better prior knows fewer rows, and changes nothing', async () => {
    const fewer = await Promise.all([0, 1, 2, 3].map(p => done(best, p, { present: 1 })))
    const records = [...(await allDone(weak)), ...fewer.flat()]
    expect(next(best, records)).toBeUndefined()
    expect(next(best, records, { once: true })).toBeUndefined()
  })

  describe('of a partition that was labelled in part', () => {
    /** Partitions 0 to 2 are done, of partition 3 one row. */
    const labelledInPart = async (by: TestPeer): Promise<SignedRecord[]> => [
      ...(await Promise.all([0, 1, 2].map(p => done(best, p)))).flat(),
      ...(await done(by, 3, { present: 1 }))
    ]

    test('is to complete it, also for a peer that leaves when all is complete', async () => {
      const records = await labelledInPart(weak)
      const task = { do: 'optimize', partition: 3, improving: false }
      expect(next(close, records)).toEqual(task)
      expect(next(close, records, { once: true })).toEqual(task)
    })

    test('is to do first what nobody has done at all', async () => {
      const records = await done(weak, 3, { present: 1 })
      for (let i = 0; i < 3; i++) {
        const task = next(close, records) as Task
        expect(task.partition).not.toBe(3)
        records.push(...(await done(close, task.partition)))
      }
      expect(next(close, records)).toEqual({ do: 'optimize', partition: 3, improving: false })
    })

    test('is nothing for the peer that knows no further rows, and to wait while another peer is working on it', async () => {
      const records = await labelledInPart(weak)
      expect(next(weak, records, { once: true })).toBeUndefined()
      const leases = table(close)
      leases.observe(lease(best, 3))
      expect(next(close, records, { leases, once: true })).toEqual({ do: 'wait', partition: 3 })
      expect(next(close, records, { leases, mayTake: false })).toBeUndefined()
      // its lease has run out
      time = TTL
      expect(next(close, records, { leases, once: true })).toMatchObject({ do: 'optimize', partition: 3 })
    })

    test('is to wait, not to leave, while own targets for the missing rows wait for the reference to settle', async () => {
      const records = [...(await labelledInPart(weak)), await result(close, 3)]
      expect(next(close, records, { once: true, isReferenceStable: false })).toEqual({ do: 'wait', partition: 3 })
      expect(next(close, records, { once: true })).toMatchObject({ do: 'align', own: true })
    })

    test('is to align the result with more rows, and never one with fewer from a better prior', async () => {
      const records = await labelledInPart(weak)
      const more = await result(close, 3)
      expect(next(close, [...records, more])).toMatchObject({ do: 'align', partition: 3, own: true })
      const full = [...records, more, await makeAlignment(swarm, close, 20, more, scoreOf(best).body.targets, FIGURES)]
      expect(next(best, [...full, await result(best, 3, { present: 2 })])).toBeUndefined()
    })
  })

  test('is to optimize what a prior below the floor left behind', async () => {
    const key = qualityKey(scoreOf(weak).body.targets, scoreOf(best).body.targets)
    const raw = await result(weak, 3)
    const records = (await Promise.all([0, 1, 2].map(p => done(best, p)))).flat()
    qualities.set(key, { looR2: 0.01, looCosine: 0.75, looZ: 1 })
    try {
      expect(next(best, [...records, raw])).toEqual({ do: 'optimize', partition: 3, improving: false })
    } finally {
      qualities.set(key, QUALITY)
    }
  })
})
