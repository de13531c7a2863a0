import { CarReader } from '@ipld/car'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { carHeader, carSection, readCar } from '../../../../node/content/dag/car.ts'
import { InvalidContentError } from '../../../../src/errors.ts'
import { encodeCbor, rawCid } from '../../../../src/codec.ts'
import { collect } from '../../../helpers/collect.ts'

const blocks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 })

const write = (parts: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat([carHeader(parts.slice(0, 1).map(rawCid)), ...parts.flatMap(bytes => carSection(rawCid(bytes), bytes))])

async function read(bytes: Uint8Array, step = bytes.byteLength) {
  const { roots, blocks: all } = await readCar(
    (async function* () {
      for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step)
    })()
  )
  return { roots, blocks: await collect(all) }
}

test('what is written is read back, however it is cut into pieces', async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.integer({ min: 1, max: 64 }), async (parts, step) => {
      const found = await read(write(parts), step)
      expect(found.roots.map(String)).toEqual(parts.slice(0, 1).map(p => rawCid(p).toString()))
      expect(found.blocks.map(b => Buffer.from(b.bytes))).toEqual(parts.map(p => Buffer.from(p)))
      expect(found.blocks.map(b => b.cid.toString())).toEqual(parts.map(p => rawCid(p).toString()))
    })
  )
})

test('another implementation reads what is written', async () => {
  await fc.assert(
    fc.asyncProperty(blocks, async parts => {
      const reader = await CarReader.fromBytes(write(parts))
      expect((await collect(reader.blocks())).map(b => Buffer.from(b.bytes))).toEqual(parts.map(p => Buffer.from(p)))
    })
  )
})

test('a file that is cut off anywhere but between blocks is refused', async () => {
  await fc.assert(
    fc.asyncProperty(blocks, fc.double({ min: 0, max: 1, noNaN: true }), async (parts, where) => {
      const bytes = write(parts)
      const ends = new Set<number>()
      let at = carHeader(parts.slice(0, 1).map(rawCid)).byteLength
      ends.add(at)
      for (const part of parts) {
        at += carSection(rawCid(part), part).reduce((sum, piece) => sum + piece.byteLength, 0)
        ends.add(at)
      }
      const cut = Math.floor(where * bytes.byteLength)
      if (ends.has(cut)) return
      await expect(read(bytes.subarray(0, cut))).rejects.toThrow(InvalidContentError)
    })
  )
})

test('bytes of any kind are read or refused, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async junk => {
      for (const bytes of [junk, Buffer.concat([carHeader([]), junk])]) {
        try {
          await read(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidContentError)
        }
      }
    })
  )
})

test('lengths are refused before anything is allocated for them', async () => {
  const huge = Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0x7f])
  await expect(read(huge)).rejects.toThrow(/states \d+ bytes/)
  const [length, block] = carSection(rawCid(Uint8Array.of(1)), Uint8Array.of(1))
  const cid = length.subarray(1)
  await expect(read(Buffer.concat([carHeader([]), huge, cid, block]))).rejects.toThrow(/states \d+ bytes/)
  await expect(read(new Uint8Array(100).fill(0xff))).rejects.toThrow(InvalidContentError)
})

test('a block shorter than its CID ends the reading, it does not repeat it', async () => {
  const { bytes: cid } = rawCid(Uint8Array.of(1))
  for (let length = 1; length < cid.byteLength; length++)
    await expect(read(Buffer.concat([carHeader([]), Uint8Array.of(length), cid])), `${length}`).rejects.toThrow(
      InvalidContentError
    )
})

test('a CAR v2 is read like the v1 inside it, and refused when its header leads back', async () => {
  const inner = write([Uint8Array.of(1, 2, 3), Uint8Array.of(4)])
  const wrap = (offset: number): Uint8Array => {
    const pragma = encodeCbor({ version: 2 })
    const header = new DataView(new ArrayBuffer(40))
    header.setBigUint64(16, BigInt(offset), true)
    header.setBigUint64(24, BigInt(inner.byteLength), true)
    return Buffer.concat([Uint8Array.of(pragma.byteLength), pragma, new Uint8Array(header.buffer), inner])
  }
  expect((await read(wrap(51), 7)).blocks.map(b => [...b.bytes])).toEqual([[1, 2, 3], [4]])
  await expect(read(wrap(1))).rejects.toThrow(InvalidContentError)
  await expect(read(wrap(2 ** 40))).rejects.toThrow(InvalidContentError)
})
