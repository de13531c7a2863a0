/**
 * Codecs of Parquet pages: node:zlib for gzip, Brotli and Zstandard, lz4.ts for LZ4; hyparquet has Snappy. None writes more than the
 * page says it decodes to, which parquet-pages.ts has checked.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Compressors } from 'hyparquet'
import { decodeLz4Block, decodeLz4Hadoop } from './lz4.ts'

/** CompressionCodec of parquet.thrift, by number */
const NAMES = ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'LZO', 'BROTLI', 'LZ4', 'ZSTD', 'LZ4_RAW'] as const
const LZO = 3

export const DECOMPRESSORS: Compressors = {
  GZIP: bounded(gunzipSync),
  BROTLI: bounded(brotliDecompressSync),
  ZSTD: bounded(zstdDecompressSync),
  LZ4: decodeLz4Hadoop,
  LZ4_RAW: decodeLz4Block
}

/** The name of a codec that cannot be read, else undefined. */
export function unreadableCodec(codec: number): string | undefined {
  const name = NAMES[codec]
  return name === undefined ? `codec ${codec}` : codec === LZO ? name : undefined
}

// --- internal ---

type Decompress = (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array

function bounded(decompress: Decompress): (input: Uint8Array, length: number) => Uint8Array {
  // zlib takes no limit of zero; an empty page needs no decoder
  return (input, length) => (length === 0 ? new Uint8Array() : decompress(input, { maxOutputLength: length }))
}
