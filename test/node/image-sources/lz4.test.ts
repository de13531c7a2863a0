import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeLz4Block, decodeLz4Frame, decodeLz4Hadoop } from '../../../node/image-sources/lz4.ts'
import { InvalidContentError } from '../../../src/errors.ts'

/** What the reference implementation (liblz4 through python-lz4) makes of `plain`. */
const KNOWN = {
  block:
    'b0NvT3B0IAYA1/kxAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+PyoBUG9PcHQg',
  frame:
    'BCJNGGhAQgEAAAAAAAB2VAAAAG9Db09wdCAGANf5MQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8qAVBvT3B0IAAAAAA=',
  checked:
    'BCJNGHRAvVQAAABvQ29PcHQgBgDX+TEAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/KgFQb09wdCCKrTJ3AAAAACVW0VQ='
}
const plain = Buffer.concat([
  Buffer.from('CoOpt '.repeat(40)),
  Uint8Array.from({ length: 64 }, (_, i) => i),
  Buffer.from('CoOpt '.repeat(3))
])
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))

type Sequence = { literals: Uint8Array; back: number; length: number }

/** Encodes as it is told, which is all that a decoder may assume; gives the block and what it stands for. */
function encode(sequences: readonly Sequence[], end: Uint8Array): { block: Uint8Array; decoded: Uint8Array } {
  const block: number[] = []
  const decoded: number[] = []
  const more = (n: number): number[] => {
    const rest: number[] = []
    if (n < 15) return rest
    let left = n - 15
    for (; left >= 255; left -= 255) rest.push(255)
    return [...rest, left]
  }
  for (const { literals, back, length } of sequences) {
    decoded.push(...literals)
    const offset = 1 + (back % Math.min(decoded.length, 65_535))
    block.push((Math.min(literals.length, 15) << 4) | Math.min(length - 4, 15), ...more(literals.length), ...literals)
    block.push(offset & 255, offset >> 8, ...more(length - 4))
    for (let i = 0; i < length; i++) decoded.push(decoded[decoded.length - offset] as number)
  }
  block.push(Math.min(end.length, 15) << 4, ...more(end.length), ...end)
  decoded.push(...end)
  return { block: Uint8Array.from(block), decoded: Uint8Array.from(decoded) }
}

const sequences = fc.array(
  fc.record({
    literals: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    back: fc.nat(100_000),
    length: fc.integer({ min: 4, max: 900 })
  }),
  { maxLength: 8 }
)

describe('LZ4', () => {
  it('decodes what the reference implementation encodes', () => {
    expect(decodeLz4Block(bytesOf(KNOWN.block), plain.length)).toEqual(new Uint8Array(plain))
    expect(decodeLz4Frame(bytesOf(KNOWN.frame), plain.length)).toEqual(new Uint8Array(plain))
    expect(decodeLz4Frame(bytesOf(KNOWN.checked), plain.length)).toEqual(new Uint8Array(plain))
  })

  it('decodes any sequence of literals and matches, also those that overlap what they write', () => {
    fc.assert(
      fc.property(sequences, fc.uint8Array({ maxLength: 300 }), (all, end) => {
        const { block, decoded } = encode(all, end)
        expect(decodeLz4Block(block, decoded.length)).toEqual(decoded)
      })
    )
  })

  it('decodes blocks behind the lengths of Hadoop, and without them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 4 }), parts => {
        const blocks = parts.map(part => encode([], part).block)
        const framed = parts.flatMap((part, i) => {
          const block = blocks[i] ?? new Uint8Array()
          const lengths = Buffer.alloc(8)
          lengths.writeUInt32BE(part.length, 0)
          lengths.writeUInt32BE(block.length, 4)
          return [lengths, block]
        })
        const whole = new Uint8Array(Buffer.concat(parts))
        expect(decodeLz4Hadoop(new Uint8Array(Buffer.concat(framed)), whole.length)).toEqual(whole)
        expect(decodeLz4Hadoop(encode([], whole).block, whole.length)).toEqual(whole)
      })
    )
  })

  it('never writes more than it was told, and refuses damaged input', () => {
    const digest = (): Uint8Array => new Uint8Array(createHash('sha256').update('x').digest())
    for (const [block, length] of [
      [bytesOf(KNOWN.block), plain.length - 1],
      [bytesOf(KNOWN.block), plain.length + 1],
      [bytesOf(KNOWN.block).slice(0, -5), plain.length],
      [Uint8Array.of(0xf0, ...Array<number>(100).fill(255)), 1000],
      [Uint8Array.of(0x10, 1, 0, 0), 10],
      [Uint8Array.of(0x10, 1, 9, 0), 10],
      [digest(), 100]
    ] as const)
      expect(() => decodeLz4Block(block, length)).toThrow(InvalidContentError)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1000), (bytes, length) => {
        for (const decode of [decodeLz4Block, decodeLz4Hadoop, decodeLz4Frame]) {
          try {
            expect(decode(bytes, length).length).toBe(length)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidContentError)
          }
        }
      })
    )
  })
})
