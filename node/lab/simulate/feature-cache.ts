/**
 * psi(x) of all images for every prior of a plan: computed once and cached in a file per prior and image set.
 *
 * A file is named after its inputs (identity of psi, hash of the list of image CIDs), holds rows, columns, the float32 numbers and their sha2-256,
 * and is written atomically. Damaged files are recomputed.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { ABSENT, encodeMatrix } from '../../../src/bytes.ts'
import { matrix, type Matrix32 } from '../../../src/matrix.ts'
import { priorIdentity } from '../../../src/optimize/prior.ts'
import { loadPrior } from '../../priors/load-prior.ts'
import { sha256Cid } from '../../compute/inference/file-cid.ts'
import { writeFileAtomic } from '../../store/atomic-file.ts'
import { errorCode } from '../../store/file-system.ts'
import type { ImageLabels, ImageSet } from './image-set.ts'
import type { PriorKind } from '../../../src/optimize/prior-kind.ts'

/** A prior in a simulation: its features of every image. */
export interface PriorFeatures {
  readonly name: string
  readonly kind: PriorKind
  /** `priorIdentity` */
  readonly id: CID
  /** images x l, in the order of the image set; rows without a label are absent */
  readonly features: Matrix32
}

export interface FeatureOptions {
  /** Folder of the files */
  readonly cache: string
  readonly threads: number
  readonly signal: AbortSignal
  onProgress(done: number, total: number): void
}

/** Images per call of a prior: a node's default, because the last digits of a model may depend on it. */
const BATCH = 32

/** Throws what `loadPrior` and `embed` throw. */
export async function featuresOf(
  name: string,
  path: string,
  images: ImageSet,
  { cache, threads, signal, onProgress }: FeatureOptions
): Promise<PriorFeatures> {
  const prior = await loadPrior(path, { threads, name })
  try {
    const { kind, dimension } = prior.descriptor
    const id = priorIdentity(prior.descriptor)
    const file = join(cache, `${id}-${images.digest}.features`)
    const known = await readFeatures(file, images.count, dimension)
    if (known !== undefined) return { name, kind, id, features: known }
    const features = matrix(images.count, dimension, new Float32Array(images.count * dimension))
    for (let start = 0; start < images.count; start += BATCH) {
      signal.throwIfAborted()
      const rows = Array.from({ length: Math.min(BATCH, images.count - start) }, (_, i) => start + i)
      const batch = await prior.embed(await Promise.all(rows.map(i => images.read(i))), { signal })
      features.data.set(batch.features.data, start * dimension)
      for (const [i, absent] of batch.absent.entries())
        if (absent) features.data.set(ABSENT(dimension), (start + i) * dimension)
      onProgress(start + rows.length, images.count)
    }
    await mkdir(cache, { recursive: true, mode: 0o700 })
    await writeFileAtomic(file, encodeFeatures(features))
    return { name, kind, id, features }
  } finally {
    await prior.close()
  }
}

/** People who give every image its label: one-hot rows. */
export function humanFeatures(name: string, { classes, names, digest }: ImageLabels): PriorFeatures {
  const features = matrix(classes.length, names.length, new Float32Array(classes.length * names.length))
  classes.forEach((label, i) => {
    if (label < 0) features.data.set(ABSENT(names.length), i * names.length)
    else features.data[i * names.length + label] = 1
  })
  return { name, kind: 'human', id: sha256Cid(digest), features }
}

// --- internal ---

const HEAD_BYTES = 8
const DIGEST_BYTES = 32

function encodeFeatures(m: Matrix32): Uint8Array {
  const body = encodeMatrix(m)
  const bytes = new Uint8Array(HEAD_BYTES + body.byteLength + DIGEST_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, m.rows, true)
  view.setUint32(4, m.columns, true)
  bytes.set(body, HEAD_BYTES)
  bytes.set(digestOf(bytes.subarray(0, HEAD_BYTES + body.byteLength)), HEAD_BYTES + body.byteLength)
  return bytes
}

/** Undefined if the file does not exist or is damaged. */
async function readFeatures(path: string, rows: number, columns: number): Promise<Matrix32 | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  const end = HEAD_BYTES + rows * columns * 4
  if (bytes.byteLength !== end + DIGEST_BYTES) return undefined
  if (bytes.readUInt32LE(0) !== rows || bytes.readUInt32LE(4) !== columns) return undefined
  if (!digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end))) return undefined
  const copy = new Uint8Array(bytes.subarray(HEAD_BYTES, end))
  const data = new Float32Array(rows * columns)
  const view = new DataView(copy.buffer)
  const bits = new Uint32Array(data.buffer)
  for (let i = 0; i < data.length; i++) bits[i] = view.getUint32(i * 4, true)
  return matrix(rows, columns, data)
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
