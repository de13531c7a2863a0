/**
 * The directory of a block store: whole block files appear by rename, vanish by unlink or into quarantine, and their bytes are
 * counted. It does not deal with codecs, faults or bitswap, which `durable-blockstore.ts` handles.
 */
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { isBlockName, isShardName, MAX_BLOCK_BYTES, MAX_QUARANTINED, type BlockFile } from './block-files.ts'
import type { DiskSpace } from './disk-space.ts'
import {
  DIRECTORY_MODE,
  errorCode,
  FILE_MODE,
  readFully,
  removeAfter,
  removeIfPresent,
  storeError,
  syncDirectory,
  writeFully,
  type FileSystem
} from './file-system.ts'

export interface BlockDirectory {
  /** Contents, or undefined if longer than a block can be. Rejects with the error of the file system. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Write `bytes` to `file`, replacing `replaced` bytes of an older version. Rejects with an error that names the path. */
  write(file: BlockFile, bytes: Uint8Array, replaced: number): Promise<void>
  remove(path: string): Promise<void>
  /** Move a damaged file to quarantine, where readers do not find it. */
  quarantine(file: BlockFile): Promise<void>
  /** Names of all blocks */
  names(): AsyncGenerator<string>
}

/** Create missing directories, empty `tmp/`, count bytes. Rejects with the error of the file system. */
export async function openBlockDirectory(fs: FileSystem, root: string, space: DiskSpace): Promise<BlockDirectory> {
  const temporaries = join(root, 'tmp')
  const aside = join(root, 'quarantine')
  const makeDirectory = (path: string) => fs.mkdir(path, { recursive: true, mode: DIRECTORY_MODE })

  for (const path of [temporaries, aside]) await makeDirectory(path)
  await syncDirectory(fs, root)
  await syncDirectory(fs, dirname(root))
  for (const name of await fs.readdir(temporaries)) await removeIfPresent(fs, join(temporaries, name))

  let quarantined = (await fs.readdir(aside)).length
  const shards = new Set((await fs.readdir(root)).filter(isShardName))
  for (const shard of shards) {
    const names = (await fs.readdir(join(root, shard))).filter(isBlockName)
    const sizes = await Promise.all(names.map(async name => (await fs.stat(join(root, shard, name))).size))
    space.add(sizes.reduce((sum, size) => sum + size, 0))
  }
  let written = 0

  return {
    read: path => readFully(fs, path, MAX_BLOCK_BYTES),

    write: async (file, bytes, replaced) => {
      const temporary = join(temporaries, `${written++}-${randomBytes(6).toString('hex')}`)
      try {
        const handle = await fs.open(temporary, 'wx', FILE_MODE)
        try {
          await writeFully(handle, bytes, 0)
        } finally {
          await handle.close()
        }
        if (!shards.has(file.shard)) {
          await makeDirectory(join(root, file.shard))
          shards.add(file.shard)
        }
        await fs.rename(temporary, file.path)
        space.add(bytes.byteLength - replaced)
      } catch (error) {
        throw await removeAfter(storeError(error, 'store a block in', file.path), fs, temporary)
      }
    },

    remove: async path => {
      const { size } = await fs.stat(path)
      await fs.unlink(path)
      space.add(-size)
    },

    quarantine: async file => {
      const { size } = await fs.stat(file.path)
      if (quarantined >= MAX_QUARANTINED) await fs.unlink(file.path)
      else await fs.rename(file.path, join(aside, `${file.name}.${randomBytes(4).toString('hex')}`))
      quarantined++
      space.add(-size)
    },

    names: async function* () {
      for (const shard of [...shards].sort()) {
        let names: string[] = []
        try {
          names = await fs.readdir(join(root, shard))
        } catch (error) {
          if (errorCode(error) !== 'ENOENT') throw storeError(error, 'list', join(root, shard))
        }
        yield* names.filter(isBlockName)
      }
    }
  }
}
