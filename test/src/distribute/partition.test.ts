import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareBytes } from '../../../src/codec.ts'
import { countDuplicates, planPartitions, sortDigests } from '../../../src/distribute/partition.ts'
import { InvalidInputError } from '../../../src/errors.ts'

const seed = new Uint8Array(32).fill(7)

/** Digests whose first bytes often agree, so that the sort has to look at all of them. */
const digestsOf = (values: number[]) => {
  const digests = new Uint8Array(values.length * 32)
  values.forEach((value, i) => {
    digests[i * 32 + 1] = value >> 8
    digests[i * 32 + 31] = value
  })
  return digests
}
const digest = (digests: Uint8Array, i: number) => digests.subarray(i * 32, i * 32 + 32)
const values = fc.array(fc.nat(1000), { minLength: 1, maxLength: 300 })

describe('planPartitions', () => {
  it('puts every sample into exactly one partition, sizes differing by at most one', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(), (list, p, m) => {
        const partitions = (p % list.length) + 1
        const sharedRows = m % (list.length + 1)
        const plan = planPartitions({ digests: digestsOf(list), seed, partitions, sharedRows })
        const sizes = plan.partitions.map(partition => partition.length)
        expect(plan.partitions.flatMap(partition => [...partition]).sort((a, b) => a - b)).toEqual(
          list.map((_, i) => i)
        )
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        expect(plan.shared.length).toBe(sharedRows)
        expect(new Set(plan.shared).size).toBe(sharedRows)
      })
    )
  })

  it('gives the same rows whatever the order of the samples was', () => {
    fc.assert(
      fc.property(values, fc.integer(), (list, rotate) => {
        const by = ((rotate % list.length) + list.length) % list.length
        const turned = [...list.slice(by), ...list.slice(0, by)]
        const rows = (samples: number[]) => {
          const plan = planPartitions({
            digests: digestsOf(samples),
            seed,
            partitions: Math.min(3, list.length),
            sharedRows: 1
          })
          return [...plan.partitions, plan.shared].map(order => [...order].map(i => samples[i]))
        }
        expect(rows(turned)).toEqual(rows(list))
      })
    )
  })

  it('depends on the seed, and draws the shared set independently of the partitions', () => {
    const digests = digestsOf(Array.from({ length: 200 }, (_, i) => i))
    const plan = (s: Uint8Array) => planPartitions({ digests, seed: s, partitions: 1, sharedRows: 200 })
    expect(plan(seed)).not.toEqual(plan(new Uint8Array(32)))
    expect([...plan(seed).shared]).not.toEqual([...(plan(seed).partitions[0] ?? [])])
  })

  it('has known rows for a known seed', () => {
    const digests = digestsOf(Array.from({ length: 10 }, (_, i) => i))
    const plan = planPartitions({ digests, seed, partitions: 3, sharedRows: 4 })
    expect([...plan.partitions.map(partition => [...partition]), [...plan.shared]]).toEqual(KNOWN)
  })

  it('refuses more partitions or shared rows than samples', () => {
    const digests = digestsOf([1, 2, 3])
    for (const [partitions, sharedRows] of [
      [0, 1],
      [4, 1],
      [1.5, 1],
      [1, 4]
    ] as const) {
      expect(() => planPartitions({ digests, seed, partitions, sharedRows })).toThrow(InvalidInputError)
    }
  })
})

describe('sortDigests', () => {
  it('orders by bytes and counts what is there twice', () => {
    fc.assert(
      fc.property(values, list => {
        const digests = digestsOf(list)
        const sorted = sortDigests(digests)
        const expected = list
          .map((_, i) => i)
          .sort((a, b) => compareBytes(digest(digests, a), digest(digests, b)) || a - b)
        expect([...sorted]).toEqual(expected)
        expect(countDuplicates(digests, sorted)).toBe(list.length - new Set(list).size)
      })
    )
  })
})

// made by an independent implementation: hashlib.shake_256 and the shuffle in Python
const KNOWN = [
  [6, 8, 2],
  [5, 0, 1],
  [3, 7, 4, 9],
  [2, 7, 3, 0]
]
