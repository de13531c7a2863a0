import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { inOrder } from '../../../node/process/in-order.ts'
import { collect } from '../../helpers/collect.ts'

async function* numbers(count: number, failure?: Error): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
  if (failure !== undefined) throw failure
}

describe('work on a stream, several items at once', () => {
  test('gives results in the order of the items, whichever is done first', async () => {
    const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
    const made = collect(
      inOrder(numbers(4), 4, async i => {
        await gates[i]?.promise
        return i
      })
    )
    for (const i of [3, 1, 0, 2]) gates[i]?.resolve()
    expect(await made).toEqual([0, 1, 2, 3])
  })

  test('has no more under way than it may', async () => {
    let underWay = 0
    let most = 0
    const work = async (i: number): Promise<number> => {
      most = Math.max(most, ++underWay)
      await setImmediate()
      underWay--
      return i
    }
    expect(await collect(inOrder(numbers(20), 3, work))).toHaveLength(20)
    expect(most).toBe(3)
    most = 0
    await collect(inOrder(numbers(20), 1, work))
    expect(most).toBe(1)
  })

  test('does not hold back a result while the source is slow', async () => {
    const line = Promise.withResolvers<void>()
    const slow = async function* () {
      yield 1
      await line.promise
      yield 2
    }
    const made = inOrder(slow(), 3, async i => i)
    expect((await made.next()).value).toBe(1)
    line.resolve()
    expect((await made.next()).value).toBe(2)
    expect((await made.next()).done).toBe(true)
  })

  test('fails after the results before the failure, of the source or of an item', async () => {
    const seen: number[] = []
    const follow = async (results: AsyncIterable<number>): Promise<void> => {
      seen.length = 0
      for await (const i of results) seen.push(i)
    }
    const double = async (i: number): Promise<number> => 2 * i
    await expect(follow(inOrder(numbers(3, new Error('torn')), 4, double))).rejects.toThrow('torn')
    expect(seen).toEqual([0, 2, 4])
    const picky = async (i: number): Promise<number> => {
      if (i === 2) throw new Error('bad item')
      await setImmediate()
      return i
    }
    await expect(follow(inOrder(numbers(9), 4, picky))).rejects.toThrow('bad item')
    expect(seen).toEqual([0, 1])
  })

  test('closes the source when its consumer leaves', async () => {
    const closed = Promise.withResolvers<void>()
    const source = async function* () {
      try {
        yield* numbers(100)
      } finally {
        closed.resolve()
      }
    }
    for await (const i of inOrder(source(), 2, async n => n)) if (i === 3) break
    await expect(closed.promise).resolves.toBeUndefined()
  })
})
