import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidContentError } from '../../../src/errors.ts'
import { createLevelWriter, readLevels } from '../../../src/distribute/level-runs.ts'

describe('levels', () => {
  it('survive a round trip', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 0, max: 2000 }))), runs => {
        const writer = createLevelWriter()
        for (const [level, count] of runs) writer.add(level, count)
        const levels = runs.flatMap(([level, count]) => Array<number>(count).fill(level))
        expect([...readLevels(writer.bytes(), 2, levels.length)]).toEqual(levels)
      })
    )
  })

  it('are read from bit-packed groups too', () => {
    // the example of the Parquet specification: 0 to 7 in three bits
    expect([...readLevels(Uint8Array.of(3, 0b10001000, 0b11000110, 0b11111010), 3, 8)]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7
    ])
    expect([...readLevels(Uint8Array.of(3, 0b10001000, 0b11000110, 0b11111010), 3, 5)]).toEqual([0, 1, 2, 3, 4])
  })

  it('give an error for any bytes that are not levels', () => {
    const law = fc.property(
      fc.uint8Array({ maxLength: 20 }),
      fc.nat(100),
      fc.integer({ min: 1, max: 3 }),
      (bytes, count, width) => {
        try {
          return readLevels(bytes, width, count).every(level => level < 1 << width)
        } catch (error) {
          return error instanceof InvalidContentError
        }
      }
    )
    expect(() => fc.assert(law, { numRuns: 3000 })).not.toThrow()
  })
})
