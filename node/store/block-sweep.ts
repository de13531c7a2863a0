/** The second half of a garbage collection: deletes the blocks that are not needed, one at a time, concurrently with puts and reads. */
import type { Barrier } from './block-barrier.ts'
import type { BlockDirectory } from './block-directory.ts'
import { fileNamed, type BlockFile } from './block-files.ts'
import { errorCode, storeError, type FileSystem } from './file-system.ts'

export interface SweepParts {
  root: string
  fs: FileSystem
  directory: BlockDirectory
  barrier: Barrier
  /** Run while nothing else is done to the file */
  alone(file: BlockFile, action: () => Promise<void>): Promise<void>
  /** Asked while nothing else is done to the file */
  isHeld(name: string): boolean
}

/** Yields the size of each deleted block; with `dryRun` nothing is deleted. Rejects with an error that names the path. */
export async function* sweepBlocks(
  needed: ReadonlySet<string>,
  dryRun: boolean,
  { root, fs, directory, barrier, alone, isHeld }: SweepParts
): AsyncGenerator<number> {
  for await (const name of directory.names()) {
    const file = fileNamed(root, name)
    if (file === undefined || needed.has(name)) continue
    let freed: number | undefined
    await alone(file, async () => {
      if (isHeld(name)) return
      try {
        freed = (await fs.stat(file.path)).size
        if (dryRun) return
        await directory.remove(file.path)
        barrier.forget(name)
      } catch (error) {
        freed = undefined
        if (errorCode(error) !== 'ENOENT') throw storeError(error, 'delete', file.path)
      }
    })
    if (freed !== undefined) yield freed
  }
}
