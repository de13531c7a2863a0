import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  BINARY,
  binary,
  binaryOf,
  type Field,
  fieldOf,
  I32,
  i32,
  I64,
  i64,
  integerOf,
  LIST,
  list,
  listOf,
  readStruct,
  signed,
  STRUCT,
  struct,
  TRUE,
  unwrapBinary,
  withField,
  wrapBinary,
  writeStruct
} from '../../../src/distribute/thrift.ts'
import { InvalidContentError } from '../../../src/errors.ts'

const integer = fc.integer({ min: -(2 ** 51), max: 2 ** 51 })
const value = (id: number): fc.Arbitrary<Field> =>
  fc.oneof(
    fc.integer().map(v => i32(id, v)),
    integer.map(v => i64(id, v)),
    fc.uint8Array().map(v => binary(id, v)),
    fc.array(fc.integer(), { maxLength: 40 }).map(v => list(id, I32, v.map(signed))),
    fc.constant({ id, type: TRUE, value: new Uint8Array(0) }),
    integer.map(v => struct(id, [i64(1, v), binary(20, 'x')]))
  )
const fields = fc
  .uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 12 })
  .chain(ids => fc.tuple(...ids.sort((a, b) => a - b).map(value)))

describe('thrift', () => {
  it('writes what it read, and reads what it wrote', () => {
    fc.assert(
      fc.property(fields, fc.uint8Array(), (list, rest) => {
        const bytes = writeStruct(list)
        const read = readStruct(Uint8Array.from([...bytes, ...rest]))
        expect(read.fields).toEqual(list)
        expect(read.end).toBe(bytes.byteLength)
        expect(writeStruct(read.fields)).toEqual(bytes)
      })
    )
  })

  it('gives back numbers, texts and lists', () => {
    fc.assert(
      fc.property(integer, fc.string(), fc.array(fc.string(), { maxLength: 40 }), (number, text, texts) => {
        const bytes = writeStruct([i64(1, number), binary(2, text), list(3, BINARY, texts.map(wrapBinary))])
        const read = readStruct(bytes).fields
        const decode = (b: Uint8Array | undefined) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(b)
        const wellFormed = (s: string) => s.toWellFormed()
        expect(integerOf(fieldOf(read, 1, I64))).toBe(number)
        expect(decode(binaryOf(fieldOf(read, 2, BINARY)))).toBe(wellFormed(text))
        const items = listOf(fieldOf(read, 3, LIST), 40)?.items ?? []
        expect(items.map(item => decode(unwrapBinary(item)))).toEqual(texts.map(wellFormed))
      })
    )
  })

  it('puts a field in its place by id, or replaces it', () => {
    const before = [i32(1, 1), i32(5, 5)]
    expect(withField(before, i32(3, 3)).map(field => field.id)).toEqual([1, 3, 5])
    expect(integerOf(fieldOf(withField(before, i32(5, 9)), 5, I32))).toBe(9)
  })

  it('refuses deep nesting, many fields, long lists and repeated fields', () => {
    const deep = Uint8Array.from([...Array<number>(200_000).fill((1 << 4) | STRUCT), 0])
    expect(() => readStruct(deep)).toThrow('nested deeper')
    expect(() => readStruct(new Uint8Array(100_000).fill((1 << 4) | TRUE))).toThrow('more than 256 fields')
    const lists = Uint8Array.of((1 << 4) | LIST, 0xf0 | TRUE, 0xff, 0xff, 0xff, 0xff, 0x0f)
    expect(() => readStruct(lists)).toThrow('end within a list')
    expect(() => listOf(list(1, I32, [signed(1), signed(2)]), 1)).toThrow('at most 1')
    expect(() => fieldOf([i32(1, 1), i32(1, 2)], 1, I32)).toThrow('repeated')
    expect(() => fieldOf([i32(1, 1)], 1, I64)).toThrow('type 6')
  })

  it('gives an error, never another one, for any bytes', () => {
    const law = fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        const { fields, end } = readStruct(bytes)
        for (const field of fields) {
          if (field.type === LIST) listOf(field, 100)
          if (field.type === I32 || field.type === I64) integerOf(field)
        }
        return end <= bytes.byteLength
      } catch (error) {
        return error instanceof InvalidContentError
      }
    })
    expect(() => fc.assert(law, { numRuns: 5000 })).not.toThrow()
  })
})
