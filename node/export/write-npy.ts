/**
 * `coopt export --npy FILE`: the targets as one float32 array [rows, n], and beside it FILE.ids.txt with the id of each row, a line
 * each, in the same order. Rows without a target are in neither.
 */
import { encodeMatrix } from '../../src/bytes.ts'
import type { MergedRows } from './merged-rows.ts'
import { NPY_HEADER_BYTES, npyHeader } from './npy.ts'
import { writeAll, writeNewFile } from './new-file.ts'
import type { Written } from './write-files.ts'

export interface WrittenRows extends Written {
  rows: number
  /** Left out */
  withoutTarget: number
}

/** Rows written at once. */
const BATCH_ROWS = 256

export async function writeNpy(
  { manifest, shards }: MergedRows,
  path: string,
  onRows: (rows: number) => void
): Promise<WrittenRows> {
  const { dimension } = manifest
  const written: WrittenRows = { files: 2, bytes: NPY_HEADER_BYTES, rows: 0, withoutTarget: 0 }
  await writeNewFile(`${path}.ids.txt`, async ids => {
    await writeNewFile(path, async array => {
      await writeAll(array, npyHeader([0, dimension]))
      const data = new Float32Array(BATCH_ROWS * dimension)
      let lines = ''
      let pending = 0
      const flush = async (): Promise<void> => {
        const bytes = encodeMatrix({ rows: pending, columns: dimension, data: data.subarray(0, pending * dimension) })
        const text = new TextEncoder().encode(lines)
        await writeAll(array, bytes)
        await writeAll(ids, text)
        written.bytes += bytes.byteLength + text.byteLength
        written.rows += pending
        pending = 0
        lines = ''
        onRows(written.rows)
      }
      for (const shard of shards) {
        for await (const { id, target } of shard.rows()) {
          if (target === undefined) {
            written.withoutTarget++
            continue
          }
          data.set(target, pending * dimension)
          lines += `${id}\n`
          if (++pending === BATCH_ROWS) await flush()
        }
      }
      await flush()
      await writeAll(array, npyHeader([written.rows, dimension]), 0)
    })
  })
  return written
}
