import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import {
  cborCid,
  compareBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  isSafeCid,
  MAX_CBOR_DEPTH,
  parseCid,
  rawCid
} from '../../src/codec.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { anyValue } from '../helpers/arbitraries.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const decode = (text: string): unknown => decodeCbor(hex(text), 1024)

describe('dag-cbor', () => {
  test('gives every value back', () => {
    fc.assert(
      fc.property(anyValue(), value => {
        expect(decodeCbor(encodeCbor(value), 1_000_000)).toEqual(value)
      })
    )
  })

  test('gives the same bytes whatever the order of the keys', () => {
    const bytes = encodeCbor({ b: 1, a: 2, aa: 3 })
    expect(encodeCbor({ aa: 3, a: 2, b: 1 })).toEqual(bytes)
    // shorter keys first, then byte order (RFC 7049, 3.9): a, b, aa
    expect(bytes).toEqual(hex('a3 61 61 02 61 62 01 62 61 61 03'))
  })

  test.each([
    ['an integer longer than needed, one byte', '18 17'],
    ['an integer longer than needed, two bytes', '19 00 ff'],
    ['an integer longer than needed, eight bytes', '1b 00 00 00 00 00 00 00 01'],
    ['a length longer than needed', '58 01 00'],
    ['unsorted keys', 'a2 61 62 01 61 61 02'],
    ['keys sorted as text, not by length first', 'a2 62 61 61 01 61 62 02'],
    ['a key twice', 'a2 61 61 01 61 61 02'],
    ['a key that is a number', 'a1 01 02'],
    ['an integer written as a float', 'fb 3f f0 00 00 00 00 00 00'],
    ['minus zero', 'fb 80 00 00 00 00 00 00 00'],
    ['a half-precision float', 'f9 3e 00'],
    ['a single-precision float', 'fa 3f c0 00 00'],
    ['not a number', 'fb 7f f8 00 00 00 00 00 00'],
    ['infinity', 'fb 7f f0 00 00 00 00 00 00'],
    ['undefined', 'f7'],
    ['an array of indefinite length', '9f 01 ff'],
    ['bytes of indefinite length', '5f 41 00 ff'],
    ['text that is not UTF-8', '62 c3 28'],
    ['a tag other than 42', 'c1 01'],
    ['tag 42 without the leading zero', 'd8 2a 45 01 55 12 01 00'],
    ['trailing bytes', '01 00'],
    ['nothing', ''],
    ['a cut array', '82 01'],
    ['an array that claims 2^60 items', '9b 10 00 00 00 00 00 00 00'],
    ['bytes that claim 2^60', '5b 10 00 00 00 00 00 00 00'],
    ['a reserved head', '1c']
  ])('refuses %s', (_, bytes) => {
    expect(() => decode(bytes)).toThrow(InvalidContentError)
  })

  test('accepts the canonical form of the same values', () => {
    expect(decode('17')).toBe(23)
    expect(decode('fb 3f f8 00 00 00 00 00 00')).toBe(1.5)
    expect(decode('a2 61 61 01 61 62 02')).toEqual({ a: 1, b: 2 })
  })

  test('keeps a __proto__ key as data: no value gets another prototype', () => {
    const value = decode('a1 69 5f 5f 70 72 6f 74 6f 5f 5f a1 61 61 01') as { a?: unknown }
    expect(value.a).toBeUndefined()
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.keys(value)).toEqual(['__proto__'])
  })

  test('accepts nesting up to the limit and refuses one level more', () => {
    const nested = (depth: number): Uint8Array => Uint8Array.of(...Array.from({ length: depth }, () => 0x81), 1)
    expect(() => decodeCbor(nested(MAX_CBOR_DEPTH), 1024)).not.toThrow()
    expect(() => decodeCbor(nested(MAX_CBOR_DEPTH + 1), 1024)).toThrow(/nests deeper/)
  })

  test('refuses 200 KB of opening brackets and of tags without a stack overflow', () => {
    for (const head of [0x81, 0xa1, 0xd8]) {
      expect(() => decodeCbor(new Uint8Array(200_000).fill(head), 1_000_000)).toThrow(InvalidContentError)
    }
  })

  test('counts siblings as siblings, not as depth', () => {
    const wide = Array.from({ length: 1000 }, () => [{ a: [] }, [1]])
    expect(decodeCbor(encodeCbor(wide), 1_000_000)).toEqual(wide)
  })

  test('refuses more bytes than allowed before looking at them', () => {
    expect(() => decodeCbor(new Uint8Array(11), 10)).toThrow('11 bytes of dag-cbor; at most 10 are accepted')
  })

  test('answers random bytes with a value of those bytes or with InvalidContentError', () => {
    const head = fc.constantFrom(0x1b, 0x3b, 0x5b, 0x7b, 0x82, 0xa1, 0xd8, 0xf9, 0xfb, 0xf6)
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.tuple(head, fc.uint8Array({ maxLength: 12 }))),
        made => {
          const bytes = made instanceof Uint8Array ? made : Uint8Array.of(made[0], ...made[1])
          let value: unknown
          try {
            value = decodeCbor(bytes, 64)
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidContentError)
            return
          }
          expect(encodeCbor(value)).toEqual(bytes)
        }
      ),
      { numRuns: 5000 }
    )
  })
})

describe('isSafeCid', () => {
  const digest = rawCid(Uint8Array.of(1)).multihash.digest

  test('accepts CIDv1 raw, dag-pb and dag-cbor with a whole sha2-256', () => {
    for (const code of [0x55, 0x70, 0x71]) expect(isSafeCid(CID.createV1(code, createDigest(0x12, digest)))).toBe(true)
  })

  test.each([
    ['a digest of one byte', CID.createV1(0x55, createDigest(0x12, digest.subarray(0, 1)))],
    ['a digest of 31 bytes', CID.createV1(0x55, createDigest(0x12, digest.subarray(0, 31)))],
    ['a digest of 33 bytes', CID.createV1(0x55, createDigest(0x12, new Uint8Array(33)))],
    ['an identity hash', CID.createV1(0x55, createDigest(0x00, digest))],
    ['sha2-512', CID.createV1(0x55, createDigest(0x13, new Uint8Array(64)))],
    ['another codec', CID.createV1(0x0129, createDigest(0x12, digest))],
    ['version 0', CID.createV0(createDigest(0x12, digest))],
    ['text', 'bafkreia'],
    ['nothing', undefined],
    ['an object that looks like one', { code: 0x55, version: 1, multihash: { code: 0x12, digest } }]
  ])('refuses %s', (_, cid) => {
    expect(isSafeCid(cid)).toBe(false)
  })
})

describe('parseCid', () => {
  test('reads what toString writes', () => {
    const cid = cborCid(encodeCbor({ a: 1 }))
    expect(parseCid(cid.toString()).equals(cid)).toBe(true)
  })

  test.each(['', 'hello', 'QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n', '../../etc/passwd', 'bafkqaaa'])(
    'names %o when it refuses it',
    text => {
      expect(() => parseCid(text)).toThrow(InvalidContentError)
      expect(() => parseCid(text)).toThrow(text)
    }
  )
})

test('compareBytes is a total order that agrees with equalBytes', () => {
  const bytes = fc.uint8Array({ maxLength: 4, max: 3 })
  fc.assert(
    fc.property(bytes, bytes, bytes, (a, b, c) => {
      expect(Math.sign(compareBytes(a, b))).toBe(0 - Math.sign(compareBytes(b, a)))
      expect(compareBytes(a, b) === 0).toBe(equalBytes(a, b))
      if (compareBytes(a, b) <= 0 && compareBytes(b, c) <= 0) expect(compareBytes(a, c)).toBeLessThanOrEqual(0)
      expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(Buffer.compare(a, b)))
    })
  )
})
