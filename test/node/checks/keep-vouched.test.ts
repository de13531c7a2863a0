import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createKeeper, type KeeperComponents } from '../../../node/checks/keep-vouched.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import type { Choice, SwarmView } from '../../../src/merge/views.ts'
import {
  makeAlignment,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  type TestPeer
} from '../../helpers/swarm-factory.ts'

const KEEP_MS = 1000
const WORKS = 2

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what a disk loses again and again is fetched once in each round, and rounds have pauses', async () => {
  const self = testPeer('keeper')
  const works = await worksOf(self)
  const fetched: number[] = []
  const content = {
    tree: async () => undefined, // whatever was written is not there when it is read
    has: async () => true,
    peek: async () => undefined,
    fetch: async () => void fetched.push(Date.now()),
    distrust: () => undefined
  }
  const { swarm, chosen } = works
  const keeper = createKeeper(
    {
      self: self.key,
      state: { swarm, set: createRecordSet([]), view: () => ({ chosen }) as unknown as SwarmView },
      content,
      deadlineOf: async () => new AbortController().signal,
      lost: () => Promise.reject(new Error('nothing is lost')),
      logger: { debug() {}, info() {}, warn() {}, error() {} }
    } as unknown as KeeperComponents,
    KEEP_MS
  )
  keeper.start()
  // a loop without pauses would run a thousand times, the least delay of a timer being a millisecond
  await vi.advanceTimersByTimeAsync(KEEP_MS / 2)
  expect(fetched).toHaveLength(2 * WORKS) // raw targets and shard of both, without a pause between them
  await vi.advanceTimersByTimeAsync(KEEP_MS)
  await keeper.stop()
  expect(fetched).toHaveLength(2 * 2 * WORKS)
})

/** Own work on each partition, all of it chosen. */
async function worksOf(self: TestPeer) {
  const swarm = await makeSwarm()
  const score = await makeScore(swarm, self, 0)
  const chosen = new Map<number, Choice>()
  for (let partition = 0; partition < WORKS; partition++) {
    const result = await makeResult(swarm, self, 2 * partition + 1, score, partition)
    const alignment = await makeAlignment(swarm, self, 2 * partition + 2, result, testCid('reference'))
    chosen.set(partition, { partition, score, result, alignment })
  }
  return { swarm, chosen }
}
