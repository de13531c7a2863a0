import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ABSENT, decodeMatrix, encodeMatrix, isAbsentRow, presentRows } from '../../src/bytes.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { matrix } from '../../src/matrix.ts'

const finite = fc.float({ noNaN: true, noDefaultInfinity: true })

describe('matrix bytes', () => {
  test('every finite matrix comes back bit for bit, also from an unaligned view', () => {
    fc.assert(
      fc.property(fc.array(fc.array(finite, { minLength: 3, maxLength: 3 }), { maxLength: 5 }), rows => {
        const m = matrix(rows.length, 3, Float32Array.from(rows.flat()))
        const bytes = encodeMatrix(m)
        const shifted = new Uint8Array(bytes.byteLength + 1)
        shifted.set(bytes, 1)
        const again = decodeMatrix(shifted.subarray(1), m.rows, 3)
        expect(encodeMatrix(again)).toEqual(bytes)
      })
    )
  })

  test("Node's buffers, which share their memory, are read like others", () => {
    const bytes = Buffer.from(encodeMatrix(matrix(1, 2, Float32Array.of(1, -2))))
    expect([...decodeMatrix(bytes, 1, 2).data]).toEqual([1, -2])
    bytes.fill(0)
    expect([...decodeMatrix(Buffer.concat([bytes]), 1, 2).data]).toEqual([0, 0])
  })

  test('the encoding is little-endian float32, row by row', () => {
    expect([...encodeMatrix(matrix(1, 2, Float32Array.of(1, -2)))]).toEqual([0, 0, 128, 63, 0, 0, 0, 192])
  })

  test('an absent row is the canonical NaN and stays so', () => {
    const m = matrix(3, 2, Float32Array.of(1, 2, 0, 0, 5, 6))
    m.data.set(ABSENT(2), 2)
    const bytes = encodeMatrix(m)
    expect([...bytes.subarray(8, 16)]).toEqual([0, 0, 0xc0, 0x7f, 0, 0, 0xc0, 0x7f])
    const again = decodeMatrix(bytes, 3, 2)
    expect(isAbsentRow(again.data.subarray(2, 4))).toBe(true)
    expect(presentRows(again)).toEqual([0, 2])
    expect(encodeMatrix(again)).toEqual(bytes)
  })

  test.each([
    ['another length', new Uint8Array(12)],
    ['an infinity', encodeMatrix(matrix(1, 2, Float32Array.of(1, Infinity)))],
    ['half a NaN row', encodeMatrix(matrix(1, 2, Float32Array.of(1, NaN)))],
    ['a NaN with a payload', Uint8Array.of(1, 0, 0xc0, 0x7f, 1, 0, 0xc0, 0x7f)]
  ])('%s is refused', (_, bytes) => {
    expect(() => decodeMatrix(bytes, 1, 2)).toThrow(InvalidContentError)
  })
})
