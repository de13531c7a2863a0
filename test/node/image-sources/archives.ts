/** Archives of images for tests. */
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
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

export interface ParquetShape {
  codec?: 'UNCOMPRESSED' | 'SNAPPY'
  rowGroupSize?: number
  /** Struct of bytes and path, as `datasets` writes it; else plain binary */
  layout?: 'struct' | 'binary'
  column?: string
}

/** A Parquet file with an image column between two others; null for a row without image. */
export async function writeParquet(
  path: string,
  images: readonly (Uint8Array | null)[],
  { codec = 'UNCOMPRESSED', rowGroupSize = 1000, layout = 'struct', column = 'image' }: ParquetShape = {}
): Promise<string> {
  const isStruct = layout === 'struct'
  const file = parquetWriteBuffer({
    codec,
    rowGroupSize,
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'label', type: 'INT32', repetition_type: 'OPTIONAL' },
      ...(isStruct
        ? ([
            { name: column, repetition_type: 'OPTIONAL', num_children: 2 },
            { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
            { name: 'path', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
          ] as const)
        : ([{ name: column, type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' }] as const)),
      { name: 'text', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }
    ],
    columnData: [
      { name: 'label', data: images.map((_, i) => i) },
      { name: column, data: isStruct ? images.map((bytes, i) => ({ bytes, path: `tabby_${i}.jpg` })) : [...images] },
      { name: 'text', data: images.map((_, i) => `caption ${i}`) }
    ]
  })
  await writeFile(path, new Uint8Array(file))
  return path
}
