import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_DIMENSION, MAX_MATRIX_BYTES, MAX_PARTITIONS } from '../../../src/distribute/manifest.ts'
import { sharedSize } from '../../../src/distribute/shared-size.ts'

const usual = { samples: 50_000, partitions: 100, dimension: 256, featureDimension: 256 }

describe('sharedSize', () => {
  it.each([
    ['1,000 of a usual dataset', {}, 1000, /1000 are enough/],
    ['all of a small one', { samples: 700, partitions: 4 }, 700, /no more/],
    ['a partition of a large one', { samples: 500_000 }, 5000, /one partition/],
    ['two rows for each dimension', { dimension: 1280 }, 2560, /1280 dimensions/],
    ['10,000 at most', { samples: 10_000_000 }, 10_000, /10000/],
    ['as many as a matrix may have', { dimension: 4096, featureDimension: 4096 }, 4096, /bytes/],
    ['as many as the features may have', { samples: 10_000_000, featureDimension: 4096 }, 4096, /bytes/]
  ])('is %s', (_name, given, rows, reason) => {
    expect(sharedSize({ ...usual, ...given })).toEqual({ rows, reason: expect.stringMatching(reason) as string })
  })

  it('is within the dataset and the limits, and does not fall when images are added', () => {
    const dimension = fc.integer({ min: 2, max: MAX_DIMENSION })
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 1e8 }),
        fc.integer({ min: 1, max: MAX_PARTITIONS }),
        dimension,
        dimension,
        (samples, partitions, n, featureDimension) => {
          const given = { samples, partitions, dimension: n, featureDimension }
          const { rows } = sharedSize(given)
          expect(rows).toBeGreaterThanOrEqual(Math.min(samples, 1000))
          expect(rows).toBeLessThanOrEqual(Math.min(samples, 10_000))
          expect(rows * Math.max(n, featureDimension) * 4).toBeLessThanOrEqual(MAX_MATRIX_BYTES)
          expect(sharedSize({ ...given, samples: samples + 1 }).rows).toBeGreaterThanOrEqual(rows)
        }
      )
    )
  })
})
