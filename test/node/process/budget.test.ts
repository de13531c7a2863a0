import { describe, expect, it } from 'vitest'
import { createBudget } from '../../../node/process/budget.ts'

describe('a budget', () => {
  it('lets through what fits together, in the order of the calls, and what weighs too much alone', async () => {
    const budget = createBudget(10)
    const taken: string[] = []
    const take = async (name: string, weight: number) => {
      const { release } = await budget.take(weight)
      taken.push(name)
      return release
    }
    const [a, b] = [take('a', 4), take('b', 6)]
    const large = take('large', Number.POSITIVE_INFINITY)
    const small = take('small', 1)
    const [releaseA, releaseB] = [await a, await b]
    expect(taken).toEqual(['a', 'b'])
    releaseA()
    releaseA() // twice is once
    await Promise.resolve()
    expect(taken).toEqual(['a', 'b'])
    releaseB()
    const releaseLarge = await large
    expect(taken).toEqual(['a', 'b', 'large'])
    releaseLarge()
    await small
    expect(taken).toEqual(['a', 'b', 'large', 'small'])
  })
})
