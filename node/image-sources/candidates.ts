/**
 * Where images may be: the files of a folder, the entries of a tar. One after the other, with what is needed to judge them.
 *
 * Names are for messages to the operator only. Names inside a tar never become paths.
 */
import { createReadStream } from 'node:fs'
import { open, opendir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tar from 'tar-stream'
import { IMAGE_HEAD_BYTES, imageKind, MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { InvalidInputError } from '../../src/errors.ts'

/** `bytes` is undefined where the file is no image, or too large: `fault` says which, or undefined for what is merely passed over. */
export interface Candidate {
  readonly name: string
  readonly bytes?: Uint8Array
  readonly fault?: string
  /** The image is the whole file `name` in this folder, which can be read again */
  readonly folder?: string
}

/** Files that their owner calls images */
export const IMAGE_NAME = /\.(jpe?g|png|webp)$/i

/** "ustar" at this offset of the first header; every tar since 1988 has it */
const TAR_MAGIC_OFFSET = 257

/** Everything below `folder`, in the order of the file system. Links to files are followed, links to folders are not. */
export async function* folderCandidates(folder: string): AsyncGenerator<Candidate> {
  const pending = ['']
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    for await (const entry of await opendir(join(folder, below))) {
      const name = join(below, entry.name)
      if (entry.isDirectory()) {
        pending.push(name)
        continue
      }
      yield entry.isFile() || entry.isSymbolicLink() ? await fileCandidate(folder, name) : { name }
    }
  }
}

/** The files in a tar, read as one stream: a part of it is never read twice nor written anywhere here. */
export async function* tarCandidates(path: string, signal?: AbortSignal): AsyncGenerator<Candidate> {
  const extract = tar.extract()
  const input = createReadStream(path, signal === undefined ? {} : { signal })
  input.on('error', error => extract.destroy(error))
  input.pipe(extract)
  try {
    for await (const entry of extract) {
      const { type } = entry.header
      const name = printable(entry.header.name)
      const size = entry.header.size ?? 0
      if (type !== 'file' && type !== 'contiguous-file') {
        entry.resume()
        if (type !== 'directory') yield { name }
        continue
      }
      const parts: Buffer[] = []
      for await (const part of entry as AsyncIterable<Buffer>)
        if (size <= MAX_IMAGE_BYTES || parts.length === 0) parts.push(part)
      yield judge(name, Buffer.concat(parts), size)
    }
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof InvalidInputError) throw cause
    throw new InvalidInputError(
      `${path} cannot be read as a tar: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause
      }
    )
  } finally {
    input.destroy()
  }
}

/** Throws `InvalidInputError` unless the file begins like an uncompressed tar. */
export async function assertTar(path: string): Promise<void> {
  const head = await headOf(path, TAR_MAGIC_OFFSET + 5)
  if (head.subarray(TAR_MAGIC_OFFSET).toString('latin1') === 'ustar') return
  const hint =
    head[0] === 0x1f && head[1] === 0x8b
      ? 'it is compressed: run gunzip on it first'
      : 'give a folder of images or a .tar of them'
  throw new InvalidInputError(`${path} is neither a folder nor a tar: ${hint}`)
}

/** Names of other people are shown on terminals, whose control characters they could have. */
export function printable(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

/** What a file of these bytes is; `size` is of the file where `bytes` are only its beginning. */
export function judge(name: string, bytes: Uint8Array, size = bytes.byteLength): Candidate {
  const isImage = imageKind(bytes) !== undefined
  if (isImage && size > MAX_IMAGE_BYTES) return { name, fault: `${size} bytes, at most ${MAX_IMAGE_BYTES}` }
  if (isImage) return { name, bytes }
  // Passing over a damaged image would be to lose it in silence.
  return IMAGE_NAME.test(name) ? { name, fault: 'it is not a JPEG, PNG or WebP image inside' } : { name }
}

// --- internal ---

/** A file that cannot be read could be an image: it is a fault, never passed over in silence. */
async function fileCandidate(folder: string, name: string): Promise<Candidate> {
  const path = join(folder, name)
  try {
    const facts = await stat(path)
    if (!facts.isFile()) return { name }
    if (facts.size > MAX_IMAGE_BYTES) return judge(name, await headOf(path), facts.size)
    return { ...judge(name, await readFile(path)), folder }
  } catch (error) {
    return { name, fault: `it cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

async function headOf(path: string, length = IMAGE_HEAD_BYTES): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
