import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockCache } from '../../../node/gateway/block-cache.ts'
import { rawCid } from '../../../src/codec.ts'

describe('the block cache of the gateway', () => {
  test('forgets what was used least recently', () => {
    const cache = createBlockCache(25)
    const blocks = [1, 2, 3].map(n => new Uint8Array(10).fill(n))
    const [a, b, c] = blocks.map(rawCid) as [
      ReturnType<typeof rawCid>,
      ReturnType<typeof rawCid>,
      ReturnType<typeof rawCid>
    ]
    cache.add(a, blocks[0] as Uint8Array)
    cache.add(b, blocks[1] as Uint8Array)
    expect(cache.get(a)).toEqual(blocks[0])
    cache.add(c, blocks[2] as Uint8Array)
    expect([a, b, c].map(cid => cache.get(cid) !== undefined)).toEqual([true, false, true])
  })

  test('holds at most its bytes, and only what was put under that very CID', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 60 }),
        fc.nat(100),
        (list, most) => {
          const cache = createBlockCache(most)
          for (const block of list) cache.add(rawCid(block), block)
          const held = new Map(
            list.flatMap(block => {
              const found = cache.get(rawCid(block))
              if (found !== undefined) expect(found).toEqual(block)
              return found === undefined ? [] : [[rawCid(block).toString(), found.byteLength] as const]
            })
          )
          expect([...held.values()].reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(most)
        }
      )
    )
  })

  test('keeps no buffer alive that a block is only a part of', () => {
    const cache = createBlockCache(100)
    const block = new Uint8Array(1000).subarray(10, 20)
    cache.add(rawCid(block), block)
    expect(cache.get(rawCid(block))?.buffer.byteLength).toBe(10)
  })
})
