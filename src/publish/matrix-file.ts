/** A float32 matrix as a content-addressed file: raw targets, targets on the shared set, reference features. */
import { encodeMatrix } from '../bytes.ts'
import { type ContentFile, importBytes, type PutBlock } from '../distribute/unixfs-import.ts'
import type { Matrix32 } from '../matrix.ts'

/** Import the bytes of `m` (row-major, little-endian) without a header: the record that names the file states the shape. */
export async function importMatrix(m: Matrix32, put: PutBlock): Promise<ContentFile> {
  return await importBytes([encodeMatrix(m)], put)
}
