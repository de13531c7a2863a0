/**
 * The page headers of a column chunk, checked before a decoder believes them: sizes are what it allocates, counts what it loops over.
 *
 * A page is a thrift header and its bytes (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift,
 * PageHeader). Nothing is decompressed here.
 */
import type { ColumnChunk } from '../../src/distribute/parquet-footer.ts'
import { type Field, fieldOf, I32, integerOf, readStruct, STRUCT } from '../../src/distribute/thrift.ts'
import { InvalidContentError } from '../../src/errors.ts'

/** Physical type of values of one length, which may be a byte; others take four or more: a byte array has its length before its bytes */
const FIXED_LENGTH = 7

const DATA_PAGE = 0
const INDEX_PAGE = 1
const DICTIONARY_PAGE = 2
const DATA_PAGE_V2 = 3

/** Each value repeats a part of the one before: a page decodes to as much as the square of its size. */
const DELTA_BYTE_ARRAY = 7

/** Field of PageHeader that has the header of each kind of page */
const HEADER_FIELD: Readonly<Record<number, number>> = {
  [DATA_PAGE]: 5,
  [INDEX_PAGE]: 6,
  [DICTIONARY_PAGE]: 7,
  [DATA_PAGE_V2]: 8
}

/**
 * Decoded bytes of all pages in `chunk`, at most `maxBytes`.
 *
 * Throws `InvalidContentError` when pages do not fill the chunk, hold more or less values than it says, or are of no known kind.
 */
export function checkPages(chunk: Uint8Array, { path, type, values }: ColumnChunk, maxBytes: number): number {
  let bytes = 0
  let entries = 0
  for (let at = 0; at < chunk.byteLength;) {
    const { fields, end } = readStruct(chunk, at)
    const kind = need(fields, 1, path)
    const decoded = need(fields, 2, path)
    const encoded = need(fields, 3, path)
    const header = fieldOf(fields, HEADER_FIELD[kind] ?? -1, STRUCT)
    if (header === undefined || kind === INDEX_PAGE)
      throw new InvalidContentError(`the column ${path} has a page of the unknown kind ${kind}`)
    if (encoded > chunk.byteLength - end)
      throw new InvalidContentError(`the column ${path} ends within a page of ${encoded} bytes`)
    bytes += decoded
    if (bytes > maxBytes) throw new InvalidContentError(`the column ${path} decodes to more than ${maxBytes} bytes`)
    const inner = readStruct(header.value).fields
    const count = need(inner, 1, path)
    if (kind === DICTIONARY_PAGE && count > decoded / (type === FIXED_LENGTH ? 1 : 4))
      throw new InvalidContentError(`the column ${path} has a dictionary of ${count} values in ${decoded} bytes`)
    if (kind === DATA_PAGE_V2 && need(inner, 5, path) + need(inner, 6, path) > Math.min(encoded, decoded))
      throw new InvalidContentError(`the column ${path} has a page with more levels than bytes`)
    // field 2 of a data page, 4 of its second version
    if (kind !== DICTIONARY_PAGE && need(inner, kind === DATA_PAGE ? 2 : 4, path) === DELTA_BYTE_ARRAY)
      throw new InvalidContentError(
        `the column ${path} is encoded as DELTA_BYTE_ARRAY, which is not read: write the file again with the encoding PLAIN`
      )
    if (kind !== DICTIONARY_PAGE) entries += count
    if (entries > values) break
    at = end + encoded
  }
  if (entries !== values)
    throw new InvalidContentError(`the pages of the column ${path} do not hold the ${values} values it says`)
  return bytes
}

// --- internal ---

function need(fields: readonly Field[], id: number, path: string): number {
  const value = integerOf(fieldOf(fields, id, I32))
  if (value === undefined || value < 0)
    throw new InvalidContentError(`the column ${path} has a page header without field ${id}`)
  return value
}
