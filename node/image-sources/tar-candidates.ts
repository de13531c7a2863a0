/**
 * Images in a tar, plain or compressed with gzip or Zstandard, with the tars in it (ImageNet is a tar of a thousand), read as one
 * stream: it may be a pipe. Only links make a second pass, for the entries that they name.
 *
 * Names of others never become paths. Memory: one image.
 */
import { posix } from 'node:path'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { type ByteStream, peek } from './byte-streams.ts'
import { type Candidate, judge, printable } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { type Components, createComponents } from './components.ts'
import { gunzip, unzstd } from './decompress.ts'
import { CONTENT_HEAD_BYTES, contentOf, kindByName, refusalOf } from './file-kinds.ts'
import { isHiddenPath } from './hidden-names.ts'
import { tarEntries, type TarEntry } from './tar-entries.ts'

export interface TarOptions {
  /** The component of a sample that is the image, as `jpg` or `seg.png`; `all` for every one */
  readonly component?: string
  /** Most bytes of an image */
  readonly maxBytes?: number
  readonly onNote?: (note: string) => void
  readonly signal?: AbortSignal
}

/** ImageNet has two, with compression four. An archive can hold itself: somewhere it ends. */
const MAX_DEPTH = 8

/** Links that are followed; a tar of more is a copy of a file system and not of a dataset. */
const MAX_LINKS = 1_000_000

/**
 * `open` begins the stream anew; undefined for a pipe, in which links cannot be followed. Throws `InvalidInputError` for what is not a
 * tar, or is damaged: candidates until then are good.
 */
export async function* tarCandidates(
  name: string,
  source: ByteStream,
  open: (() => ByteStream) | undefined,
  options: TarOptions = {}
): AsyncGenerator<Candidate> {
  const links = createLinks()
  const reading = { ...options, links, depth: 0, prefix: '' }
  try {
    yield* container(name, source, reading)
    const { byTarget } = links
    if (byTarget.size > 0 && open !== undefined) yield* linked(name, open(), byTarget, options)
    for (const names of byTarget.values()) for (const link of names) yield { name: printable(link), leftOut: 'link' }
  } catch (cause) {
    options.signal?.throwIfAborted()
    if (cause instanceof SourceChoiceError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${name} cannot be read as a tar: ${reason}`, { cause })
  }
}

// --- internal ---

interface Reading extends TarOptions {
  /** undefined where links are not followed */
  readonly links: Links | undefined
  readonly depth: number
  /** Names of the archives around this one */
  readonly prefix: string
}

interface Links {
  /** Name of an entry -> links to it */
  readonly byTarget: Map<string, string[]>
  /** Returns false when there are too many. */
  add(target: string, link: string): boolean
}

function createLinks(): Links {
  const byTarget = new Map<string, string[]>()
  let count = 0
  return {
    byTarget,
    add: (target, link) => {
      if (count >= MAX_LINKS) return false
      count++
      const known = byTarget.get(target)
      if (known === undefined) byTarget.set(target, [link])
      else known.push(link)
      return true
    }
  }
}

/** A tar, or a compressed one. */
async function* container(name: string, source: ByteStream, reading: Reading): AsyncGenerator<Candidate> {
  const plain = await decompressed(source)
  if (plain === undefined) throw new InvalidInputError('it is not a tar archive')
  if (typeof plain === 'string') throw new InvalidInputError(plain)
  const components = createComponents(name, reading.component)
  const onUnmarked = (): void =>
    reading.onNote?.(`${name} has no mark at its end: if images are missing, it was cut off and must be fetched again`)
  for await (const entry of tarEntries(plain, onUnmarked)) {
    reading.signal?.throwIfAborted()
    yield* fromEntry(entry, components, reading)
  }
}

/** The bytes of a tar; the reason where it is something else. */
async function decompressed(source: ByteStream): Promise<ByteStream | string | undefined> {
  let stream = source
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const { head, whole } = await peek(stream, CONTENT_HEAD_BYTES)
    const content = contentOf(head)
    if (content === 'tar') return whole
    if (content === 'gzip') stream = gunzip(whole)
    else if (content === 'zstd') stream = unzstd(whole)
    else {
      await whole[Symbol.asyncIterator]().return?.()
      return depth === 0
        ? refusalOf(head)
        : `compressed, it is not a tar inside: ${refusalOf(head) ?? 'unpack it first'}`
    }
  }
  return undefined
}

async function* fromEntry(
  { header, body: stream }: TarEntry,
  components: Components,
  reading: Reading
): AsyncGenerator<Candidate> {
  const body = unclosable(stream)
  const path = header.name
  const name = printable(`${reading.prefix}${path}`)
  const { type } = header
  if (type === 'directory') return
  if (isHiddenPath(path)) yield { name, leftOut: 'hidden' }
  else if (type === 'link' || type === 'symlink') {
    const { links } = reading
    // a symbolic link begins at its own folder, a hard link at the root of the archive
    const to =
      type === 'link' || header.linkname == null ? header.linkname : posix.join(posix.dirname(path), header.linkname)
    if (links === undefined || to == null || !links.add(normal(to), path)) yield { name, leftOut: 'link' }
  } else if (type !== 'file' && type !== 'contiguous-file') yield { name, leftOut: 'other' }
  else yield* fromFile(name, path, header.size ?? 0, body, components, reading)
  await drain(body)
}

async function* fromFile(
  name: string,
  path: string,
  size: number,
  body: ByteStream,
  components: Components,
  reading: Reading
): AsyncGenerator<Candidate> {
  const { head, whole } = await peek(body, CONTENT_HEAD_BYTES)
  const kind = kindByName(path)
  const content = contentOf(head)
  if (content === 'tar' || (kind === 'tar' && content !== undefined)) {
    if (reading.depth === MAX_DEPTH) throw new InvalidInputError(`${name} lies in more than ${MAX_DEPTH} archives`)
    // links within it would need a second pass through all of the archives around it
    yield* container(name, whole, {
      ...reading,
      links: undefined,
      depth: reading.depth + 1,
      prefix: `${reading.prefix}${path}: `
    })
    return
  }
  if (kind === 'tar') throw new InvalidInputError(`${name} in it is not a tar: ${refusalOf(head) ?? 'it is damaged'}`)
  if (kind === 'archive' || kind === 'parquet' || kind === 'arrow') {
    const reason = refusalOf(head) ?? 'it lies in a tar, where it is not read: unpack the tar and give the folder'
    yield { name, fault: reason }
    return
  }
  const { maxBytes } = reading
  const limit = maxBytes === undefined ? {} : { maxBytes }
  const first = judge(name, head, { size, ...limit })
  if (first.bytes === undefined) yield first
  else if (!components.isWanted(path)) yield { name, leftOut: 'component' }
  else {
    components.see(path)
    const parts: Uint8Array[] = []
    for await (const part of whole) parts.push(part)
    yield judge(name, new Uint8Array(Buffer.concat(parts)), limit)
  }
}

/** The entries that links name, under the names of the links, which are taken out of `links`. */
async function* linked(
  archive: string,
  source: ByteStream,
  links: Map<string, string[]>,
  options: TarOptions
): AsyncGenerator<Candidate> {
  const plain = await decompressed(source)
  if (plain === undefined || typeof plain === 'string') return
  // components were looked at in the first pass: links come in no order
  const components = createComponents(archive, options.component)
  const reading: Reading = { ...options, links: undefined, depth: MAX_DEPTH, prefix: '' }
  for await (const { header, body } of tarEntries(plain, () => undefined)) {
    options.signal?.throwIfAborted()
    const names =
      header.type === 'file' || header.type === 'contiguous-file' ? links.get(normal(header.name)) : undefined
    if (names === undefined || isArchiveName(header.name)) {
      await drain(body)
      continue
    }
    links.delete(normal(header.name))
    const size = header.size ?? 0
    const bytes: Uint8Array[] = []
    for await (const part of body) if (size <= MAX_IMAGE_BYTES || bytes.length === 0) bytes.push(part)
    for (const name of names) {
      const seen = { isWanted: components.isWanted, see: () => undefined }
      yield* fromFile(printable(name), name, size, streamOf(bytes), seen, reading)
    }
  }
}

const isArchiveName = (name: string): boolean => {
  const kind = kindByName(name)
  return kind !== undefined && kind !== 'images'
}

async function* streamOf(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}

/** One name for `./a/b`, `a//b` and `a/b`. */
const normal = (path: string): string => posix.normalize(path).replace(/^\/+/, '')

/** The same stream, which a reader may leave in the middle: tar-stream takes the end of an entry's stream for the end of everything. */
function unclosable(stream: ByteStream): ByteStream {
  const iterator = stream[Symbol.asyncIterator]()
  return { [Symbol.asyncIterator]: () => ({ next: async () => await iterator.next() }) }
}

async function drain(stream: ByteStream): Promise<void> {
  for await (const part of stream) void part
}
