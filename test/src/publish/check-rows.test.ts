import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NumericError } from '../../../src/errors.ts'
import { CHECK_SEED_BYTES, drawRows, rowsToCheck } from '../../../src/publish/check-rows.ts'

const seedOf = (text: string): Uint8Array => Uint8Array.from(createHash('sha256').update(text).digest())

describe('rows to check', () => {
  test('are different, ascending, in range, as many as asked for, and the same for a seed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        fc.integer({ min: 0, max: 300 }),
        fc.uint8Array({ minLength: CHECK_SEED_BYTES, maxLength: CHECK_SEED_BYTES }),
        (count, k, seed) => {
          const rows = drawRows(count, k, seed)
          expect(rows).toHaveLength(Math.min(count, k))
          expect(rows.every((row, i) => row >= 0 && row < count && (i === 0 || row > (rows[i - 1] ?? row)))).toBe(true)
          expect(drawRows(count, k, seed.slice())).toEqual(rows)
        }
      )
    )
  })

  test('are equally likely, alone and in pairs', () => {
    const [count, k, draws] = [8, 3, 8000]
    const single = new Map<number, number>()
    const pairs = new Map<string, number>()
    for (let i = 0; i < draws; i++) {
      const rows = drawRows(count, k, seedOf(`${i}`))
      for (const a of rows) {
        single.set(a, (single.get(a) ?? 0) + 1)
        for (const b of rows) if (a < b) pairs.set(`${a} ${b}`, (pairs.get(`${a} ${b}`) ?? 0) + 1)
      }
    }
    // five standard deviations of a binomial count
    const within = (counts: number[], p: number): boolean =>
      counts.every(c => Math.abs(c - draws * p) < 5 * Math.sqrt(draws * p * (1 - p)))
    expect(single.size).toBe(count)
    expect(within([...single.values()], k / count)).toBe(true)
    expect(pairs.size).toBe(28)
    expect(within([...pairs.values()], 6 / 56)).toBe(true)
  })

  test('follow from the published seed as documented', () => {
    expect(drawRows(1000, 8, new Uint8Array(32))).toEqual(expectedRows(1000, 8, new Uint8Array(32)))
    expect(drawRows(4_000_000_000, 8, seedOf('large'))).toEqual(expectedRows(4_000_000_000, 8, seedOf('large')))
  })

  test('a seed of another length and counts that are none are errors', () => {
    expect(() => drawRows(10, 2, new Uint8Array(31))).toThrow(NumericError)
    for (const [count, k] of [
      [10, -1],
      [10, 1.5],
      [-1, 2],
      [2 ** 32 + 1, 2],
      [NaN, 2]
    ] as const)
      expect(() => drawRows(count, k, new Uint8Array(32))).toThrow(NumericError)
  })

  test('are a twentieth of the partition, between 32 and 128, and never more than there are', () => {
    expect([5, 100, 640, 1000, 2560, 100_000].map(rowsToCheck)).toEqual([5, 32, 32, 50, 128, 128])
  })
})

/** Floyd's algorithm over SHAKE256 of the documented parts, written out independently. */
function expectedRows(count: number, k: number, seed: Uint8Array): number[] {
  const label = Buffer.from('coopt/1/check-rows')
  const length = (n: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(n)
    return bytes
  }
  const stream = createHash('shake256', { outputLength: 4096 })
    .update(Buffer.concat([length(label.length), label, length(32), seed]))
    .digest()
  let at = 0
  const rows: number[] = []
  for (let last = count - k; last < count; last++) {
    const bound = last + 1
    let value: number
    do {
      value = stream.readUInt32LE(at)
      at += 4
    } while (value >= 2 ** 32 - (2 ** 32 % bound))
    rows.push(rows.includes(value % bound) ? last : value % bound)
  }
  return rows.sort((a, b) => a - b)
}
