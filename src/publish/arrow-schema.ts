/**
 * The Arrow schema of a shard as Arrow stores it in Parquet files, under the key `ARROW:schema`.
 *
 * Parquet has lists, but not of fixed length. Readers built on Arrow (pyarrow, pandas, `datasets`) and polars take the length from this message and
 * show a vector of n numbers; `datasets` uses its `huggingface` features only if they agree with it. These readers also take the file's key-value
 * metadata from this message only. Others ignore the key. The message is a flatbuffer (https://github.com/apache/arrow/blob/main/format/Schema.fbs,
 * Message.fbs) in the IPC framing, in base64. Equal inputs give equal text.
 */
import { base64pad } from 'multiformats/bases/base64'
import type { TargetDtype } from './target-dtype.ts'

/** The key of `shardArrowSchema` in a Parquet footer. */
export const ARROW_SCHEMA = 'ARROW:schema'

/**
 * Text for `id`, `image` (struct of `bytes`, `path`), `target`, a list of `length` numbers, and `weight` if the shard has one; every column is
 * nullable. `metadata` keeps its order.
 */
export function shardArrowSchema(
  { length, dtype, weighted = false }: { length: number; dtype: TargetDtype; weighted?: boolean },
  metadata: ReadonlyArray<readonly [key: string, value: string]> = []
): string {
  const precision = dtype === 'float16' ? HALF : SINGLE
  const number = (name: string, precision: number): Field => ({
    name,
    type: FLOATING_POINT,
    parameter: scalar('i16', precision),
    children: []
  })
  const text = (name: string): Field => ({ name, type: UTF8, children: [] })
  const schema = table({
    1: vector([
      field(text('id')),
      field({ name: 'image', type: STRUCT, children: [{ name: 'bytes', type: BINARY, children: [] }, text('path')] }),
      field({
        name: 'target',
        type: FIXED_SIZE_LIST,
        parameter: scalar('i32', length),
        children: [number('element', precision)]
      }),
      ...(weighted ? [field(number('weight', SINGLE))] : [])
    ]),
    2: vector(metadata.map(([key, value]) => table({ 0: string(key), 1: string(value) })))
  })
  const message = table({ 0: scalar('i16', METADATA_V5), 1: scalar('u8', HEADER_SCHEMA), 2: schema })
  const out: number[] = []
  put32(out, 0xffffffff) // continuation
  put32(out, 0) // length of what follows
  put32(out, 0) // root
  const start = 8
  patch(out, start, message(out) - start)
  while (out.length % 8 !== 0) out.push(0)
  patch(out, 4, out.length - 8)
  return base64pad.encode(Uint8Array.from(out)).slice(1) // without the multibase prefix
}

// --- internal ---

const METADATA_V5 = 4
const HEADER_SCHEMA = 1
const FLOATING_POINT = 3
const BINARY = 4
const UTF8 = 5
const STRUCT = 13
const FIXED_SIZE_LIST = 16
const HALF = 0
const SINGLE = 1

interface Field {
  readonly name: string
  /** Member of the union `Type` */
  readonly type: number
  /** The only field of the type's table, if it has one: list size, precision */
  readonly parameter?: Scalar
  readonly children: readonly Field[]
}

function field({ name, type, parameter, children }: Field): Write {
  return table({
    0: string(name),
    1: scalar('u8', 1), // nullable
    2: scalar('u8', type),
    3: table(parameter === undefined ? {} : { 0: parameter }),
    5: vector(children.map(field)) // Arrow requires it even if it is empty
  })
}

/** Appends something to the buffer and returns its position. Offsets point forward, to data written later. */
type Write = (out: number[]) => number

interface Scalar {
  readonly bytes: 1 | 2 | 4
  readonly value: number
}

function scalar(type: 'u8' | 'i16' | 'i32', value: number): Scalar {
  return { bytes: type === 'u8' ? 1 : type === 'i16' ? 2 : 4, value }
}

/** A flatbuffers table: its vtable, then the distance back to that, then the fields, widest first so that all are aligned. */
function table(fields: Readonly<Record<number, Scalar | Write>>): Write {
  return out => {
    const slots = Object.entries(fields).map(([id, value]) => ({
      id: Number(id),
      value,
      bytes: typeof value === 'function' ? 4 : value.bytes
    }))
    slots.sort((a, b) => b.bytes - a.bytes || a.id - b.id)
    let end = 4
    const places = new Map<number, number>()
    for (const { id, bytes } of slots) {
      places.set(id, end)
      end += bytes
    }
    const entries = Math.max(-1, ...places.keys()) + 1
    align(out)
    if (entries % 2 !== 0) put16(out, 0) // aligns the table after the vtable to 4 bytes
    const vtable = out.length
    put16(out, 4 + 2 * entries)
    put16(out, end)
    for (let id = 0; id < entries; id++) put16(out, places.get(id) ?? 0)
    const start = out.length
    put32(out, start - vtable)
    for (const { value } of slots) {
      if (typeof value === 'function') put32(out, 0)
      else for (let i = 0; i < value.bytes; i++) out.push((value.value >>> (8 * i)) & 255)
    }
    for (const { id, value } of slots) {
      if (typeof value !== 'function') continue
      const at = start + (places.get(id) as number)
      patch(out, at, value(out) - at)
    }
    return start
  }
}

function vector(items: readonly Write[]): Write {
  return out => {
    align(out)
    const start = out.length
    put32(out, items.length)
    for (let i = 0; i < items.length; i++) put32(out, 0)
    for (const [i, item] of items.entries()) {
      const at = start + 4 + 4 * i
      patch(out, at, item(out) - at)
    }
    return start
  }
}

/** UTF-8 with the terminating zero that flatbuffers requires. */
function string(text: string): Write {
  return out => {
    align(out)
    const start = out.length
    const bytes = new TextEncoder().encode(text)
    put32(out, bytes.byteLength)
    for (const byte of bytes) out.push(byte)
    out.push(0)
    return start
  }
}

function align(out: number[]): void {
  while (out.length % 4 !== 0) out.push(0)
}

function put16(out: number[], value: number): void {
  out.push(value & 255, (value >>> 8) & 255)
}

function put32(out: number[], value: number): void {
  for (let i = 0; i < 4; i++) out.push(0)
  patch(out, out.length - 4, value)
}

function patch(out: number[], at: number, value: number): void {
  for (let i = 0; i < 4; i++) out[at + i] = (value >>> (8 * i)) & 255
}
