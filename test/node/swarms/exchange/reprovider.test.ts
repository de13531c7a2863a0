import { peerIdFromString } from '@libp2p/peer-id'
import type { CID } from 'multiformats/cid'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Content } from '../../../../node/content/content.ts'
import { silentLogger } from '../../../../node/process/logger.ts'
import type { ReadableState } from '../../../../node/state/swarm-state.ts'
import { createReprovider } from '../../../../node/swarms/exchange/reprovider.ts'
import { testCid, testPeer } from '../../../helpers/swarm-factory.ts'

const [alice, bob] = [peerIdFromString(testPeer('alice').id), peerIdFromString(testPeer('bob').id)]
const MINUTE = 60_000
/** So few that this node is among those that announce each file */
const AUTHORS = 3

let events: EventTarget
let files: CID[]
let provided: string[]
let neighbours: (typeof alice)[]
/** Files of which no announcement succeeds */
let unreachable: Set<string>
/** How long one announcement takes */
let lookupMs: number
let reprovider: ReturnType<typeof createReprovider>

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  events = new EventTarget()
  files = [testCid('first')]
  provided = []
  neighbours = [alice]
  unreachable = new Set()
  lookupMs = 0
  const state = {
    events,
    view: () => ({ chosen: new Map(), complete: false, election: { ranking: [] } }),
    set: {
      byType: () =>
        files.map((targets, seq) => ({
          key: `${targets}`,
          body: { author: testPeer(`author ${seq % AUTHORS}`).key, seq, uniformValue: seq, targets, prior: {} }
        }))
    }
  } as unknown as ReadableState
  reprovider = createReprovider({
    content: { holds: async () => true } as unknown as Content,
    state,
    self: testPeer('self').key,
    peers: () => neighbours,
    provide: async cid => {
      if (unreachable.has(cid.toString())) throw new Error('no peer keeps the record')
      provided.push(cid.toString())
      if (lookupMs > 0) await new Promise(resolve => setTimeout(resolve, lookupMs))
    },
    logger: silentLogger
  })
})
afterEach(async () => {
  const stopped = reprovider.stop()
  await vi.runOnlyPendingTimersAsync()
  await stopped
  vi.useRealTimers()
})

function add(name: string): string {
  files.push(testCid(name))
  events.dispatchEvent(new Event('change'))
  return testCid(name).toString()
}

test('a file is announced soon after it appears, in a swarm that changes all the time', async () => {
  reprovider.start()
  await vi.advanceTimersByTimeAsync(10_000)
  const file = add('another')
  for (let i = 0; i < 30; i++) {
    await vi.advanceTimersByTimeAsync(100)
    events.dispatchEvent(new Event('change'))
  }
  expect(provided).toEqual([testCid('first').toString(), file])
})

test('a file that appears during a round is announced right after it', async () => {
  lookupMs = 5000
  reprovider.start()
  await vi.advanceTimersByTimeAsync(3000)
  const file = add('another')
  await vi.advanceTimersByTimeAsync(7000)
  expect(provided).toEqual([testCid('first').toString(), file])
})

test('new files come before those that are announced again to new neighbours', async () => {
  files = Array.from({ length: 50 }, (_, i) => testCid(`file ${i}`))
  reprovider.start()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(provided).toHaveLength(50)
  neighbours = [alice, bob]
  lookupMs = 5000
  await vi.advanceTimersByTimeAsync(11 * MINUTE)
  const before = provided.length
  expect(before).toBeGreaterThan(50)
  expect(before).toBeLessThan(100)
  const file = add('new')
  await vi.advanceTimersByTimeAsync(8000)
  expect(provided.slice(before)).toContain(file)
  // and the rest follows
  await vi.advanceTimersByTimeAsync(10 * MINUTE)
  expect(provided).toHaveLength(101)
})

test('is announced again after a day, and only what is still wanted', async () => {
  reprovider.start()
  await vi.advanceTimersByTimeAsync(25 * 60 * MINUTE)
  expect(provided).toEqual([testCid('first'), testCid('first')].map(String))
  files = []
  await vi.advanceTimersByTimeAsync(48 * 60 * MINUTE)
  expect(provided).toHaveLength(2)
})

test('nothing is announced while nobody is connected', async () => {
  neighbours = []
  reprovider.start()
  await vi.advanceTimersByTimeAsync(11 * MINUTE)
  expect(provided).toEqual([])
  neighbours = [alice]
  await vi.advanceTimersByTimeAsync(10 * MINUTE)
  expect(provided).toHaveLength(1)
})

test('what could not be announced is tried again in the next round, and others are not kept waiting', async () => {
  files = [testCid('first'), testCid('second')]
  unreachable.add(testCid('first').toString())
  reprovider.start()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(provided).toEqual([testCid('second').toString()])
  unreachable.clear()
  await vi.advanceTimersByTimeAsync(10 * MINUTE)
  expect(provided).toEqual([testCid('second'), testCid('first')].map(String))
})

test('a matrix that all members hold is announced by its author and a few others', async () => {
  const members = Array.from({ length: 30 }, (_, i) => testPeer(`member ${i}`).key)
  const state = {
    events,
    view: () => ({ chosen: new Map(), complete: false, election: { ranking: [] } }),
    set: {
      byType: () =>
        members.map((author, i) => ({
          key: `${i}`,
          body: { author, seq: 0, uniformValue: i, targets: testCid(`targets ${i}`), prior: {} }
        }))
    }
  } as unknown as ReadableState
  const announced = new Map<string, number>()
  const all = members.map(self =>
    createReprovider({
      content: { holds: async () => true } as unknown as Content,
      state,
      self,
      peers: () => neighbours,
      provide: async cid => {
        announced.set(`${cid}`, (announced.get(`${cid}`) ?? 0) + 1)
      },
      logger: silentLogger
    })
  )
  for (const one of all) one.start()
  await vi.advanceTimersByTimeAsync(10_000)
  await Promise.all(all.map(async one => await one.stop()))
  expect(announced.size).toBe(30)
  expect([...announced.values()].every(count => count === 4 || count === 5)).toBe(true)
})

test('in a swarm with enough neighbours, other neighbours are no reason to announce everything again', async () => {
  neighbours = Array.from({ length: 8 }, (_, i) => peerIdFromString(testPeer(`neighbour ${i}`).id))
  reprovider.start()
  await vi.advanceTimersByTimeAsync(10_000)
  neighbours = [alice, bob]
  await vi.advanceTimersByTimeAsync(60 * MINUTE)
  expect(provided).toHaveLength(1)
})
