/** Small tables of vectors as NumPy, safetensors and Parquet have them, of images that are never looked at. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer'
import { onTestFinished } from 'vitest'
import { npyHeader } from '../../node/export/npy.ts'
import { loadPrior, type LoadPriorOptions } from '../../node/priors/load-prior.ts'
import { rawCid } from '../../src/codec.ts'
import type { PriorModel } from '../../src/optimize/prior.ts'

export const images = Array.from({ length: 7 }, (_, i) => Buffer.from(`image ${i}`))
export const cids = images.map(bytes => rawCid(bytes).toString())
export const hashes = images.map(bytes => createHash('sha256').update(bytes).digest('hex'))
export const vectors = images.map((_, i) => [i, i + 0.5, -i])
/** Numbers of a vector. */
export const l = 3
/** An image that no table has. */
export const unknown = rawCid(Uint8Array.of(9)).toString()

export async function put(folder: string, name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, bytes)
  return path
}

export const npy = (rows: readonly number[][]): Uint8Array =>
  Buffer.concat([npyHeader([rows.length, rows[0]?.length ?? 0]), new Uint8Array(Float32Array.from(rows.flat()).buffer)])

export function safetensors(rows: readonly number[][], name = 'embeddings'): Uint8Array {
  const data = new Uint8Array(Float16Array.from(rows.flat()).buffer)
  const tensor = { dtype: 'F16', shape: [rows.length, l], data_offsets: [0, data.byteLength] }
  const text = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, [name]: tensor }))
  return Buffer.concat([new Uint8Array(BigUint64Array.of(BigInt(text.byteLength)).buffer), text, data])
}

export function strings(texts: readonly string[]): Uint8Array {
  const width = Math.max(...texts.map(text => text.length))
  const head = `{'descr': '<U${width}', 'fortran_order': False, 'shape': (${texts.length},), }\n`
  const points = texts.flatMap(text => Array.from({ length: width }, (_, i) => text.codePointAt(i) ?? 0))
  const prefix = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length, 0)
  return Buffer.concat([prefix, Buffer.from(head), new Uint8Array(Uint32Array.from(points).buffer)])
}

export const parquet = (columns: Record<string, unknown[]>, rowGroupSize = 3): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      rowGroupSize,
      schema: [
        { name: 'root', num_children: Object.keys(columns).length },
        ...Object.entries(columns).flatMap(([name, data]): SchemaElement[] =>
          typeof data[0] === 'string'
            ? [
                {
                  name,
                  type: 'BYTE_ARRAY',
                  converted_type: 'UTF8',
                  repetition_type: 'OPTIONAL'
                }
              ]
            : [
                { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
                { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
                { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' }
              ]
        )
      ],
      columnData: Object.entries(columns).map(([name, data]) => ({ name, data }))
    })
  )

/** Closed at the end of the test. */
export async function open(path: string, options: LoadPriorOptions = {}): Promise<PriorModel> {
  const prior = await loadPrior(path, { ...options })
  onTestFinished(async () => await prior.close())
  return prior
}

/** The vector of each image, undefined where it is absent. */
export async function rowsOf(prior: PriorModel, ids: readonly string[]): Promise<(number[] | undefined)[]> {
  const { features, absent } = await prior.embed(ids.map(id => ({ id, bytes: new Uint8Array(0) })))
  return ids.map((_, i) => (absent[i] === true ? undefined : [...features.data.subarray(i * l, (i + 1) * l)]))
}
