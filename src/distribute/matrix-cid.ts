/** The CID that a float32 matrix has as a file, for a matrix that is computed and not yet stored. Pure and synchronous. */
import type { CID } from 'multiformats/cid'
import { encodeMatrix } from '../bytes.ts'
import { pbCid, rawCid } from '../codec.ts'
import { NumericError } from '../errors.ts'
import type { Matrix32 } from '../matrix.ts'
import { IMPORT } from './unixfs-import.ts'
import { encodeFileNode } from './unixfs-node.ts'

/** The same as importing the bytes (`importMatrix`). Throws `NumericError` above 1 GiB, which no manifest allows: that takes a second level. */
export function matrixCid(m: Matrix32): CID {
  const bytes = encodeMatrix(m)
  const count = Math.max(1, Math.ceil(bytes.byteLength / IMPORT.chunkBytes))
  if (count > IMPORT.maxLinks)
    throw new NumericError(`a matrix of ${bytes.byteLength} bytes is too large for a reference`)
  const leaves = Array.from({ length: count }, (_, i) => {
    const chunk = bytes.subarray(i * IMPORT.chunkBytes, (i + 1) * IMPORT.chunkBytes)
    return { cid: rawCid(chunk), bytes: chunk.byteLength, dagBytes: chunk.byteLength }
  })
  const [only] = leaves
  return leaves.length === 1 && only !== undefined ? only.cid : pbCid(encodeFileNode(leaves))
}
