import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { Exact } from '../../../node/compute/exact/exact.ts'
import { silentLogger } from '../../../node/process/logger.ts'
import { createSwarmState, type Draft, type SwarmState } from '../../../node/state/swarm-state.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import { MAX_SCORES_PER_AUTHOR } from '../../../src/merge/counted-scores.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Result, Score, SignedRecord } from '../../../src/publish/record.ts'
import { copyOf, makeResult, makeScore, makeSwarm, testCid, testPeer, verify } from '../../helpers/swarm-factory.ts'

const [self, bob] = [testPeer('self'), testPeer('bob')]
const RESULT: Draft = { type: 'result', partition: 0, score: testCid('score'), raw: testCid('raw'), present: 1 }
const SCORE: Draft = {
  type: 'score',
  prior: { id: testCid('prior'), kind: 'onnx', name: 'prior', dimension: 4 },
  targets: testCid('targets'),
  present: 16,
  uniformValue: -1
}

let swarm: Swarm
let score: SignedRecord<Score>
beforeAll(async () => {
  // about 200 results in all
  swarm = await makeSwarm({ quotas: { recordsPerPeer: 300, recordBytes: 65_536 } })
  score = await makeScore(swarm, bob, 0)
})

/** Records in the log, and whether they were synced */
let logged: { bytes: Uint8Array; sync: boolean }[]
let told: string[]
let verified: number
beforeEach(() => {
  logged = []
  told = []
  verified = 0
})

/** A state whose own numbers begin at `seq`; it judges nothing. */
function stateOf(
  records: Iterable<SignedRecord>,
  seq = 0,
  elect: Exact['elect'] = async () => ({ ranking: [] })
): SwarmState {
  const never = async (): Promise<never> => await Promise.withResolvers<never>().promise
  let next = seq
  return createSwarmState(
    {
      swarm,
      self: self.key,
      sign: self.sign,
      verify: (...args) => {
        verified++
        return verify(...args)
      },
      log: { append: async (bytes, { sync }) => void logged.push({ bytes, sync }) },
      sequence: { next: async known => (next = Math.max(next, known)) },
      exact: { assess: never, quality: never, elect, forget: async () => {} },
      fetchTargets: async () => {
        throw new ContentUnavailableError('nobody has it')
      },
      patient: false,
      logger: { ...silentLogger, error: message => void told.push(message) }
    },
    createRecordSet(records, swarm.manifest.quotas)
  )
}

/** More results than the swarm keeps, of authors that take turns, `perAuthor` each. */
async function filling(perAuthor: number): Promise<SignedRecord<Result>[]> {
  const result = await makeResult(swarm, bob, 0, score, 0)
  return Array.from({ length: 256 }, (_, i) => {
    const author = new Uint8Array(32).fill(Math.floor(i / perAuthor) + 1)
    const copy = copyOf(result, i)
    return { ...copy, body: { ...copy.body, author, seq: i % perAuthor } }
  })
}

test('a record from elsewhere is decoded and verified once, logged without a sync, and told of', async () => {
  const state = stateOf([])
  const events: string[] = []
  state.events.addEventListener('record', ({ detail }) => events.push(`${detail.own} ${detail.record.key}`))
  expect(state.receive(score.bytes)).toMatchObject({ outcome: 'added', record: { key: score.key } })
  expect(state.receive(score.bytes)).toEqual({ outcome: 'duplicate' })
  expect(verified, 'a duplicate costs no signature check').toBe(1)
  expect(events).toEqual([`false ${score.key}`])
  expect(logged).toEqual([{ bytes: score.bytes, sync: false }])
})

test('a wrong signature is an error and changes nothing', async () => {
  const forged = Uint8Array.from(score.bytes)
  forged[forged.byteLength - 1] = (forged.at(-1) as number) ^ 1
  const state = stateOf([])
  expect(() => state.receive(forged)).toThrow(expect.objectContaining({ reason: 'bad-signature' }))
  expect([state.set.size, logged.length]).toEqual([0, 0])
})

test('a record over the quota of its author is not taken, and nobody is blamed', async () => {
  const state = stateOf([])
  const over = await makeScore(swarm, bob, 300)
  expect(state.receive(over.bytes)).toEqual({ outcome: 'over-quota' })
})

test('an own record that the swarm would not keep is refused before it is in the log or has left', async () => {
  const state = stateOf(await filling(4), 100)
  const { size } = state.set
  expect(size).toBeLessThan(256)
  await expect(state.publish(RESULT)).rejects.toMatchObject({ name: 'StoreFullError' })
  expect([logged, told]).toEqual([[], []])
  expect(state.set.size).toBe(size)
})

test('a node with few records can publish in a swarm that others have filled', async () => {
  const state = stateOf(await filling(16))
  const record = await state.publish(RESULT)
  expect(state.set.has(record.key)).toBe(true)
  expect(logged).toEqual([{ bytes: record.bytes, sync: true }])
})

test('two members that are full and receive what the other has published hold the same records', async () => {
  const [a, b] = [stateOf(await filling(16)), stateOf((await filling(8)).map(r => copyOf(r, r.body.seq)))]
  await a.publish(RESULT)
  await b.publish({ ...RESULT, present: 2 })
  const [mine, theirs] = [a.set.records(), b.set.records()]
  for (const record of theirs) a.add(record)
  for (const record of mine) b.add(record)
  expect(a.set.records().map(({ key }) => key)).toEqual(b.set.records().map(({ key }) => key))
})

test('what gives way to others and what comes in its place is not logged, and the owner is told of own records', async () => {
  const state = stateOf(await filling(256))
  const own = Array.from({ length: 3 }, (_, i) => copyOf(score, 200 + i)).map((record, seq): SignedRecord => ({
    ...record,
    body: { ...record.body, author: self.key, seq: 100 + seq }
  }))
  for (const record of own) expect(state.add(record)).toBe('replaced')
  const early = await filling(1)
  for (const record of early) state.add({ ...record, key: `early ${record.key}` })
  expect(logged).toEqual([])
  expect(told.filter(message => message.includes('quota'))).toHaveLength(1)
})

test('what comes to a full set is not logged although there may be room beside the last record', async () => {
  const state = stateOf(await filling(16))
  const [last] = state.set.records().toSorted((a, b) => b.body.seq - a.body.seq || (a.key < b.key ? -1 : 1))
  if (last === undefined) throw new Error('an empty set')
  const bytes = state.set.bytes
  // a short one that ranks before the last, so that it fits beside it
  const short = {
    ...last,
    key: 'short',
    bytes: last.bytes.subarray(0, 4),
    body: { ...last.body, author: bob.key, seq: 0 }
  }
  expect(state.add(short)).toBe('replaced')
  expect(state.set.bytes).toBeLessThanOrEqual(bytes + 4)
  expect(logged).toEqual([])
})

test('when a score gives way to the record of another, there is a new election', async () => {
  const elections: number[] = []
  const records = (await filling(256)).slice(0, 100)
  const late: SignedRecord = { ...score, body: { ...score.body, seq: 299 } }
  const state = stateOf([...records, late], 0, async candidates => {
    elections.push(candidates.length)
    return { ranking: [] }
  })
  state.start()
  await state.untilJudged()
  const before = elections.length
  for (const [i, r] of (await filling(16)).entries()) {
    const author = new Uint8Array(32).fill(100 + (r.body.author[0] ?? 0))
    state.add({ ...copyOf(r, 1000 + i), body: { ...r.body, author } })
  }
  expect(state.set.has(late.key)).toBe(false)
  await state.untilJudged()
  expect(elections.length).toBeGreaterThan(before)
  await state.stop()
})

test('the owner is told once of each own score that is not judged', async () => {
  const state = stateOf([])
  for (let i = 0; i < MAX_SCORES_PER_AUTHOR; i++) await state.publish(SCORE)
  expect(told).toEqual([])
  for (let i = 0; i < 2; i++) await state.publish(SCORE)
  expect(told.map(message => message.includes('not judged'))).toEqual([true, true])
})
