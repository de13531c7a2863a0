import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { npyHeader } from '../../../node/export/npy.ts'
import { DigestIndex } from '../../../src/optimize/digest-index.ts'
import { NameIndex } from '../../../src/optimize/name-index.ts'
import { npyVectors, parseNpy } from '../../../src/optimize/npy-header.ts'
import { safetensorsTextBytes, safetensorsVectors } from '../../../src/optimize/safetensors-header.ts'
import { digestOfId, idOfDigest, parseSampleKey } from '../../../src/optimize/sample-key.ts'
import { keyColumnOf, vectorColumnOf } from '../../../src/optimize/table-columns.ts'
import { decodeNumbers } from '../../../src/optimize/vector-layout.ts'

const MULTIPLIERS = Uint32Array.from({ length: 8 }, (_, i) => 2_654_435_761 * (i + 1))
const text = (digest: Uint8Array): string => digest.join()
const digests = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('keys', () => {
  it('say which bytes are meant: a CID in any base and the sha256 are the same key', () => {
    const cid = rawCid(Uint8Array.of(1, 2, 3))
    const hex = Buffer.from(cid.multihash.digest).toString('hex')
    expect(parseSampleKey(cid.toString())).toEqual({ kind: 'cid', digest: cid.multihash.digest })
    expect(parseSampleKey(hex)).toEqual({ kind: 'sha256', digest: cid.multihash.digest })
    expect(parseSampleKey(hex.toUpperCase()).digest).toEqual(cid.multihash.digest)
    expect(idOfDigest(cid.multihash.digest)).toBe(cid.toString())
    expect(digestOfId(cid.toString())).toEqual(cid.multihash.digest)
    for (const name of ['a/1.jpg', '', 'bafkreiab', `${hex}.jpg`, `b${'a'.repeat(60)}`])
      expect(parseSampleKey(name), name).toEqual({ kind: 'name' })
  })

  it('refuses the CID of a tree, which no image has', () => {
    expect(() => parseSampleKey('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG')).toThrow(/tree/)
    expect(() => parseSampleKey('bafybeicws3vn4wopfddbbculsoybptysdkunzd2fqdufrarwcets2r5p34')).toThrow(/tree/)
  })
})

describe('DigestIndex', () => {
  it('is a map from digests to rows that takes each once', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(digests, fc.nat())), digests, (entries, other) => {
        const index = new DigestIndex(MULTIPLIERS)
        const model = new Map<string, number>()
        for (const [digest, row] of entries) {
          expect(index.add(digest, row)).toBe(!model.has(text(digest)))
          if (!model.has(text(digest))) model.set(text(digest), row)
        }
        for (const [digest] of entries) expect(index.get(digest)).toBe(model.get(text(digest)))
        expect(index.get(other)).toBe(model.get(text(other)))
        expect(index.size).toBe(model.size)
      })
    )
  })

  it('grows, and finds digests that differ in one byte only', () => {
    const index = new DigestIndex(MULTIPLIERS)
    const digest = (i: number) => Uint8Array.from({ length: 32 }, (_, j) => (j === 31 ? i & 255 : j === 7 ? i >> 8 : 9))
    for (let i = 0; i < 20_000; i++) expect(index.add(digest(i), i)).toBe(true)
    for (let i = 0; i < 20_000; i += 37) expect(index.get(digest(i))).toBe(i)
    expect(index.get(digest(20_001))).toBeUndefined()
  })
})

describe('NameIndex', () => {
  it('finds a file by the path as it was written, or by its own name with or without its ending', () => {
    const names = new NameIndex(MULTIPLIERS)
    expect(names.add('./cats/1.jpg', 0)).toBe(true)
    expect(names.add('cats\\1.jpg', 1), 'the same path').toBe(false)
    expect(names.add('000012', 1)).toBe(true)
    expect([names.ofPath('cats/1.jpg'), names.ofPath('1.jpg'), names.ofFile('elsewhere/1.jpg')]).toEqual([
      0,
      undefined,
      0
    ])
    expect(names.ofFile('x/000012.png')).toBe(1)
    expect(names.ambiguous).toBeUndefined()
    expect(names.add('dogs/1.jpg', 2)).toBe(true)
    expect(names.ambiguous).toBe('dogs/1.jpg')
  })
})

describe('NumPy arrays', () => {
  const npy = (text: string): Uint8Array => {
    const head = Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >> 8])
    return Buffer.concat([head, Buffer.from(text)])
  }
  const array = (descr: string, shape: string, fortran = 'False') =>
    npy(`{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }\n`)

  it('have rows, columns and an offset, as an export writes them', () => {
    const header = parseNpy(npyHeader([3, 5]))
    expect(header).toEqual({ descr: '<f4', shape: [3, 5], offset: 128 })
    expect(npyVectors(header, 128 + 60)).toMatchObject({ rows: 3, columns: 5, format: 'float32', littleEndian: true })
    expect(npyVectors(parseNpy(array('>f8', '2, 2')), 1000)).toMatchObject({ format: 'float64', littleEndian: false })
  })

  it.each([
    [array('<f4', '3,'), /shape is \(3\)/],
    [array('<f4', '3, 4, 5'), /one row for each image/],
    [array('<f4', '0, 5'), /shape/],
    [array('<i8', '3, 5'), /type "<i8".*astype/],
    [array('|O', '3, 5'), /type "\|O"/],
    [array('<f4', '3, 5', 'True'), /ascontiguousarray/],
    [array('<f4', '30, 5'), /cut short/],
    [array('<f4', '9007199254740991, 9007199254740991'), /numbers, at most/],
    [array('<f4', '9007199254740993, 5'), /its shape is/],
    [npy(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 5), }`), /no plain type/],
    [npy('{}'), /no plain type/],
    [Buffer.from('PK\u0003\u0004 an npz archive'), /unpacked/],
    [Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 255, 255, 255, 255]), /at most 4096/],
    [new Uint8Array(0), /does not begin/]
  ])('are refused where they are something else: %#', (head, why) => {
    expect(() => npyVectors(parseNpy(head), 200)).toThrow(why)
  })

  it('never crash on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), tail => {
        try {
          npyVectors(parseNpy(Buffer.concat([npyHeader([1, 1]).subarray(0, 10), tail])), 1000)
        } catch (error) {
          expect(error).toMatchObject({ name: 'InvalidPriorError' })
        }
      })
    )
  })
})

describe('safetensors', () => {
  const json = (header: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(header))
  const tensor = (dtype: string, shape: number[], end: number) => ({ dtype, shape, data_offsets: [0, end] })

  it('have one tensor of vectors, or the one that was asked for', () => {
    const one = { __metadata__: { a: 'b' }, ids: tensor('I64', [3], 24), emb: tensor('F16', [3, 2], 12) }
    expect(safetensorsVectors(json(one), 1000)).toMatchObject({ name: 'emb', layout: { rows: 3, format: 'float16' } })
    const two = json({ a: tensor('F32', [3, 2], 24), b: tensor('BF16', [3, 2], 12) })
    expect(() => safetensorsVectors(two, 1000)).toThrow(/"a", "b".*--output/)
    expect(safetensorsVectors(two, 1000, 'b').layout).toMatchObject({ offset: 8 + two.byteLength, format: 'bfloat16' })
    expect(() => safetensorsVectors(two, 1000, 'c')).toThrow(/no tensor of vectors "c", but "a", "b"/)
  })

  it.each([
    [{ a: tensor('F32', [3, 2], 20) }, /cut short/],
    [{ a: tensor('F32', [3000, 2], 24_000) }, /cut short/],
    [{ a: tensor('F32', [6], 24) }, /no tensor of vectors/],
    [{ a: { dtype: 'F32', shape: [-1, 2], data_offsets: [0, 1] } }, /"a" has no type/],
    [[], /not an object/]
  ])('are refused where they are something else: %#', (header, why) => {
    expect(() => safetensorsVectors(json(header), 200)).toThrow(why)
  })

  it('bounds the header by the file', () => {
    const prefix = (length: bigint) => new Uint8Array(BigUint64Array.of(length).buffer)
    expect(safetensorsTextBytes(prefix(100n), 200)).toBe(100)
    for (const length of [0n, 193n, 2n ** 63n])
      expect(() => safetensorsTextBytes(prefix(length), 200)).toThrow(/header of/)
    expect(() => safetensorsTextBytes(new Uint8Array(3), 3)).toThrow(/safetensors/)
  })
})

describe('numbers', () => {
  it('are decoded from all formats, in both orders of bytes', () => {
    const values = [0, 1, -2.5, 65_504]
    const layout = { rows: 1, columns: 4, offset: 0 }
    for (const littleEndian of [true, false]) {
      const write = (size: number, set: (view: DataView, i: number, value: number) => void) => {
        const view = new DataView(new ArrayBuffer(4 * size))
        values.forEach((value, i) => set(view, i * size, value))
        return new Uint8Array(view.buffer)
      }
      const cases = {
        float16: write(2, (view, at, value) => view.setFloat16(at, value, littleEndian)),
        float32: write(4, (view, at, value) => view.setFloat32(at, value, littleEndian)),
        float64: write(8, (view, at, value) => view.setFloat64(at, value, littleEndian))
      }
      for (const [format, bytes] of Object.entries(cases)) {
        const out = new Float32Array(4)
        decodeNumbers(bytes, { ...layout, format: format as keyof typeof cases, littleEndian }, out)
        expect([...out], format).toEqual(values)
      }
    }
    const out = new Float32Array(2)
    decodeNumbers(Uint8Array.of(0x80, 0x3f, 0x20, 0xc0), { ...layout, format: 'bfloat16', littleEndian: true }, out)
    expect([...out]).toEqual([1, -2.5])
  })
})

describe('columns', () => {
  const cid = rawCid(Uint8Array.of(1)).toString()
  const hex = '0'.repeat(64)
  it('of keys: CIDs before sha256 before names, and a usual name where several could be', () => {
    const of = (columns: Record<string, string[]>) => keyColumnOf(new Map(Object.entries(columns)))
    expect(of({ caption: ['a cat'], sha256: [hex], any: [cid] })).toBe('any')
    expect(of({ caption: ['a cat'], image_path: ['a.jpg'], sha256: [hex] })).toBe('sha256')
    expect(of({ caption: ['a cat'], image_path: ['a.jpg'] })).toBe('image_path')
    expect(of({ other: [cid], cid: [cid] })).toBe('cid')
    expect(() => of({ x: [cid], y: [cid] })).toThrow(/x, y.*--key/)
    expect(() => of({ caption: ['a cat'] })).toThrow(/caption.*--key/)
    expect(() => of({ mixed: [hex, 'a.jpg'] })).toThrow(/--key/)
    expect(() => of({})).toThrow(/no column of text/)
  })

  it('of vectors: the only list of floats, or one with a usual name', () => {
    expect(vectorColumnOf(['x'])).toBe('x')
    expect(vectorColumnOf(['bbox', 'embedding'])).toBe('embedding')
    expect(() => vectorColumnOf(['bbox', 'x'])).toThrow(/--output/)
    expect(() => vectorColumnOf([])).toThrow(/no column of vectors/)
  })
})
