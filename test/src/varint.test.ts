import fc from 'fast-check'
import { encode } from 'uint8-varint'
import { expect, test } from 'vitest'
import { encodePrefix } from '../../protocols/framing.ts'
import { signed, unsigned } from '../../src/distribute/thrift.ts'

/** LEB128 as the specifications define it. */
function plain(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

// every CID of a tree depends on it, and ipfs-unixfs 13.1.1 writes uninitialised bytes for values of 2^31 and more
test('varints of every safe integer are minimal and written whole', () => {
  const edges = Array.from({ length: 53 }, (_, i) => [2 ** i - 1, 2 ** i, 2 ** i + 1]).flat()
  for (const value of [...edges, Number.MAX_SAFE_INTEGER]) expect([...encode(value)], `${value}`).toEqual(plain(value))
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      expect([...encode(value)]).toEqual(plain(value))
    }),
    { numRuns: 5000 }
  )
  expect(() => encode(2 ** 53)).toThrow(RangeError)
})

test('thrift and frames use them', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 28 - 1), value => {
      expect([...unsigned(value)]).toEqual(plain(value))
      expect([...signed(-value - 1)]).toEqual(plain(2 * value + 1))
      expect([...encodePrefix(value)]).toEqual(plain(value))
    })
  )
  expect(() => encodePrefix(2 ** 28)).toThrow('too long for its length prefix')
})
