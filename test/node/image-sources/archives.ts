/** Archives of images for tests. */
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { binary, columnFromArray, type DataType, tableFromColumns, tableToIPC } from '@uwdata/flechette'
import { parquetWriteBuffer } from 'hyparquet-writer'
import tar from 'tar-stream'

export async function writeTar(path: string, files: Record<string, Uint8Array | string>): Promise<string> {
  const pack = tar.pack()
  const out = createWriteStream(path)
  pack.pipe(out)
  for (const [name, bytes] of Object.entries(files)) pack.entry({ name }, Buffer.from(bytes))
  pack.finalize()
  await finished(out)
  return path
}

export interface RawEntry {
  name: string
  bytes?: Uint8Array | string
  /** One character: 0 file, 1 hard link, 2 symbolic link, 5 folder, L long name of GNU, x headers of PAX */
  type?: string
  linkname?: string
  /** What stands at 257: nothing for v7, "ustar" with two zeros or spaces */
  magic?: string
}

/** A tar block by block, without the blocks of zeros at its end when `isOpen`. */
export function rawTar(entries: readonly RawEntry[], isOpen = false): Uint8Array {
  const parts: Buffer[] = []
  for (const { name, bytes = '', type = '0', linkname = '', magic = '' } of entries) {
    const content = Buffer.from(bytes)
    const header = Buffer.alloc(512)
    header.write(name, 0, 100, 'utf8')
    for (const [at, value, length] of [
      [100, '0000644', 8],
      [108, '0000000', 8],
      [116, '0000000', 8],
      [124, content.byteLength.toString(8).padStart(11, '0'), 12],
      [136, '00000000000', 12],
      [148, '        ', 8]
    ] as const)
      header.write(value, at, length, 'latin1')
    header.write(type, 156, 1, 'latin1')
    header.write(linkname, 157, 100, 'utf8')
    header.write(magic, 257, 8, 'latin1')
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      8,
      'latin1'
    )
    parts.push(header, content, Buffer.alloc(-content.byteLength & 511))
  }
  return new Uint8Array(Buffer.concat([...parts, Buffer.alloc(isOpen ? 0 : 1024)]))
}

export type TestCodec = 'UNCOMPRESSED' | 'SNAPPY' | 'GZIP' | 'BROTLI' | 'ZSTD' | 'LZ4' | 'LZ4_RAW'

const compressors = {
  GZIP: (bytes: Uint8Array) => gzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliCompressSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes),
  LZ4: (bytes: Uint8Array) => hadoop(bytes, literals(bytes)),
  LZ4_RAW: (bytes: Uint8Array) => literals(bytes)
}

/** A block of LZ4 without matches. */
export function literals(bytes: Uint8Array): Uint8Array {
  const length: number[] = []
  for (let rest = bytes.byteLength - 15; rest >= 0; rest -= 255) length.push(Math.min(rest, 255))
  return Uint8Array.from([Math.min(bytes.byteLength, 15) << 4, ...length, ...bytes])
}

function hadoop(bytes: Uint8Array, block: Uint8Array): Uint8Array {
  const out = Buffer.alloc(8 + block.byteLength)
  out.writeUInt32BE(bytes.byteLength, 0)
  out.writeUInt32BE(block.byteLength, 4)
  out.set(block, 8)
  return out
}

export interface ParquetShape {
  codec?: TestCodec
  rowGroupSize?: number
  /** Struct of bytes and path, as `datasets` writes it; of data and origin, as Spark does; plain binary; lists of two such structs */
  layout?: 'struct' | 'data' | 'binary' | 'list'
  column?: string
}

/** A Parquet file with an image column between two others; null for a row without image. */
export async function writeParquet(
  path: string,
  images: readonly (Uint8Array | null)[],
  { codec = 'UNCOMPRESSED', rowGroupSize = 1000, layout = 'struct', column = 'image' }: ParquetShape = {}
): Promise<string> {
  const leaf = layout === 'data' ? 'data' : 'bytes'
  const struct = [
    { name: leaf, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
    { name: 'path', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
  ] as const
  const valueOf = (bytes: Uint8Array | null, i: number): unknown => ({ [leaf]: bytes, path: `tabby_${i}.jpg` })
  const file = parquetWriteBuffer({
    codec,
    compressors,
    rowGroupSize,
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'label', type: 'INT32', repetition_type: 'OPTIONAL' },
      ...(layout === 'binary'
        ? ([{ name: column, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }] as const)
        : layout === 'list'
          ? ([
              { name: column, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
              { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
              { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
              ...struct
            ] as const)
          : ([{ name: column, repetition_type: 'OPTIONAL', num_children: 2 }, ...struct] as const)),
      { name: 'text', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
    ],
    columnData: [
      { name: 'label', data: images.map((_, i) => i) },
      {
        name: column,
        data:
          layout === 'binary'
            ? [...images]
            : layout === 'list'
              ? images.map((bytes, i) => (bytes === null ? [] : [valueOf(bytes, i), valueOf(bytes, i)]))
              : images.map(valueOf)
      },
      { name: 'text', data: images.map((_, i) => `caption ${i}`) }
    ]
  })
  await writeFile(path, new Uint8Array(file))
  return path
}

export interface ArrowShape {
  format?: 'file' | 'stream'
  type?: DataType
  rowsPerBatch?: number
  column?: string
}

/** An Arrow file or stream of one column. */
export function arrowBytes(
  values: readonly unknown[],
  { format = 'file', type = binary(), rowsPerBatch = 1000, column = 'image' }: ArrowShape = {}
): Uint8Array {
  const table = tableFromColumns({ [column]: columnFromArray([...values], type, { maxBatchRows: rowsPerBatch }) })
  const bytes = tableToIPC(table, { format })
  if (bytes === null) throw new Error('no Arrow was written')
  return bytes
}
