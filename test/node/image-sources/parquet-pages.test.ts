import { describe, expect, it } from 'vitest'
import { checkPages } from '../../../node/image-sources/parquet-pages.ts'
import { i32, join, struct, writeStruct } from '../../../src/distribute/thrift.ts'
import { InvalidContentError } from '../../../src/errors.ts'

const chunk = { path: 'image.bytes', type: 6, codec: 1, values: 10, offset: 4, byteLength: 0 }

/** A page of version 1 that claims these numbers before `bytes` zeros. */
function page(claims: { values: number; decoded: number; encoded?: number; kind?: number }, bytes = 20): Uint8Array {
  const { values, decoded, encoded = bytes, kind = 0 } = claims
  const field = kind === 2 ? 7 : 5
  const header = writeStruct([
    i32(1, kind),
    i32(2, decoded),
    i32(3, encoded),
    struct(field, [i32(1, values), i32(2, 0)])
  ])
  return join([header, new Uint8Array(bytes)])
}

describe('checkPages', () => {
  it('adds up what pages decode to', () => {
    const pages = join([
      page({ kind: 2, values: 5, decoded: 100 }),
      page({ values: 4, decoded: 70 }),
      page({ values: 6, decoded: 30 })
    ])
    expect(checkPages(pages, chunk, 200)).toBe(200)
  })

  it.each([
    ['decodes to more', page({ values: 10, decoded: 2 ** 31 - 1 })],
    ['decodes to more', join([page({ values: 5, decoded: 150 }), page({ values: 5, decoded: 150 })])],
    ['do not hold', page({ values: 2 ** 31 - 1, decoded: 20 })],
    ['do not hold', page({ values: 9, decoded: 20 })],
    ['do not hold', new Uint8Array(0)],
    ['ends within a page', page({ values: 10, decoded: 20, encoded: 21 })],
    ['dictionary of 1000 values', page({ kind: 2, values: 1000, decoded: 100 })],
    ['unknown kind 9', page({ kind: 9, values: 10, decoded: 20 })],
    ['without field 3', writeStruct([i32(1, 0), i32(2, 5)])],
    ['without field 3', page({ values: 10, decoded: 20, encoded: -5 })],
    ['thrift', Uint8Array.of(0x15)]
  ])('refuses a chunk that %s', (message, bytes) => {
    const check = () => checkPages(bytes, chunk, 200)
    expect(check).toThrow(InvalidContentError)
    expect(check).toThrow(message)
  })
})
