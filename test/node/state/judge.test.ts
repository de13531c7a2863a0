import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../node/process/logger.ts'
import { createJudge, type Judge, type JudgeComponents } from '../../../node/state/judge.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { ContentUnavailableError, InvalidContentError } from '../../../src/errors.ts'
import { countedScores, MAX_COUNTED_SCORES } from '../../../src/merge/counted-scores.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import { assessmentKey } from '../../../src/merge/views.ts'
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import { copyOf, makeScore, makeSwarm, testCid, testPeer } from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

let swarm: Swarm
let score: SignedRecord<Score>
beforeAll(async () => {
  swarm = await makeSwarm()
  score = await makeScore(swarm, testPeer('bob'), 0)
})

const matrix = { rows: 0, columns: 0, data: new Float32Array(0) }
let judge: Judge
let set: RecordSet
/** Targets that were asked for */
let fetched: string[]
let forgotten: string[]

/** A judge whose targets come from `fetch`, without elections that say anything. */
function start(fetch: () => Promise<typeof matrix>, more: Partial<JudgeComponents> = {}): void {
  judge = createJudge({
    set,
    exact: {
      assess: async (cid, kind) => testAssessment(cid, kind),
      quality: async () => ({ looR2: 1, looCosine: 1, looZ: 50 }),
      elect: async () => ({ ranking: [] }),
      forget: async cid => void forgotten.push(cid.toString())
    },
    fetchTargets: async ({ body }) => {
      fetched.push(body.targets.toString())
      return await fetch()
    },
    onChange: () => {},
    patient: true,
    logger: silentLogger,
    ...more
  })
  judge.start()
}

beforeEach(() => {
  fetched = []
  forgotten = []
  set = createRecordSet([score])
})
afterEach(async () => await judge.stop())

describe('a judge', () => {
  test('gives every counted score a verdict, and one matrix that several cite one verdict', async () => {
    set.insert(copyOf(score, 1)) // cites the same targets
    set.insert(await makeScore(swarm, testPeer('alice'), 0))
    start(async () => matrix)
    await judge.untilJudged()
    expect(judge.unjudged()).toBe(0)
    expect(new Set(fetched).size).toBe(2)
    expect(judge.evidence.assessments.get(assessmentKey(score.body))).toEqual(testAssessment(score.body.targets))
  })

  test('refuses a score whose content is not a matrix, for good', async () => {
    start(async () => {
      throw new InvalidContentError('not a matrix')
    })
    await judge.untilJudged()
    expect(judge.evidence.assessments.get(assessmentKey(score.body))).toMatchObject({
      admissible: false,
      refusals: ['not a matrix']
    })
    judge.wake()
    await judge.untilJudged()
    expect(fetched).toHaveLength(1)
  })

  test('comes to the same verdicts whatever arrived first, when there are more scores than count', async () => {
    const all = Array.from({ length: MAX_COUNTED_SCORES + 200 }, (_, i) => distinct(i))
    const verdicts: Set<string>[] = []
    for (const order of [all, all.toReversed()]) {
      set = createRecordSet()
      start(async () => matrix)
      // in two parts, the first judged before the second comes
      for (const part of [order.slice(0, 700), order.slice(700)]) {
        for (const one of part) set.insert(one)
        judge.wake()
        await judge.untilJudged()
      }
      verdicts.push(new Set(judge.evidence.assessments.keys()))
      expect(judge.unjudged()).toBe(0)
      await judge.stop()
    }
    expect(verdicts[0]).toEqual(verdicts[1])
    expect(verdicts[0]).toEqual(new Set(countedScores(set).map(({ body }) => assessmentKey(body))))
    expect(verdicts[0]?.size).toBe(MAX_COUNTED_SCORES)
    // what gave way to others is not kept in memory
    expect(forgotten.length).toBeGreaterThan(0)
  })
})

describe('content that cannot be fetched', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const unavailable = async (): Promise<never> => {
    throw new ContentUnavailableError('nobody has it')
  }

  test('is asked for again after longer and longer pauses, and waiting ends after three attempts', async () => {
    start(unavailable)
    let isOver = false
    const waiting = judge.untilJudged().then(() => (isOver = true))
    await vi.advanceTimersByTimeAsync(2_500)
    expect([fetched.length, isOver]).toEqual([2, false])
    await vi.advanceTimersByTimeAsync(4_000)
    await waiting
    expect(fetched).toHaveLength(3)
    expect(judge.unjudged()).toBe(1)
    await vi.advanceTimersByTimeAsync(3_600_000)
    // 14, 30, 62, 126, 254 s, then every 5 minutes
    expect(fetched).toHaveLength(3 + 5 + 11)
  })

  test('is not asked for any more once its score is gone', async () => {
    set = createRecordSet([score], { recordBytes: 1 })
    start(unavailable)
    await vi.advanceTimersByTimeAsync(0)
    while (fetched.length === 0) await turn()
    const earlier = [1, 2, 3].map(i => distinct(i)).sort((a, b) => Buffer.compare(b.id.bytes, a.id.bytes))
    const displacing = earlier.find(other => set.fits(other))
    if (displacing === undefined) throw new Error('none of three ids is lower')
    set.insert(displacing)
    fetched.length = 0
    await vi.advanceTimersByTimeAsync(600_000)
    expect(new Set(fetched)).toEqual(new Set([displacing.body.targets.toString()]))
  })

  test('does not keep a waiting caller from giving up', async () => {
    start(unavailable)
    const controller = new AbortController()
    const waiting = judge.untilJudged(controller.signal)
    controller.abort(new Error('given up'))
    await expect(waiting).rejects.toThrow('given up')
  })
})

/** The first score of an author of its own, on targets of its own. */
function distinct(i: number): SignedRecord<Score> {
  const copy = copyOf(score, i)
  const author = new Uint8Array(32)
  new DataView(author.buffer).setUint32(0, i + 1)
  return { ...copy, body: { ...copy.body, seq: 0, author, targets: testCid(`distinct ${i}`) } }
}
