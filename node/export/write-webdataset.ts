/**
 * `coopt export --webdataset DIR`: tar shards as the WebDataset library reads them, one for each shard of `data/`. A sample is
 * KEY.jpg (or .png, .webp), KEY.npy with the target and KEY.json, {"weight": number}; KEY is its id,
 * with a number where the row before has the same image. Rows without a target are left out.
 *
 * Modes and times are fixed, so the same dataset gives the same tars.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tar, { type Pack } from 'tar-stream'
import { encodeMatrix } from '../../src/bytes.ts'
import { imageKind } from '../../src/distribute/image-kind.ts'
import { InvalidContentError } from '../../src/errors.ts'
import type { MergedRow } from '../merge/merged-rows.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import { isSafeName, writeAll, writeNewFile } from '../store/new-file.ts'
import { NPY_HEADER_BYTES, npyHeader } from './npy.ts'
import type { WrittenRows } from './write-npy.ts'

export async function writeWebDataset(
  { shards }: Pick<OpenMerged, 'shards'>,
  folder: string,
  onRows: (rows: number) => void
): Promise<WrittenRows> {
  await mkdir(folder, { recursive: true })
  const written: WrittenRows = { files: 0, bytes: 0, rows: 0, withoutTarget: 0 }
  for (const { name, rows } of shards) {
    const tarName = name.replace(/\.parquet$/, '.tar')
    if (!isSafeName(tarName)) throw new InvalidContentError(`${JSON.stringify(name)} is not a safe file name`)
    await writeNewFile(join(folder, tarName), async file => {
      const pack = tar.pack()
      const packing = packRows(pack, rows(), written, onRows).catch((error: unknown) => {
        pack.destroy(error instanceof Error ? error : new Error(String(error)))
      })
      for await (const part of pack as AsyncIterable<Uint8Array>) {
        await writeAll(file, part)
        written.bytes += part.byteLength
      }
      await packing
    })
    written.files++
  }
  return written
}

// --- internal ---

async function packRows(
  pack: Pack,
  rows: AsyncIterable<MergedRow>,
  written: WrittenRows,
  onRows: (rows: number) => void
): Promise<void> {
  let last: string | undefined
  let repeated = 1
  for await (const { id, image, target, weight } of rows) {
    if (target === undefined) {
      written.withoutTarget++
      continue
    }
    // files of one name that follow each other would be one sample to a reader
    repeated = id === last ? repeated + 1 : 1
    last = id
    const key = repeated === 1 ? id : `${id}_${repeated}`
    const array = new Uint8Array(NPY_HEADER_BYTES + target.byteLength)
    array.set(npyHeader([target.length]))
    array.set(encodeMatrix({ rows: 1, columns: target.length, data: target }), NPY_HEADER_BYTES)
    await packEntry(pack, `${key}.${imageKind(image) ?? 'bin'}`, image)
    await packEntry(pack, `${key}.npy`, array)
    await packEntry(pack, `${key}.json`, new TextEncoder().encode(JSON.stringify({ weight })))
    onRows(++written.rows)
  }
  pack.finalize()
}

/** Resolves when the reader of `pack` has taken it: one sample is in memory, not a tar. */
async function packEntry(pack: Pack, name: string, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const header = { name, size: bytes.byteLength, mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }
    const entry = pack.entry(header, error => (error === undefined || error === null ? resolve() : reject(error)))
    entry.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  })
}
