/**
 * `coopt export --npy FILE`: the targets as one float32 array [rows, n], and beside it FILE.weights.npy, float32 [rows], and FILE.ids.txt
 * with the id of each row, a line each, all in the same order. Rows without a target are in none of them.
 */
import type { FileHandle } from 'node:fs/promises'
import { encodeMatrix } from '../../src/bytes.ts'
import type { OpenMerged } from '../merge/open-merged.ts'
import { NPY_HEADER_BYTES, npyHeader } from './npy.ts'
import { writeAll, writeNewFile } from '../store/new-file.ts'
import type { Written } from './write-files.ts'

export interface WrittenRows extends Written {
  rows: number
  /** Left out */
  withoutTarget: number
}

/** Everything that is written for `path`. */
export function npyFiles(path: string): [array: string, weights: string, ids: string] {
  return [path, `${path}.weights.npy`, `${path}.ids.txt`]
}

/** Rows written at once. */
const BATCH_ROWS = 256

export async function writeNpy(
  { manifest, shards }: Pick<OpenMerged, 'manifest' | 'shards'>,
  path: string,
  onRows: (rows: number) => void
): Promise<WrittenRows> {
  const { dimension } = manifest
  const written: WrittenRows = { files: 3, bytes: 2 * NPY_HEADER_BYTES, rows: 0, withoutTarget: 0 }
  const [arrayPath, weightsPath, idsPath] = npyFiles(path)
  const write = async (array: FileHandle, weights: FileHandle, ids: FileHandle): Promise<void> => {
    await writeAll(array, npyHeader([0, dimension]))
    await writeAll(weights, npyHeader([0]))
    const data = new Float32Array(BATCH_ROWS * dimension)
    const share = new Float32Array(BATCH_ROWS)
    let lines = ''
    let pending = 0
    const flush = async (): Promise<void> => {
      const parts: Array<[FileHandle, Uint8Array]> = [
        [array, encodeMatrix({ rows: pending, columns: dimension, data: data.subarray(0, pending * dimension) })],
        [weights, encodeMatrix({ rows: pending, columns: 1, data: share.subarray(0, pending) })],
        [ids, new TextEncoder().encode(lines)]
      ]
      for (const [file, bytes] of parts) {
        await writeAll(file, bytes)
        written.bytes += bytes.byteLength
      }
      written.rows += pending
      pending = 0
      lines = ''
      onRows(written.rows)
    }
    for (const shard of shards) {
      for await (const { id, target, weight } of shard.rows()) {
        if (target === undefined) {
          written.withoutTarget++
          continue
        }
        data.set(target, pending * dimension)
        share[pending] = weight
        lines += `${id}\n`
        if (++pending === BATCH_ROWS) await flush()
      }
    }
    await flush()
    await writeAll(array, npyHeader([written.rows, dimension]), 0)
    await writeAll(weights, npyHeader([written.rows]), 0)
  }
  await writeNewFile(idsPath, async ids => {
    await writeNewFile(weightsPath, async weights => {
      await writeNewFile(arrayPath, async array => await write(array, weights, ids))
    })
  })
  return written
}
