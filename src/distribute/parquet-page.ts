/**
 * Data pages of version 2, uncompressed and PLAIN: the only ones in our own files. Throws `InvalidContentError` on others.
 *
 * A page is a thrift header, repetition levels, definition levels, values
 * (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, PageHeader).
 */
import { InvalidContentError } from '../errors.ts'
import { fieldOf, i32, I32, integerOf, readStruct, STRUCT, struct, writeStruct } from './thrift.ts'

const DATA_PAGE_V2 = 3
const PLAIN = 0

export interface Page {
  /** Level entries: values and nulls */
  readonly entries: number
  readonly nulls: number
  readonly rows: number
  readonly repetition: Uint8Array
  readonly definition: Uint8Array
  /** PLAIN encoded values */
  readonly values: Uint8Array
}

/** The pages of one column chunk, in order. Views, not copies. */
export function* readPages(chunk: Uint8Array): Generator<Page> {
  for (let at = 0; at < chunk.byteLength;) {
    const { fields, end } = readStruct(chunk, at)
    const header = integers(fields, [1, 2, 3])
    const v2 = fieldOf(fields, 8, STRUCT)
    if (header[0] !== DATA_PAGE_V2 || v2 === undefined)
      throw new InvalidContentError('not a Parquet data page of version 2')
    const [entries, nulls, rows, encoding, definition, repetition] = integers(
      readStruct(v2.value).fields,
      [1, 2, 3, 4, 5, 6]
    )
    const [, plainBytes, bytes] = header
    if (encoding !== PLAIN || plainBytes !== bytes)
      throw new InvalidContentError('a Parquet page that is compressed or not PLAIN')
    if (bytes > chunk.byteLength - end || repetition + definition > bytes || nulls > entries || rows > entries) {
      throw new InvalidContentError(`a Parquet page whose header does not fit: ${bytes} bytes, ${entries} entries`)
    }
    yield {
      entries,
      nulls,
      rows,
      repetition: chunk.subarray(end, end + repetition),
      definition: chunk.subarray(end + repetition, end + repetition + definition),
      values: chunk.subarray(end + repetition + definition, end + bytes)
    }
    at = end + bytes
  }
}

/** The header that belongs before the levels and values of `page`. */
export function pageHeader(page: Page): Uint8Array {
  const bytes = page.repetition.byteLength + page.definition.byteLength + page.values.byteLength
  return writeStruct([
    i32(1, DATA_PAGE_V2),
    i32(2, bytes),
    i32(3, bytes),
    struct(8, [
      i32(1, page.entries),
      i32(2, page.nulls),
      i32(3, page.rows),
      i32(4, PLAIN),
      i32(5, page.definition.byteLength),
      i32(6, page.repetition.byteLength)
    ])
  ])
}

/** PLAIN byte arrays: each a 32-bit length and its bytes. The page must hold exactly `count` of them. */
export function* readByteArrays(page: Page): Generator<Uint8Array> {
  const { values } = page
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  let at = 0
  for (let i = 0; i < page.entries; i++) {
    const length = at + 4 <= values.byteLength ? view.getUint32(at, true) : Infinity
    if (length > values.byteLength - at - 4) throw new InvalidContentError('a Parquet page ends within a value')
    yield values.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
  if (at !== values.byteLength) throw new InvalidContentError('a Parquet page with bytes after its last value')
}

// --- internal ---

/** The i32 fields of these ids, none missing or negative. */
function integers<const T extends readonly number[]>(
  fields: ReturnType<typeof readStruct>['fields'],
  ids: T
): { [K in keyof T]: number } {
  const found = ids.map(id => {
    const value = integerOf(fieldOf(fields, id, I32))
    if (value === undefined || value < 0)
      throw new InvalidContentError(`a Parquet page header without a proper field ${id}`)
    return value
  })
  return found as { [K in keyof T]: number }
}
