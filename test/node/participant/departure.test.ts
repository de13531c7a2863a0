import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDeparture, type Departure } from '../../../node/participant/departure.ts'
import type { LiveIntent } from '../../../node/state/intents.ts'
import type { Intent } from '../../../src/publish/intent.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'
import { silentLogger } from '../../../node/process/logger.ts'

const PATIENCE = 600_000
const RENEW = 5000

let live: LiveIntent[]
let announced: Pick<Intent, 'task' | 'released'>[]
let heardBy: number
let said: string[]
let departure: Departure
beforeEach(() => {
  vi.useFakeTimers()
  live = []
  announced = []
  heardBy = 1
  said = []
  departure = createDeparture(
    {
      intents: { observe: () => {}, live: () => live },
      announceIntent: async intent => {
        announced.push(intent)
        return await Promise.resolve(heardBy)
      },
      onEvent: event => event.type === 'log' && said.push(event.message),
      logger: silentLogger
    },
    { patienceMs: PATIENCE, renewMs: RENEW }
  )
})
afterEach(async () => {
  await departure[Symbol.asyncDispose]()
  vi.useRealTimers()
})
const scoring: LiveIntent = { author: testPeer('newcomer').key, task: 'score' }
const improving: LiveIntent = { author: testPeer('strong').key, task: 'improve' }

test('a node leaves at once when nothing is coming from others', () => {
  expect(departure.isHeldBack()).toBe(false)
})

test('a node stays for a newcomer and for a peer that improves work, says so once, and leaves when they are done', () => {
  live = [scoring, improving]
  expect(departure.isHeldBack()).toBe(true)
  expect(departure.isHeldBack()).toBe(true)
  expect(said).toEqual([
    'waiting for other peers: 1 to score their priors and 1 to improve finished work (at most 600 s)'
  ])
  expect(departure.others()).toMatchObject({ score: [testPeer('newcomer').id], improve: [testPeer('strong').id] })
  live = []
  expect(departure.isHeldBack()).toBe(false)
})

test('staying is bounded, also when ever other peers say that something is coming', () => {
  live = [scoring]
  expect(departure.isHeldBack()).toBe(true)
  vi.advanceTimersByTime(PATIENCE - 1)
  live = [improving]
  expect(departure.isHeldBack()).toBe(true)
  vi.advanceTimersByTime(1)
  expect(departure.isHeldBack()).toBe(false)
})

test('an own intent is announced anew until it is taken back, and a release comes last', async () => {
  departure.intend('score')
  departure.intend('score')
  await vi.advanceTimersByTimeAsync(0)
  expect(announced).toEqual([{ task: 'score', released: false }])
  await vi.advanceTimersByTimeAsync(2 * RENEW)
  expect(announced).toHaveLength(3)
  departure.intend('improve')
  await vi.advanceTimersByTimeAsync(RENEW)
  expect(announced.slice(3)).toEqual([
    { task: 'improve', released: false },
    { task: 'improve', released: false }
  ])
  departure.intend(undefined)
  await vi.advanceTimersByTimeAsync(10 * RENEW)
  expect(announced.slice(5)).toEqual([{ task: 'improve', released: true }])
})

test('an intent that nobody heard is repeated soon: a node that starts has no connection yet', async () => {
  heardBy = 0
  departure.intend('score')
  await vi.advanceTimersByTimeAsync(RENEW - 1)
  expect(announced.length).toBeGreaterThan(5)
  heardBy = 1
  await vi.advanceTimersByTimeAsync(500)
  const heard = announced.length
  await vi.advanceTimersByTimeAsync(RENEW - 1)
  expect(announced.length - heard).toBeLessThanOrEqual(1)
})
