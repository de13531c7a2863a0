/**
 * Weights in files beside the model, as PyTorch exports them since 2.9 and every tool above protobuf's limit of 2 GB. The names come from
 * the model: they were checked to be plain and relative (src/optimize/onnx-tensor.ts), and here to lead to files of the model's own folder.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import { dirname, join, relative, isAbsolute, sep } from 'node:path'
import { InvalidPriorError } from '../../../src/errors.ts'
import { foreignFile, HEAD_BYTES } from '../../../src/optimize/foreign-file.ts'
import type { ExternalFile } from '../../../src/optimize/onnx-facts.ts'

export interface DataFile {
  /** As the model names it. */
  readonly location: string
  readonly bytes: number
  readonly digest: Uint8Array
}

/**
 * Hash each file. `maxBytes`: of all together. Throws `InvalidPriorError`: one is missing, too short, not in the folder, or they are too
 * large.
 */
export async function readExternalFiles(
  model: string,
  files: readonly ExternalFile[],
  maxBytes: number
): Promise<DataFile[]> {
  if (files.length === 0) return []
  const folder = await realpath(dirname(model))
  const found = []
  let total = 0
  for (const file of files) {
    const path = externalPath(model, file.location)
    const size = await sizeOf(model, file, folder)
    total += size
    if (total > maxBytes)
      throw new InvalidPriorError(
        `the model's external data has more than ${maxBytes} bytes; use a smaller model or raise the limit (inference.modelBytes)`
      )
    found.push({ path, location: file.location, bytes: size })
  }
  const out: DataFile[] = []
  for (const { path, ...file } of found) out.push({ ...file, digest: await hashFile(path) })
  return out
}

export const externalPath = (model: string, location: string): string => join(dirname(model), ...location.split('/'))

/** sha2-256 of a file, as a stream. */
export async function hashFile(path: string): Promise<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: HASH_CHUNK }) as AsyncIterable<Buffer>)
    hash.update(chunk)
  return hash.digest()
}

/** The first bytes of a file. */
export async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const bytes = new Uint8Array(HEAD_BYTES)
    const { bytesRead } = await file.read(bytes, 0, HEAD_BYTES, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

// --- internal ---

/** Files of gigabytes; the default of 64 KB costs a fifth of the time. */
const HASH_CHUNK = 1024 * 1024

async function sizeOf(model: string, file: ExternalFile, folder: string): Promise<number> {
  const path = externalPath(model, file.location)
  const { location, weight } = file
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (facts === undefined)
    throw new InvalidPriorError(
      `weight "${weight}" is in the file ${JSON.stringify(location)}, which is missing: put it into ${dirname(path)} (it is downloaded beside the .onnx file, and must keep its name)`
    )
  const real = await realpath(path)
  if (!facts.isFile() || !isBelow(real, folder))
    throw new InvalidPriorError(
      `weight "${weight}" is in ${JSON.stringify(location)}, which is not a plain file in the model's folder but leads elsewhere: put the files themselves there ("cp -rL ${dirname(model)} DIR", or "hf download REPO --local-dir DIR")`
    )
  if (facts.size < file.bytes) {
    const foreign = foreignFile(await readHead(path))
    throw new InvalidPriorError(
      `weight "${weight}" ends at byte ${file.bytes} of ${JSON.stringify(location)}, which has ${facts.size}: ${foreign ?? 'the download is incomplete, or the file belongs to another model'}`
    )
  }
  return facts.size
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
