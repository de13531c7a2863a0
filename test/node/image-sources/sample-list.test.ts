import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DigestList, NumberList, TextList } from '../../../node/image-sources/sample-list.ts'

describe('lists in typed arrays', () => {
  it('give back texts and numbers, also after they grew', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.nat(2 ** 31)), { maxLength: 3000, size: 'max' }), items => {
        const texts = new TextList()
        const numbers = new NumberList()
        for (const [text, number] of items) {
          texts.push(text)
          numbers.push(number * 2 ** 20)
        }
        for (const [i, [text, number]] of items.entries()) {
          if (texts.at(i) !== text.toWellFormed() || numbers.at(i) !== number * 2 ** 20) return false
        }
        return true
      }),
      { numRuns: 20 }
    )
    const digests = new DigestList()
    const digest = (i: number) => new Uint8Array(32).fill(i)
    for (let i = 0; i < 5000; i++) digests.push(digest(i))
    expect(digests.count).toBe(5000)
    expect(digests.bytes.subarray(4999 * 32)).toEqual(digest(4999))
    expect(digests.bytes.subarray(0, 32)).toEqual(digest(0))
  })
})
