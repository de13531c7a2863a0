import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Filter } from '../../../src/optimize/preprocessing.ts'
import { resizeRegion, type Pixels, type Region } from '../../../src/optimize/resize.ts'
import { filterBoth } from '../../../src/optimize/resize-passes.ts'
import { weightsFor } from '../../../src/optimize/resize-weights.ts'

const FILTERS = ['box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const

const size = fc.record({ height: fc.integer({ min: 1, max: 40 }), width: fc.integer({ min: 1, max: 40 }) })

/** Channel by channel: images of one channel go through the plain loops. */
function plain(image: Pixels, to: Parameters<typeof resizeRegion>[1], filter: Filter, region: Region): Uint8Array {
  const out = new Uint8Array(region.height * region.width * 3)
  for (let c = 0; c < 3; c++) {
    const data = image.data.filter((_, i) => i % 3 === c)
    const one = resizeRegion({ ...image, data, channels: 1 }, to, filter, region)
    for (const [i, v] of one.data.entries()) out[3 * i + c] = v
  }
  return out
}

/** Noise of the lowest and highest levels: overshoots are cut off at both ends. */
function harsh(height: number, width: number, seed: number): Pixels {
  let state = seed | 1
  const data = Uint8Array.from({ length: height * width * 3 }, () => {
    state = Math.imul(state, 48_271) % 0x7fffffff
    return (state >> 8) % 3 === 0 ? state & 255 : (state & 512) === 0 ? 0 : 255
  })
  return { data, height, width, channels: 3 }
}

describe('the kernels of a resize', () => {
  it('give the bytes of the plain loops, for every filter, size and part', () => {
    fc.assert(
      fc.property(
        size,
        size,
        fc.constantFrom(...FILTERS),
        fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat()),
        fc.integer(),
        (from, to, filter, [a, b, c, d], seed) => {
          const top = a % to.height
          const left = b % to.width
          const region = { top, left, height: 1 + (c % (to.height - top)), width: 1 + (d % (to.width - left)) }
          const image = harsh(from.height, from.width, seed)
          const found = resizeRegion(image, to, filter, region)
          expect(found.data).toEqual(plain(image, to, filter, region))
        }
      ),
      { numRuns: 400 }
    )
  })

  it('give them for a source of several bands, enlarged and reduced', () => {
    for (const [height, width, to] of [
      [1500, 700, { height: 50, width: 70 }],
      [3, 400_000, { height: 5, width: 9 }],
      [20, 30, { height: 300, width: 200 }]
    ] as const) {
      const image = harsh(height, width, 7)
      const region = { top: 0, left: 0, ...to }
      expect(resizeRegion(image, to, 'lanczos', region).data).toEqual(plain(image, to, 'lanczos', region))
    }
  })

  it('are what RGB that changes in both directions goes through, and nothing else', () => {
    const region = { top: 0, left: 0, height: 2, width: 2 }
    const weights = { horizontal: weightsFor(4, 2, 'box'), vertical: weightsFor(4, 2, 'box') }
    expect(filterBoth(harsh(4, 4, 1), weights, [0, 4], region)).toBeDefined()
    const grey: Pixels = { data: new Uint8Array(16), height: 4, width: 4, channels: 1 }
    expect(filterBoth(grey, weights, [0, 4], region)).toBeUndefined()
  })
})
