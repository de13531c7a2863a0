/** `coopt export --out DIR`: the files of a UnixFS directory into a folder. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { InvalidContentError } from '../../src/errors.ts'
import type { GetBlock } from '../content/dag/blocks.ts'
import { directoryEntries } from '../content/dag/directory.ts'
import { entityOf } from '../content/dag/entity.ts'
import { fileBytes } from '../content/dag/file-range.ts'
import { isSafeName, writeAll, writeNewFile } from '../store/new-file.ts'

/** A merged dataset has two levels. */
const MAX_DEPTH = 8

export interface Written {
  files: number
  bytes: number
}

/**
 * Write everything below `root` into `folder`, which is made where it does not exist. Nothing that exists is touched.
 *
 * Throws `InvalidContentError` for a name that could lead out of the folder, `InvalidInputError` for a file that exists.
 */
export async function writeFiles(
  root: CID,
  folder: string,
  get: GetBlock,
  onFile: (written: Written) => void
): Promise<Written> {
  const written: Written = { files: 0, bytes: 0 }
  const write = async (cid: CID, path: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw new InvalidContentError(`${root} has directories nested deeper than ${MAX_DEPTH}`)
    const entity = entityOf(cid, await get(cid))
    if (entity.kind === 'directory' || entity.kind === 'sharded') {
      await mkdir(path, { recursive: depth === 0 }).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'EEXIST') throw cause
      })
      for await (const entry of directoryEntries(cid, get)) {
        if (!isSafeName(entry.name))
          throw new InvalidContentError(`${cid} has an entry ${JSON.stringify(entry.name)}, which is no safe file name`)
        await write(entry.cid, join(path, entry.name), depth + 1)
      }
      return
    }
    if (entity.kind !== 'file') throw new InvalidContentError(`${cid} is neither a file nor a directory`)
    if (depth === 0) throw new InvalidContentError(`${cid} is a file, not a merged dataset`)
    await writeNewFile(path, async file => {
      for await (const part of fileBytes(cid, get, 0, entity.bytes)) {
        await writeAll(file, part)
        written.bytes += part.byteLength
      }
    })
    written.files++
    onFile(written)
  }
  await write(root, folder, 0)
  return written
}
