/** The files of a UnixFS directory into a folder: `coopt export --out DIR`, `coopt merge --out DIR`. */
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { MAX_PARTITION_BYTES, MAX_PARTITIONS } from '../../src/distribute/manifest.ts'
import { InvalidContentError } from '../../src/errors.ts'
import { MAX_BUNDLE_BYTES } from '../../src/publish/bundle.ts'
import type { GetBlock } from '../content/dag/blocks.ts'
import { directoryEntries } from '../content/dag/directory.ts'
import { entityOf } from '../content/dag/entity.ts'
import { fileBytes } from '../content/dag/file-range.ts'
import { createPool } from '../process/pool.ts'
import { isSafeName, writeAll, writeNewFolder } from '../store/new-file.ts'

/** Sixteen times the partitions that a dataset may have: a few blocks that link each other can stand for any number of files and folders. */
const MAX_ENTRIES = 16 * MAX_PARTITIONS

/** Nothing in a merged dataset is larger: a shard is a partition and its targets. */
const MAX_FILE_BYTES = Math.max(2 * MAX_PARTITION_BYTES, MAX_BUNDLE_BYTES)

/** A merged dataset has four levels: `priors/CID/golden/0.png`. */
const MAX_DEPTH = 8

/** Files written at once, each with one block in memory: a sync of each takes the disk some milliseconds, and a dataset may have thousands. */
const CONCURRENCY = 16

export interface Written {
  files: number
  bytes: number
}

/**
 * Write everything below `root` into a new or empty `folder`; nothing is left there when it fails. A directory in the project's layout, added
 * to IPFS with the pinned settings, has the CID `root` again.
 *
 * Throws `InvalidInputError` for a folder that is not new or empty, `InvalidContentError` for a name that could lead out of it or comes
 * twice, and for anything but files and directories.
 */
export async function writeFiles(
  root: CID,
  folder: string,
  get: GetBlock,
  onFile: (written: Written) => void
): Promise<Written> {
  const written: Written = { files: 0, bytes: 0 }
  if (entityOf(root, await get(root)).kind === 'file')
    throw new InvalidContentError(`${root} is a file, not a merged dataset`)
  let entries = 0
  await writeNewFolder(folder, async out => {
    const pool = createPool(CONCURRENCY)
    const write = async (cid: CID, path: string, depth: number): Promise<void> => {
      if (depth > MAX_DEPTH) throw new InvalidContentError(`${root} has directories nested deeper than ${MAX_DEPTH}`)
      if (++entries > MAX_ENTRIES) throw new InvalidContentError(`${root} has more than ${MAX_ENTRIES} entries`)
      const entity = entityOf(cid, await get(cid))
      if (entity.kind === 'directory' || entity.kind === 'sharded') {
        if (depth > 0) await out.directory(path)
        const names = new Set<string>()
        for await (const { name, cid: child } of directoryEntries(cid, get)) {
          if (!isSafeName(name) || names.has(name))
            throw new InvalidContentError(
              `${cid} has an entry ${JSON.stringify(name)}, which ${names.has(name) ? 'comes twice' : 'is not a safe file name'}`
            )
          names.add(name)
          await write(child, join(path, name), depth + 1)
        }
        return
      }
      if (entity.kind !== 'file') throw new InvalidContentError(`${cid} is neither a file nor a directory`)
      if (entity.bytes > MAX_FILE_BYTES)
        throw new InvalidContentError(
          `${path} has ${entity.bytes} bytes, a file of a dataset at most ${MAX_FILE_BYTES}`
        )
      await pool.add(async () => {
        await out.file(path, async file => {
          for await (const part of fileBytes(cid, get, 0, entity.bytes)) {
            await writeAll(file, part)
            written.bytes += part.byteLength
          }
        })
        written.files++
        onFile(written)
      })
    }
    try {
      await write(root, '', 0)
    } finally {
      await pool.done() // what was written is removed after a failure: nothing may be written later
    }
  })
  return written
}
