/**
 * Bounded reader and small writer of the protobuf wire format (protobuf.dev/programming-guides/encoding), for ONNX files.
 *
 * The reader allocates nothing but what its caller keeps: a length-delimited field is a pair of positions, so skipping a
 * gigabyte of weights costs nothing. Every length is checked against the enclosing message before use, and all readers of one
 * file share a field budget, so time is bounded by the budget and not by what the bytes claim.
 */
import { encode as varint } from 'uint8-varint'
import { InvalidPriorError } from '../errors.ts'

/** A vision model has 1e2..1e5 of the fields that are visited; packed numbers count as one each. */
export const MAX_FIELDS = 4_000_000
/** Names are scopes of the exporting framework, a few hundred characters at most. */
export const MAX_TEXT_BYTES = 4096

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/** Shared by all readers of one file. */
export interface ReadBudget {
  fields: number
}

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Cursor over one message: `next()` moves to the next field, then the field is taken with one of the `take` methods or left. */
export class MessageReader {
  /** Number of the current field. */
  field = 0
  /** Wire type of the current field. */
  wire = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  readonly #budget: ReadBudget
  #at: number
  /** Payload of the current field: [start, end). */
  #start = 0
  #value = 0

  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength, budget: ReadBudget = { fields: MAX_FIELDS }) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = start
    this.#end = end
    this.#budget = budget
  }

  /** Move to the next field; false at the end. Throws `InvalidPriorError` on malformed bytes or when the budget is spent. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    if (--this.#budget.fields < 0) throw notModel(`more than ${MAX_FIELDS} fields`)
    const key = this.#varint()
    this.field = Math.floor(key / 8)
    this.wire = key % 8
    if (this.field < 1 || this.field > 0x1fffffff) throw notModel(`field number ${this.field}`)
    if (this.wire === WIRE.varint) {
      this.#start = this.#at
      this.#value = this.#varint()
    } else if (this.wire === WIRE.fixed64) this.#skip(8)
    else if (this.wire === WIRE.fixed32) this.#skip(4)
    else if (this.wire === WIRE.bytes) this.#skip(this.#varint())
    else throw notModel(`wire type ${this.wire}`)
    return true
  }

  /** Bytes in the current field's payload. */
  get length(): number {
    return this.#at - this.#start
  }

  /** The current varint field as a signed 64-bit integer; beyond 2^53 the nearest double. */
  takeInteger(): number {
    this.#expect(WIRE.varint)
    return this.#value
  }

  takeFloat32(): number {
    this.#expect(WIRE.fixed32)
    return this.#view.getFloat32(this.#start, true)
  }

  takeText(): string {
    const bytes = this.takeBytes()
    if (bytes.byteLength > MAX_TEXT_BYTES) throw notModel(`a name of ${bytes.byteLength} bytes`)
    try {
      return decoder.decode(bytes)
    } catch (cause) {
      throw new InvalidPriorError('not an ONNX model: a name is not UTF-8', { cause })
    }
  }

  /** View, no copy. */
  takeBytes(): Uint8Array {
    this.#expect(WIRE.bytes)
    return this.#bytes.subarray(this.#start, this.#at)
  }

  takeMessage(): MessageReader {
    this.#expect(WIRE.bytes)
    return new MessageReader(this.#bytes, this.#start, this.#at, this.#budget)
  }

  /** A repeated varint field, packed or not: appends to `into`, keeping at most `limit` values (the rest is counted, not kept). */
  takeIntegers(into: number[], limit: number): void {
    if (this.wire === WIRE.varint) {
      if (into.length < limit) into.push(this.#value)
      return
    }
    this.#expect(WIRE.bytes)
    const packed = new MessageReader(this.#bytes, this.#start, this.#at, this.#budget)
    while (packed.#at < packed.#end && into.length < limit) into.push(packed.#varint())
  }

  /** A repeated float field, packed or not. */
  takeFloats(into: number[], limit: number): void {
    if (this.wire === WIRE.fixed32) {
      if (into.length < limit) into.push(this.takeFloat32())
      return
    }
    this.#expect(WIRE.bytes)
    for (let at = this.#start; at + 4 <= this.#at && into.length < limit; at += 4)
      into.push(this.#view.getFloat32(at, true))
  }

  // --- internal ---

  #expect(wire: number): void {
    if (this.wire !== wire) throw notModel(`field ${this.field} has wire type ${this.wire}`)
  }

  #skip(length: number): void {
    if (!(length >= 0) || length > this.#end - this.#at) throw notModel('a field is longer than the rest of the file')
    this.#start = this.#at
    this.#at += length
  }

  /** At most ten bytes, two's complement in 64 bits. */
  #varint(): number {
    let low = 0 // 28 bits
    let middle = 0 // 28 bits
    let high = 0 // 8 bits
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#end) throw notModel('it ends inside a number')
      const byte = this.#bytes[this.#at++] as number
      const bits = byte & 0x7f
      if (i < 4) low += bits * 2 ** (7 * i)
      else if (i < 8) middle += bits * 2 ** (7 * (i - 4))
      else high += bits * 2 ** (7 * (i - 8))
      if (byte < 0x80) {
        high %= 256
        if (high < 128) return low + middle * 2 ** 28 + high * 2 ** 56
        return low - 2 ** 28 + (middle - (2 ** 28 - 1)) * 2 ** 28 + (high - 255) * 2 ** 56
      }
    }
    throw notModel('a number is longer than ten bytes')
  }
}

/** Concatenate encoded fields into one message body. */
export function message(...fields: Uint8Array[]): Uint8Array {
  let length = 0
  for (const f of fields) length += f.byteLength
  const out = new Uint8Array(length)
  let at = 0
  for (const f of fields) {
    out.set(f, at)
    at += f.byteLength
  }
  return out
}

/** Field with a non-negative integer below 2^53. */
export function integerField(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field * 8 + WIRE.varint), ...varint(value)])
}

/** Length-delimited field: a string, or an encoded message. */
export function bytesField(field: number, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? encoder.encode(value) : value
  return message(Uint8Array.from([...varint(field * 8 + WIRE.bytes), ...varint(bytes.byteLength)]), bytes)
}

function notModel(detail: string): InvalidPriorError {
  return new InvalidPriorError(`not an ONNX model: ${detail}`)
}
