/**
 * The messages of an Arrow IPC file, by its footer: what lies before the first message is not the same with all writers
 * (https://github.com/apache/arrow/blob/main/format/File.fbs).
 */
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { type ArrowMessage, checkedMessage, SCHEMA } from './arrow-messages.ts'
import { rootTable, type Table } from './flatbuffer.ts'

const MAGIC = 'ARROW1'
/** A block for each of 100,000 batches, and a schema of a thousand columns. */
const MAX_FOOTER_BYTES = 16_777_216
/** Of Block: an offset, the length of the metadata in four bytes and as many of padding, the length of the body */
const BLOCK_BYTES = 24

/** The schema first, then dictionaries and batches as they lie in the file. Throws `InvalidContentError`. */
export async function* fileMessages(file: ByteRanges): AsyncGenerator<ArrowMessage> {
  const tail = await file.slice(Math.max(0, file.byteLength - 10), file.byteLength)
  if (tail.byteLength < 10 || Buffer.from(tail).toString('latin1', 4) !== MAGIC)
    throw new InvalidContentError('it does not end like an Arrow file: it was cut off')
  const length = viewOf(tail).getUint32(0, true)
  const end = file.byteLength - 10
  if (length > Math.min(end, MAX_FOOTER_BYTES)) throw new InvalidContentError(`a footer of ${length} bytes`)
  const footer = await file.slice(end - length, end)
  const root = rootTable(footer)
  yield await checkedMessage(schemaMessage(footer, root), none)
  const blocks = [...blocksOf(footer, root, 2), ...blocksOf(footer, root, 3)].sort((a, b) => a.offset - b.offset)
  for (const { offset, metadataBytes, bodyBytes } of blocks) {
    if (offset + metadataBytes + bodyBytes > end - length)
      throw new InvalidContentError(`a batch at ${offset} of ${metadataBytes + bodyBytes} bytes lies beyond the data`)
    const framed = await file.slice(offset, offset + metadataBytes)
    const prefix = viewOf(framed).getUint32(0, true) === 0xffff_ffff ? 8 : 4
    yield await checkedMessage(framed.subarray(prefix), async bytes => {
      if (bytes > bodyBytes) throw new InvalidContentError(`a batch of ${bytes} bytes, ${bodyBytes} by the footer`)
      return await file.slice(offset + metadataBytes, offset + metadataBytes + bytes)
    })
  }
}

// --- internal ---

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

async function none(length: number): Promise<Uint8Array> {
  if (length > 0) throw new InvalidContentError('a schema with a body')
  return new Uint8Array()
}

interface Block {
  readonly offset: number
  /** With the prefix of the message */
  readonly metadataBytes: number
  readonly bodyBytes: number
}

function blocksOf(footer: Uint8Array, root: Table, field: number): Block[] {
  const { length, start } = root.vector(field, BLOCK_BYTES)
  const view = viewOf(footer)
  return Array.from({ length }, (_, i) => {
    const at = start + i * BLOCK_BYTES
    const block = {
      offset: Number(view.getBigInt64(at, true)),
      metadataBytes: view.getInt32(at + 8, true),
      bodyBytes: Number(view.getBigInt64(at + 16, true))
    }
    if (block.offset < 8 || block.metadataBytes < 8 || block.metadataBytes > MAX_FOOTER_BYTES || block.bodyBytes < 0)
      throw new InvalidContentError(`a batch at ${block.offset} with ${block.metadataBytes} bytes of metadata`)
    return block
  })
}

/**
 * A message whose header is the schema of the footer: a table of its own in front of the footer, which points into it. Offsets of
 * FlatBuffers are relative, so everything below the schema stays as it is.
 */
function schemaMessage(footer: Uint8Array, root: Table): Uint8Array {
  const place = root.field(1)
  if (place === undefined) throw new InvalidContentError('a footer without a schema')
  const schema = place + viewOf(footer).getUint32(place, true)
  const version = root.field(0)
  const out = new Uint8Array(32 + footer.byteLength)
  const view = viewOf(out)
  view.setUint32(0, 16, true) // the root table
  // which fields the table at 16 has, and where: version, kind of the header, header, no body
  for (const [i, value] of [12, 12, 8, 10, 4, 0].entries()) view.setUint16(4 + 2 * i, value, true)
  view.setInt32(16, 12, true) // back to that list
  view.setUint32(20, 32 + schema - 20, true)
  view.setInt16(24, version === undefined ? 0 : viewOf(footer).getInt16(version, true), true)
  view.setUint8(26, SCHEMA)
  out.set(footer, 32)
  return out
}
