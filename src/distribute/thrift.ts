/**
 * Thrift compact protocol, one level at a time and without loss: a struct is its fields, each with its encoded value.
 *
 * Values are kept as bytes until they are read, so that one field of a struct can be changed and the others written back unchanged, known to us or
 * not. That is what appending a column to a Parquet footer needs (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
 * Input may be hostile: recursion is bounded, every length is checked against the bytes that are there; throws `InvalidContentError`.
 */
import { encode as encodeVarint } from 'uint8-varint'
import { InvalidContentError } from '../errors.ts'

export const TRUE = 1
export const FALSE = 2
const BYTE = 3
const I16 = 4
export const I32 = 5
export const I64 = 6
const DOUBLE = 7
export const BINARY = 8
export const LIST = 9
const SET = 10
const MAP = 11
export const STRUCT = 12

/** Parquet's own structs nest six deep */
const MAX_DEPTH = 16

/** Its largest struct has about 20 fields: bounds the objects made of 32 MiB of one-byte fields. */
const MAX_FIELDS = 256

/** `value` is the encoding without field header; empty for the types TRUE and FALSE, which are their own value. */
export interface Field {
  readonly id: number
  readonly type: number
  readonly value: Uint8Array
}

export interface List {
  readonly type: number
  readonly items: Uint8Array[]
}

// --- reading ---

/** The fields of the struct at `start`, in file order, and the offset after it. */
export function readStruct(bytes: Uint8Array, start = 0): { fields: Field[]; end: number } {
  const fields: Field[] = []
  const cursor = { bytes, at: start }
  let id = 0
  for (;;) {
    const head = byte(cursor)
    if (head === 0) return { fields, end: cursor.at }
    const type = head & 15
    id = head >> 4 === 0 ? zigzag(varint(cursor)) : id + (head >> 4)
    const from = cursor.at
    if (type !== TRUE && type !== FALSE) skip(cursor, type, 0)
    fields.push({ id, type, value: bytes.subarray(from, cursor.at) })
    if (fields.length > MAX_FIELDS) throw new InvalidContentError(`thrift: a struct of more than ${MAX_FIELDS} fields`)
  }
}

/** The field `id` of type `type`, or undefined if it is missing. Throws if it has another type or occurs twice. */
export function fieldOf(fields: readonly Field[], id: number, type: number): Field | undefined {
  const found = fields.filter(field => field.id === id)
  if (found.length > 1 || (found[0] !== undefined && found[0].type !== type)) {
    throw new InvalidContentError(`thrift: field ${id} is repeated or not of type ${type}`)
  }
  return found[0]
}

/** i16, i32 or i64 as a number. Throws beyond 2^53. */
export function integerOf(field: Field | undefined): number | undefined {
  return field && zigzag(varint({ bytes: field.value, at: 0 }))
}

export function binaryOf(field: Field | undefined): Uint8Array | undefined {
  return field && unwrapBinary(field.value)
}

/** The bytes of one encoded binary (a field's value or a list item), without its length. */
export function unwrapBinary(value: Uint8Array): Uint8Array {
  const cursor = { bytes: value, at: 0 }
  const length = varint(cursor)
  return value.subarray(cursor.at, cursor.at + length)
}

/** The encoded items of a list field, at most `maxItems`. */
export function listOf(field: Field | undefined, maxItems: number): List | undefined {
  if (field === undefined) return undefined
  const cursor = { bytes: field.value, at: 0 }
  const { type, count } = listHead(cursor)
  if (count > maxItems) throw new InvalidContentError(`thrift: a list of ${count} items, at most ${maxItems}`)
  const items: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const from = cursor.at
    skip(cursor, type, 0)
    items.push(field.value.subarray(from, cursor.at))
  }
  return { type, items }
}

// --- writing ---

/** Encode a struct; fields must be in ascending order of id. */
export function writeStruct(fields: readonly Field[]): Uint8Array {
  const parts: Uint8Array[] = []
  let last = 0
  for (const { id, type, value } of fields) {
    const delta = id - last
    parts.push(delta > 0 && delta < 16 ? Uint8Array.of((delta << 4) | type) : join([Uint8Array.of(type), signed(id)]))
    parts.push(value)
    last = id
  }
  return join([...parts, Uint8Array.of(0)])
}

/** `fields` with `field` in its place by id, replacing one of the same id. */
export function withField(fields: readonly Field[], field: Field): Field[] {
  return [...fields.filter(other => other.id !== field.id), field].sort((a, b) => a.id - b.id)
}

export const i32 = (id: number, value: number): Field => ({ id, type: I32, value: signed(value) })
export const i64 = (id: number, value: number): Field => ({ id, type: I64, value: signed(value) })
export const binary = (id: number, value: Uint8Array | string): Field => ({
  id,
  type: BINARY,
  value: wrapBinary(value)
})
export const struct = (id: number, fields: readonly Field[]): Field => ({
  id,
  type: STRUCT,
  value: writeStruct(fields)
})

/** A list of encoded items, e.g. `writeStruct`, `signed` or `wrapBinary` results. */
export function list(id: number, type: number, items: readonly Uint8Array[]): Field {
  const head =
    items.length < 15
      ? Uint8Array.of((items.length << 4) | type)
      : join([Uint8Array.of(0xf0 | type), unsigned(items.length)])
  return { id, type: LIST, value: join([head, ...items]) }
}

export function wrapBinary(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
  return join([unsigned(bytes.byteLength), bytes])
}

/** Zigzag varint of a safe integer. */
export function signed(value: number): Uint8Array {
  return unsigned(value < 0 ? -2 * value - 1 : 2 * value)
}

/** Varint of an integer below 2^53. */
export function unsigned(value: number): Uint8Array {
  return encodeVarint(value)
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

// --- internal ---

interface Cursor {
  readonly bytes: Uint8Array
  at: number
}

function byte(cursor: Cursor): number {
  const value = cursor.bytes[cursor.at++]
  if (value === undefined) throw new InvalidContentError('thrift: the bytes end within a value')
  return value
}

function varint(cursor: Cursor): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const b = byte(cursor)
    value += (b & 127) * scale
    if (value > Number.MAX_SAFE_INTEGER) throw new InvalidContentError('thrift: an integer beyond 2^53')
    if (b < 128) return value
    if (scale > Number.MAX_SAFE_INTEGER) throw new InvalidContentError('thrift: a varint of more than 10 bytes')
  }
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function listHead(cursor: Cursor): { type: number; count: number } {
  const head = byte(cursor)
  const count = head >> 4 === 15 ? varint(cursor) : head >> 4
  // every item has a byte at least
  if (count > cursor.bytes.byteLength - cursor.at) throw new InvalidContentError('thrift: the bytes end within a list')
  return { type: head & 15, count }
}

function advance(cursor: Cursor, length: number): void {
  if (length > cursor.bytes.byteLength - cursor.at)
    throw new InvalidContentError('thrift: the bytes end within a value')
  cursor.at += length
}

/** Skip a value. Booleans are a byte inside a list; as struct fields they have no value and are not skipped here. */
function skip(cursor: Cursor, type: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new InvalidContentError(`thrift: nested deeper than ${MAX_DEPTH}`)
  if (type === TRUE || type === FALSE || type === BYTE) advance(cursor, 1)
  else if (type === I16 || type === I32 || type === I64) skipVarint(cursor)
  else if (type === DOUBLE) advance(cursor, 8)
  else if (type === BINARY) advance(cursor, varint(cursor))
  else if (type === LIST || type === SET) {
    const { type: item, count } = listHead(cursor)
    for (let i = 0; i < count; i++) skip(cursor, item, depth + 1)
  } else if (type === MAP) {
    const count = varint(cursor)
    const types = count === 0 ? 0 : byte(cursor)
    if (count > cursor.bytes.byteLength - cursor.at) throw new InvalidContentError('thrift: the bytes end within a map')
    for (let i = 0; i < count; i++) {
      skip(cursor, types >> 4, depth + 1)
      skip(cursor, types & 15, depth + 1)
    }
  } else if (type === STRUCT) {
    for (let head = byte(cursor); head !== 0; head = byte(cursor)) {
      if (head >> 4 === 0) skipVarint(cursor)
      const field = head & 15
      if (field !== TRUE && field !== FALSE) skip(cursor, field, depth + 1)
    }
  } else throw new InvalidContentError(`thrift: unknown type ${type}`)
}

/** Like `varint` without a value: i64 may go up to 2^64 in fields that are not read here (int96 and statistics). */
function skipVarint(cursor: Cursor): void {
  for (let i = 0; i < 10; i++) if (byte(cursor) < 128) return
  throw new InvalidContentError('thrift: a varint of more than 10 bytes')
}
