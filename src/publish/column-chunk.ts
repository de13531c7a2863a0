/** Shared by the columns of a shard: uncompressed PLAIN pages with levels, and their description in the footer. */
import {
  BINARY,
  binary,
  type Field,
  I32,
  i32,
  i64,
  list,
  signed,
  wrapBinary,
  writeStruct
} from '../distribute/thrift.ts'

/** Physical types of Parquet. */
export const FLOAT = 4
export const FIXED_LEN_BYTE_ARRAY = 7

export const OPTIONAL = 1
export const REPEATED = 2
export const UNCOMPRESSED = 0

/** Readers hold a page in memory; 1 MiB is the usual target of Parquet writers. */
export const PAGE_BYTES = 1_048_576

/** A page ready to be written, and how many level entries it has. */
export interface EncodedPage {
  readonly bytes: readonly Uint8Array[]
  readonly entries: number
}

/** Where a chunk lies, in bytes, and how many level entries it has. */
export interface ChunkPlace {
  readonly offset: number
  readonly byteLength: number
  readonly entries: number
}

/** ColumnMetaData of a chunk. */
export function columnMetadata(type: number, path: readonly string[], chunk: ChunkPlace): Field[] {
  return [
    i32(1, type),
    list(2, I32, [signed(PLAIN), signed(RLE)]),
    list(3, BINARY, path.map(wrapBinary)),
    i32(4, UNCOMPRESSED),
    i64(5, chunk.entries),
    i64(6, chunk.byteLength),
    i64(7, chunk.byteLength),
    i64(9, chunk.offset)
  ]
}

/** SchemaElement of a nullable column of numbers. */
export function optionalLeaf(type: number, name: string): Uint8Array {
  return writeStruct([i32(1, type), i32(3, OPTIONAL), binary(4, name)])
}

// --- internal ---

const PLAIN = 0
const RLE = 3
