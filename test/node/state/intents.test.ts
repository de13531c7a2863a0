import { expect, test } from 'vitest'
import { MAX_LIVE_INTENTS } from '../../../protocols/constants.ts'
import { createIntentTable, type IntentTable } from '../../../node/state/intents.ts'
import { testCid, testPeer, type TestPeer } from '../../helpers/swarm-factory.ts'
import type { Intent } from '../../../src/publish/intent.ts'

const TTL = 60_000
const self = testPeer('self')
const alice = testPeer('alice')
const swarm = testCid('swarm')

const intent = (author: TestPeer, counter: number, change: Partial<Intent> = {}): Intent => ({
  v: 1,
  swarm,
  author: author.key,
  type: 'intent',
  task: 'score',
  counter,
  released: false,
  ...change
})
const clocked = (): { table: IntentTable; pass(ms: number): void } => {
  let time = 0
  return { table: createIntentTable({ self: self.key, ttlMs: TTL, now: () => time }), pass: ms => (time += ms) }
}

test('an intent holds until it is released', () => {
  const { table } = clocked()
  table.observe(intent(alice, 1))
  expect(table.live()).toEqual([{ author: alice.key, task: 'score' }])
  table.observe(intent(alice, 2, { task: 'improve' }))
  expect(table.live()).toEqual([{ author: alice.key, task: 'improve' }])
  table.observe(intent(alice, 3, { released: true }))
  expect(table.live()).toEqual([])
})

test('an older announcement that arrives late does not revive a released intent', () => {
  const { table } = clocked()
  table.observe(intent(alice, 3, { released: true }))
  table.observe(intent(alice, 2))
  expect(table.live()).toEqual([])
})

test('a peer that went silent is forgotten after one lease', () => {
  const { table, pass } = clocked()
  table.observe(intent(alice, 1))
  pass(TTL - 1)
  expect(table.live()).toHaveLength(1)
  pass(1)
  expect(table.live()).toEqual([])
})

test('own intents do not hold back their author', () => {
  const { table } = clocked()
  table.observe(intent(self, 1))
  expect(table.live()).toEqual([])
})

test('any number of identities takes bounded memory', () => {
  const { table, pass } = clocked()
  for (let i = 0; i < 100; i++) table.observe(intent(testPeer(`peer-${i}`), 1))
  expect(table.live()).toHaveLength(MAX_LIVE_INTENTS)
  pass(TTL)
  table.observe(intent(alice, 1))
  expect(table.live()).toHaveLength(1)
})
