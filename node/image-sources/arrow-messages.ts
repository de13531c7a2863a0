/**
 * The messages of Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc), checked:
 * lengths before they are believed, and every vector that a decoder will loop over or decompress.
 */
import { InvalidContentError } from '../../src/errors.ts'
import type { ByteStream } from './byte-streams.ts'
import { rootTable, type Table, tablesOf } from './flatbuffer.ts'
import { MAX_BATCH_BYTES } from './row-images.ts'

export interface ArrowMessage {
  readonly kind: 'schema' | 'dictionary' | 'batch'
  /** Prefix, metadata and body, each aligned to 8 bytes */
  readonly bytes: Uint8Array
}

/** Metadata of a thousand columns. */
const MAX_METADATA_BYTES = 16_777_216

/** Fields of a schema and levels of fields in fields: nobody's image set has more. */
const MAX_FIELDS = 4096
const MAX_DEPTH = 16

/** Before the length of a message */
const CONTINUATION = 0xffff_ffff

export const SCHEMA = 1
const DICTIONARY = 2
const BATCH = 3
/** Messages of a stream to its end. Throws `InvalidContentError` where it is damaged or cut off. */
export async function* streamMessages(source: ByteStream): AsyncGenerator<ArrowMessage> {
  const input = createInput(source)
  try {
    for (let first = await input.take(4); first !== undefined; first = await input.take(4)) {
      const prefix = uint32(first)
      // before version 0.15 there was no continuation mark
      const length = prefix === CONTINUATION ? uint32(await input.need(4)) : prefix
      if (length === 0) return
      if (length > MAX_METADATA_BYTES) throw new InvalidContentError(`a message with ${length} bytes of metadata`)
      yield await checkedMessage(await input.need(length), input.need)
    }
  } finally {
    await input.close()
  }
}

/** `bodyOf` gives as many bytes as `metadata` tells. Throws `InvalidContentError`. */
export async function checkedMessage(
  metadata: Uint8Array,
  bodyOf: (length: number) => Promise<Uint8Array>
): Promise<ArrowMessage> {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  const message = rootTable(metadata)
  const header = message.table(2)
  const type = message.field(1)
  const kind = type === undefined ? 0 : view.getUint8(type)
  if (header === undefined) throw new InvalidContentError('a message without a header')
  const place = message.field(3)
  if (place !== undefined && place + 8 > view.byteLength) throw new InvalidContentError('its metadata are damaged')
  const length = place === undefined ? 0 : Number(view.getBigInt64(place, true))
  if (length < 0 || length > MAX_BATCH_BYTES)
    throw new InvalidContentError(
      `a batch of ${length} bytes, at most ${MAX_BATCH_BYTES}: write it again in batches of fewer rows`
    )
  const body = await bodyOf(length)
  if (kind === SCHEMA) checkSchema(metadata, header)
  else if (kind === BATCH) checkBatch(metadata, header, body)
  else if (kind === DICTIONARY) {
    const batch = header.table(1)
    if (batch === undefined) throw new InvalidContentError('a dictionary without values')
    checkBatch(metadata, batch, body)
  } else throw new InvalidContentError(`a message of the unknown kind ${kind}`)
  return { kind: kind === SCHEMA ? 'schema' : kind === BATCH ? 'batch' : 'dictionary', bytes: framed(metadata, body) }
}

// --- internal ---

const cutOff = (): InvalidContentError => new InvalidContentError('it ends within its data: it was cut off')

const uint32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)

/** Fields 1 of Schema, and 5 (children) and 6 (metadata) of Field. */
function checkSchema(bytes: Uint8Array, schema: Table): void {
  let fields = 0
  const visit = (table: Table, index: number, depth: number): void => {
    const children = table.vector(index, 4)
    fields += children.length
    if (fields > MAX_FIELDS || depth > MAX_DEPTH) throw new InvalidContentError('a schema of too many fields')
    for (const field of tablesOf(bytes, children)) {
      field.vector(6, 4)
      // type ids of a union; for the other types a number that is small, or no vector
      if (typeOf(bytes, field) === UNION) field.table(3)?.vector(1, 4)
      visit(field, 5, depth + 1)
    }
  }
  schema.vector(2, 4)
  visit(schema, 1, 0)
}

const UNION = 14

function typeOf(bytes: Uint8Array, field: Table): number | undefined {
  const place = field.field(2)
  return place === undefined ? undefined : bytes[place]
}

/** A column of nulls alone has a bit for each row. */
const ROWS_PER_BYTE = 8

/** Fields 1 (nodes), 2 (buffers), 3 (compression) and 4 (number of buffers of views) of RecordBatch. */
function checkBatch(metadata: Uint8Array, batch: Table, body: Uint8Array): void {
  const nodes = batch.vector(1, 16)
  batch.vector(4, 8)
  const { length, start } = batch.vector(2, 16)
  const isCompressed = batch.table(3) !== undefined
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  const content = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let decoded = 0
  let held = 0
  for (let i = 0; i < length; i++) {
    const offset = Number(view.getBigInt64(start + 16 * i, true))
    const bytes = Number(view.getBigInt64(start + 16 * i + 8, true))
    if (offset < 0 || bytes < 0 || offset + bytes > body.byteLength)
      throw new InvalidContentError(`a buffer of ${bytes} bytes beyond its batch`)
    held += bytes
    if (!isCompressed || bytes === 0) continue
    if (bytes < 8) throw new InvalidContentError('a compressed buffer without its length')
    // -1 is stored as it is
    const own = Number(content.getBigInt64(offset, true))
    decoded += own === -1 ? bytes : own
    if (own < -1 || decoded > MAX_BATCH_BYTES)
      throw new InvalidContentError(`a batch that decodes to more than ${MAX_BATCH_BYTES} bytes`)
  }
  // each row is looked at, so a few bytes must not stand for millions
  const most = ROWS_PER_BYTE * Math.max(held, decoded)
  for (let i = 0; i < nodes.length; i++) {
    const rows = Number(view.getBigInt64(nodes.start + 16 * i, true))
    if (rows < 0 || rows > most) throw new InvalidContentError(`a column of ${rows} rows in ${held} bytes`)
  }
}

function framed(metadata: Uint8Array, body: Uint8Array): Uint8Array {
  const padded = Math.ceil(metadata.byteLength / 8) * 8
  const out = new Uint8Array(8 + padded + body.byteLength)
  const view = new DataView(out.buffer)
  view.setUint32(0, CONTINUATION)
  view.setUint32(4, padded, true)
  out.set(metadata, 8)
  out.set(body, 8 + padded)
  return out
}

interface Input {
  /** Exactly `length` bytes, or undefined at the end */
  take(length: number): Promise<Uint8Array | undefined>
  /** As `take`; throws at the end */
  need(length: number): Promise<Uint8Array>
  close(): Promise<void>
}

function createInput(source: ByteStream): Input {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let bytes = 0
  const take: Input['take'] = async length => {
    while (bytes < length) {
      const next = await iterator.next()
      if (next.done === true) {
        if (bytes === 0) return undefined
        throw cutOff()
      }
      chunks.push(next.value)
      bytes += next.value.byteLength
    }
    const out = new Uint8Array(length)
    for (let at = 0; at < length;) {
      const chunk = chunks[0] as Uint8Array
      const part = chunk.subarray(0, length - at)
      out.set(part, at)
      at += part.byteLength
      bytes -= part.byteLength
      if (part.byteLength === chunk.byteLength) chunks.shift()
      else chunks[0] = chunk.subarray(part.byteLength)
    }
    return out
  }
  return {
    take,
    need: async length => {
      const found = length === 0 ? new Uint8Array() : await take(length)
      if (found === undefined) throw cutOff()
      return found
    },
    close: async () => void (await iterator.return?.())
  }
}
