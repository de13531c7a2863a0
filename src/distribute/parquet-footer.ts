/**
 * Parquet footers, read with bounds: where the footer starts, its schema, its row groups, where column chunks lie.
 *
 * A Parquet file is `PAR1 | column chunks | FileMetaData (thrift) | its length | PAR1`; chunks are found by absolute offsets
 * in the footer alone (https://github.com/apache/parquet-format). Footers are untrusted: sizes and counts are checked before anything is decoded,
 * ranges before anything is fetched. Throws `InvalidContentError`.
 */
import { InvalidContentError } from '../errors.ts'
import {
  BINARY,
  binaryOf,
  type Field,
  fieldOf,
  I32,
  I64,
  integerOf,
  LIST,
  listOf,
  readStruct,
  STRUCT,
  unwrapBinary
} from './thrift.ts'

/** A file that is read by ranges: a blockstore, a disk file, an array. `slice` gives exactly `[start, end)`. */
export interface ByteRanges {
  readonly byteLength: number
  slice(start: number, end: number): Promise<Uint8Array>
}

export const MAX_ROW_GROUPS = 100_000

/** One row group of four columns takes about 300 bytes; names and key-value texts share the first mebibyte. */
const FOOTER_BYTES_PER_ROW_GROUP = 1024
const FOOTER_BYTES = 1_048_576

/** Upper limit of a footer, regardless of its claims: 100,000 row groups of ours. */
const MAX_FOOTER_BYTES = 33_554_432

/** No image dataset has this many columns. */
const MAX_SCHEMA_ELEMENTS = 4096

/** "PAR1" */
export const MAGIC = Uint8Array.of(0x50, 0x41, 0x52, 0x31)

export interface SchemaElement {
  readonly name: string
  /** Physical type (0 boolean … 4 float, 6 byte array); undefined for a group */
  readonly type: number | undefined
  /** 0 required, 1 optional, 2 repeated; undefined for the root */
  readonly repetition: number | undefined
  /** Number of children of a group */
  readonly children: number
}

export interface Footer {
  /** Offset of the footer in the file: everything before is column chunks (and gaps) */
  readonly start: number
  /** FileMetaData, field by field */
  readonly fields: Field[]
  /** Depth-first, the root first; `rawSchema` the same elements as encoded */
  readonly schema: SchemaElement[]
  readonly rawSchema: Uint8Array[]
  readonly rows: number
  /** Encoded RowGroup structs: decoded one by one with `rowGroupOf` */
  readonly rowGroups: Uint8Array[]
}

/** Where a column chunk lies and how it is encoded. */
export interface ColumnChunk {
  readonly path: string
  readonly type: number
  /** 0 is uncompressed */
  readonly codec: number
  /** Values with nulls, or level entries of a nested column */
  readonly values: number
  /** First page, a dictionary page included */
  readonly offset: number
  readonly byteLength: number
}

export interface RowGroup {
  readonly fields: Field[]
  /** Encoded ColumnChunk structs */
  readonly rawColumns: Uint8Array[]
  readonly columns: ColumnChunk[]
  readonly rows: number
}

/** Fetch and decode the footer of `file`. */
export async function readFooter(file: ByteRanges): Promise<Footer> {
  const { byteLength } = file
  if (byteLength < 12) throw new InvalidContentError(`${byteLength} bytes are not a Parquet file`)
  const tail = await file.slice(byteLength - 8, byteLength)
  const length = new DataView(tail.buffer, tail.byteOffset, 8).getUint32(0, true)
  if (MAGIC.some((byte, i) => tail[4 + i] !== byte))
    throw new InvalidContentError('the file does not end like a Parquet file')
  if (length > Math.min(byteLength - 12, MAX_FOOTER_BYTES)) {
    throw new InvalidContentError(`a Parquet footer of ${length} bytes in a file of ${byteLength}`)
  }
  const start = byteLength - 8 - length
  const bytes = await file.slice(start, start + length)
  const { fields } = readStruct(bytes)
  // 8 encryption algorithm, 9 footer key
  if (fields.some(field => field.id === 8 || field.id === 9))
    throw new InvalidContentError('the Parquet file is encrypted')
  const rawSchema = need(listOf(fieldOf(fields, 2, LIST), MAX_SCHEMA_ELEMENTS), 'schema').items
  const rowGroups = need(listOf(fieldOf(fields, 4, LIST), MAX_ROW_GROUPS), 'row groups').items
  if (length > FOOTER_BYTES + rowGroups.length * FOOTER_BYTES_PER_ROW_GROUP) {
    throw new InvalidContentError(`a Parquet footer of ${length} bytes for ${rowGroups.length} row groups`)
  }
  const rows = need(integerOf(fieldOf(fields, 3, I64)), 'row count')
  return { start, fields, schema: rawSchema.map(schemaElement), rawSchema, rows, rowGroups }
}

/** Decode one row group. Every column chunk is checked to lie between the magic bytes and the footer. */
export function rowGroupOf(encoded: Uint8Array, footer: Footer): RowGroup {
  const { fields } = readStruct(encoded)
  const rawColumns = need(listOf(fieldOf(fields, 1, LIST), MAX_SCHEMA_ELEMENTS), 'columns of a row group').items
  const rows = need(integerOf(fieldOf(fields, 3, I64)), 'rows of a row group')
  if (rows < 0) throw new InvalidContentError(`a Parquet row group of ${rows} rows`)
  // without rows there are no bytes, which writers express in various ways
  const columns = rows === 0 ? [] : rawColumns.map(raw => columnChunk(raw, footer.start))
  return { fields, rawColumns, columns, rows }
}

// --- internal ---

function schemaElement(encoded: Uint8Array): SchemaElement {
  const { fields } = readStruct(encoded)
  return {
    type: integerOf(fieldOf(fields, 1, I32)),
    repetition: integerOf(fieldOf(fields, 3, I32)),
    name: text(need(binaryOf(fieldOf(fields, 4, BINARY)), 'name of a column')),
    children: integerOf(fieldOf(fields, 5, I32)) ?? 0
  }
}

function columnChunk(encoded: Uint8Array, footerStart: number): ColumnChunk {
  const { fields } = readStruct(encoded)
  if (fields.some(field => field.id === 1)) throw new InvalidContentError('a Parquet column lies in another file')
  const meta = readStruct(need(fieldOf(fields, 3, STRUCT), 'metadata of a column').value).fields
  const integer = (id: number, type: number, what: string) => need(integerOf(fieldOf(meta, id, type)), what)
  const path = need(listOf(fieldOf(meta, 3, LIST), 16), 'path of a column').items.map(item => text(unwrapBinary(item)))
  const data = integer(9, I64, 'offset of a column')
  const offset = Math.min(data, integerOf(fieldOf(meta, 11, I64)) || data)
  const byteLength = integer(7, I64, 'size of a column')
  if (offset < MAGIC.byteLength || byteLength < 0 || byteLength > footerStart - offset) {
    throw new InvalidContentError(`the Parquet column ${path.join('.')} lies at ${offset} with ${byteLength} bytes`)
  }
  return {
    path: path.join('.'),
    type: integer(1, I32, 'type of a column'),
    codec: integer(4, I32, 'codec of a column'),
    values: integer(5, I64, 'number of values'),
    offset,
    byteLength
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new InvalidContentError(`the Parquet footer has no ${what}`)
  return value
}
