/**
 * `coopt export --car FILE`: everything below a root as one CAR v1, depth first, each block once. The same root gives the same file.
 */
import type { CID } from 'multiformats/cid'
import type { GetBlock } from '../content/dag/blocks.ts'
import { carHeader, carSection } from '../content/dag/car.ts'
import { walkDag } from '../content/dag/walk.ts'
import { writeAll, writeNewFile } from '../store/new-file.ts'
import type { Written } from './write-files.ts'

/** Memory: one block, and a short string for each one written. Throws what `get` throws, `InvalidInputError` when the file exists. */
export async function writeCar(
  root: CID,
  path: string,
  get: GetBlock,
  onBlock: (blocks: number) => void
): Promise<Written> {
  let bytes = 0
  await writeNewFile(path, async file => {
    const write = async (part: Uint8Array): Promise<void> => {
      await writeAll(file, part)
      bytes += part.byteLength
    }
    await write(carHeader([root]))
    let blocks = 0
    for await (const { cid, block } of walkDag(root, get, new Set())) {
      for (const part of carSection(cid, block)) await write(part)
      onBlock(++blocks)
    }
  })
  return { files: 1, bytes }
}
