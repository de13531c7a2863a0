import { expect, test, vi } from 'vitest'
import { createElections, MAX_QUALITIES, type ElectionsComponents } from '../../../node/state/elections.ts'
import { createLogger } from '../../../node/process/logger.ts'
import type { Election } from '../../../src/align/candidate.ts'
import { rawCid } from '../../../src/codec.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'

const sleep = async (ms: number): Promise<void> => await new Promise(resolve => setTimeout(resolve, ms))

const matrix = { rows: 1, columns: 1, data: Float32Array.of(1) }
const computed: Election = {
  ranking: [],
  reference: { cid: rawCid(Uint8Array.of(1)), matrix, provenance: { policy: 'consensus', from: [] } }
}

function parts(elect: () => Promise<Election>, more: Partial<ElectionsComponents> = {}) {
  const controller = new AbortController()
  const qualities: ElectionsComponents['qualities'] = new Map()
  const elections = createElections({
    set: createRecordSet([]),
    exact: { elect, quality: async () => ({ looR2: 1, looCosine: 1, looZ: 100 }) },
    evidence: { assessments: new Map(), qualities },
    qualities,
    onChange: () => {},
    signal: controller.signal,
    logger: createLogger({ levels: 'error', write: () => {} }),
    ...more
  })
  return { elections, controller, qualities }
}

test('whoever asks while an election waits for its turn gets that one', async () => {
  const turns: Array<PromiseWithResolvers<Election>> = []
  const { elections } = parts(async () => {
    const turn = Promise.withResolvers<Election>()
    turns.push(turn)
    return await turn.promise
  })
  const first = elections.now()
  await vi.waitFor(() => expect(turns).toHaveLength(1))
  const others = [elections.now(), elections.now(), elections.now()]
  turns[0]?.resolve({ ranking: [] })
  await first
  await vi.waitFor(() => expect(turns).toHaveLength(2))
  turns[1]?.resolve(computed)
  await Promise.all(others)
  expect(turns).toHaveLength(2)
  expect(elections.present()).toBe(computed)
})

test('while scores come in, an election begins when the last one has been over for as long as it took', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  try {
    let count = 0
    const { elections } = parts(async () => {
      count++
      await sleep(1000)
      return { ranking: [] }
    })
    const first = elections.soon()
    await vi.advanceTimersByTimeAsync(1000)
    await first
    await elections.soon()
    await elections.soon()
    await vi.advanceTimersByTimeAsync(999)
    expect(count).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(count).toBe(2)
    await vi.advanceTimersByTimeAsync(1000)
    await elections.soon()
    // all are judged: no more waiting, and nothing is left to come
    const last = elections.now()
    await vi.advanceTimersByTimeAsync(1000)
    await last
    await vi.advanceTimersByTimeAsync(10_000)
    expect(count).toBe(3)
  } finally {
    vi.useRealTimers()
  }
})

test('a computed reference is kept before it is the present one, and one that cannot be kept is not announced', async () => {
  const events: string[] = []
  let full = true
  const { elections } = parts(async () => computed, {
    keepReference: async () => {
      if (full) throw new Error('disk full')
      expect(elections.present().reference).toBeUndefined()
      events.push('kept')
    },
    onChange: election => events.push(election ? 'election' : 'evidence')
  })
  await expect(elections.now()).rejects.toThrow('disk full')
  expect(elections.present()).toEqual({ ranking: [] })
  full = false
  await elections.now()
  expect(events).toEqual(['kept', 'election'])
})

test('after a stop none begins', async () => {
  const { elections, controller } = parts(async () => computed)
  controller.abort(new Error('stopping'))
  await expect(elections.now()).rejects.toThrow('stopping')
  await elections.stop()
  expect(elections.present()).toEqual({ ranking: [] })
})

test('of too many figures those for past references are forgotten, and none for the present one', async () => {
  const { elections, qualities } = parts(async () => computed)
  const present = `${rawCid(Uint8Array.of(2))} ${computed.reference?.cid}`
  qualities.set(present, { looR2: 0.5, looCosine: 0.5, looZ: 50 })
  for (let i = 0; i < MAX_QUALITIES; i++) qualities.set(`${i} past`, { looR2: 0, looCosine: 0, looZ: 50 })
  await elections.now()
  expect([...qualities.keys()]).toEqual([present])
  expect(qualities.get(present)).toEqual({ looR2: 0.5, looCosine: 0.5, looZ: 50 })
})
