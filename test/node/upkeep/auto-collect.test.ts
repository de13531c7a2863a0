import { afterEach, describe, expect, it } from 'vitest'
import { isTight, startAutoCollect, type AutoCollector, type SpaceFacts } from '../../../node/upkeep/auto-collect.ts'
import { silentLogger } from '../../../node/process/logger.ts'

const wide: SpaceFacts = { storeBytes: 10, freeBytes: 1000, maxBytes: 100, minFreeBytes: 100 }

let collector: AutoCollector | undefined
afterEach(async () => await collector?.stop())

/** A store of which each collection frees so many bytes. */
function start(facts: SpaceFacts, frees: number) {
  const state = { facts, time: 0, collections: 0 }
  collector = startAutoCollect(
    {
      space: async () => state.facts,
      collect: async () => {
        state.collections++
        state.facts = { ...state.facts, storeBytes: state.facts.storeBytes - frees }
        return { dryRun: false, blocks: 1, bytes: frees, left: state.facts.storeBytes }
      },
      logger: silentLogger
    },
    () => state.time
  )
  return { state, look: collector.look }
}

describe('automatic collection', () => {
  it('is due when the store or the disk is nearly full', () => {
    expect(isTight(wide)).toBe(false)
    expect(isTight({ ...wide, storeBytes: 91 })).toBe(true)
    expect(isTight({ ...wide, freeBytes: 199 })).toBe(true)
    expect(isTight({ ...wide, maxBytes: undefined, storeBytes: 1e15 })).toBe(false)
  })

  it('leaves a store with room alone, and frees one without', async () => {
    const { state, look } = start(wide, 50)
    expect(await look()).toBe(false)
    state.facts = { ...wide, storeBytes: 95 }
    expect(await look()).toBe(true)
    expect(await look()).toBe(false)
    expect(state.collections).toBe(1)
  })

  it('waits longer and longer while nothing can be freed', async () => {
    const { state, look } = start({ ...wide, storeBytes: 95 }, 0)
    const minutes: number[] = []
    for (let minute = 0; minute < 200; minute++) {
      state.time = minute * 60_000
      if (await look()) minutes.push(minute)
    }
    expect(minutes).toEqual([0, 20, 60, 140])
  })
})
