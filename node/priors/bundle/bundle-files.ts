/** Turns the files of a bundle into UnixFS blocks: one order, one CID, whether they come from a folder or were just made. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { CID } from 'multiformats/cid'
import { directoryNode, type DirectoryEntry } from '../../../src/distribute/unixfs-directory.ts'
import { importBytes, type ContentFile, type PutBlock } from '../../../src/distribute/unixfs-import.ts'
import { InvalidPriorError } from '../../../src/errors.ts'
import { GOLDEN_FOLDER, MODEL_FILE } from '../../../src/publish/bundle.ts'
import { sha256Cid } from '../../compute/inference/file-cid.ts'

export interface BundleFiles {
  /** Where the model is on this machine, and its CID when it was scanned */
  readonly model: { readonly path: string; readonly cid: CID }
  /** All other files by their path in the bundle, `golden/…` among them */
  readonly small: ReadonlyMap<string, Uint8Array>
}

/** Memory: one chunk of the model. Throws `InvalidPriorError` when the model file has changed meanwhile. */
export async function storeBundle({ model, small }: BundleFiles, put: PutBlock): Promise<ContentFile> {
  const hash = createHash('sha256')
  const hashed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of createReadStream(model.path) as AsyncIterable<Buffer>) {
      hash.update(chunk)
      yield chunk
    }
  }
  const top: DirectoryEntry[] = [{ name: MODEL_FILE, file: await importBytes(hashed(), put) }]
  if (!sha256Cid(hash.digest()).equals(model.cid))
    throw new InvalidPriorError(`${model.path} changed while it was read: try again`)
  const golden: DirectoryEntry[] = []
  for (const [path, bytes] of small) {
    const inFolder = path.startsWith(`${GOLDEN_FOLDER}/`)
    const entry = {
      name: inFolder ? path.slice(GOLDEN_FOLDER.length + 1) : path,
      file: await importBytes([bytes], put)
    }
    if (inFolder) golden.push(entry)
    else top.push(entry)
  }
  const folder = directoryNode(golden)
  const root = directoryNode([...top, { name: GOLDEN_FOLDER, file: folder.file }])
  for (const { block } of [folder, root]) await put(block.cid, block.bytes)
  return root.file
}
