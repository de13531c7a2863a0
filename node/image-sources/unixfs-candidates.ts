/**
 * Images in a UnixFS directory on IPFS, with everything below it: any layout of files, sharded directories too.
 *
 * Directories come from other people: their depth and entries are bounded, a file's size is known before it is fetched, names are for
 * messages and never become paths. A block that cannot be had stops everything: it may come later, the image is not broken.
 */
import { CID } from 'multiformats/cid'
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { InvalidContentError, InvalidInputError } from '../../src/errors.ts'
import { type GetBlock, withInline } from '../content/dag/blocks.ts'
import { directoryEntries } from '../content/dag/directory.ts'
import { entityOf } from '../content/dag/entity.ts'
import { fileBytes } from '../content/dag/file-range.ts'
import { PathNotFoundError, resolvePath } from '../content/dag/path.ts'
import type { SourceKind } from '../api/options.ts'
import { type Candidate, judge, printable } from './candidates.ts'
import { kindByName } from './file-kinds.ts'
import { isHiddenPath } from './hidden-names.ts'

export interface RemoteDirectories {
  /** One block, its bytes checked against `cid` */
  readonly get: GetBlock
}

/** Directories in directories. A diamond of hashes can be as deep as it likes for a few bytes. */
const MAX_DEPTH = 64

/** Ten times the largest folder that is foreseen */
const MAX_ENTRIES = 10_000_000

/** Files fetched at once: a round trip each, and up to 64 MiB in memory each. */
const FETCH_AHEAD = 4

/** Is it `/ipfs/CID[/path]` or `ipfs://CID[/path]`? */
export function isIpfsSource(source: string): boolean {
  return /^(\/ipfs\/|ipfs:\/\/)/.test(source)
}

export interface UnixfsOptions {
  readonly remote?: RemoteDirectories
  /** Most bytes of an image */
  readonly maxBytes?: number
  /** Only image files were asked for: archives beside them are passed over */
  readonly only?: SourceKind
  readonly signal?: AbortSignal
}

/** Throws `InvalidInputError` for no CID, no such path or no directory, `InvalidContentError` for a directory that is none inside. */
export async function* unixfsCandidates(
  source: string,
  { remote, maxBytes = MAX_IMAGE_BYTES, only, signal }: UnixfsOptions
): AsyncGenerator<Candidate> {
  if (remote === undefined) throw new InvalidInputError(`${source} is on IPFS, which is not at hand here`)
  const get = withInline(remote.get)
  const pending = [{ cid: await rootOf(source, get), path: '', depth: 0 }]
  let entries = 0
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, depth } = next
    if (depth > MAX_DEPTH) throw new InvalidContentError(`${source} nests deeper than ${MAX_DEPTH} directories`)
    let ahead: Promise<Found>[] = []
    const flush = async function* (): AsyncGenerator<Candidate> {
      const found = await Promise.all(ahead)
      ahead = []
      for (const item of found) {
        if ('candidate' in item) yield item.candidate
        else pending.push({ ...item.directory, depth: depth + 1 })
      }
    }
    for await (const { name, cid } of directoryEntries(next.cid, get)) {
      signal?.throwIfAborted()
      if (++entries > MAX_ENTRIES) throw new InvalidContentError(`${source} has more than ${MAX_ENTRIES} entries`)
      const file = path === '' ? name : `${path}/${name}`
      if (isHiddenPath(file)) {
        yield { name: printable(file), leftOut: 'hidden' }
        continue
      }
      const kind = kindByName(name)
      if (kind !== undefined && kind !== 'images') {
        yield only === undefined
          ? { name: printable(file), fault: ARCHIVE }
          : { name: printable(file), leftOut: 'kind' }
        continue
      }
      const found = lookAt(cid, file, get, maxBytes)
      found.catch(() => undefined) // awaited below; without this an error of the directory would leave it unhandled
      ahead.push(found)
      if (ahead.length === FETCH_AHEAD) yield* flush()
    }
    yield* flush()
  }
}

// --- internal ---

const ARCHIVE =
  'archives are read from disk only: fetch the directory first, for example with "ipfs get", or take its images with --only images'

type Found = { candidate: Candidate } | { directory: { cid: CID; path: string } }

async function rootOf(source: string, get: GetBlock): Promise<CID> {
  const [text = '', ...segments] = source
    .replace(/^(\/ipfs\/|ipfs:\/\/)/, '')
    .split('/')
    .filter(part => part !== '')
  let root: CID
  try {
    root = CID.parse(text)
  } catch (cause) {
    throw new InvalidInputError(`${source} has no CID in it`, { cause })
  }
  try {
    const { cid, block } = await resolvePath(root, segments, get)
    const { kind } = entityOf(cid, block)
    if (kind === 'directory' || kind === 'sharded') return cid
    throw new InvalidInputError(`${source} is not a directory: give the CID of a directory of images`)
  } catch (cause) {
    if (cause instanceof PathNotFoundError) throw new InvalidInputError(`${source}: ${cause.message}`, { cause })
    throw cause
  }
}

async function lookAt(cid: CID, path: string, get: GetBlock, maxBytes: number): Promise<Found> {
  const name = printable(path)
  const block = await get(cid)
  try {
    const entity = entityOf(cid, block)
    if (entity.kind === 'directory' || entity.kind === 'sharded') return { directory: { cid, path } }
    if (entity.kind !== 'file') return { candidate: { name, leftOut: entity.kind === 'symlink' ? 'link' : 'other' } }
    const parts: Uint8Array[] = []
    // of what is too large, the beginning says whether it is an image
    const end = entity.bytes > maxBytes ? 1024 : entity.bytes
    const known: GetBlock = async child => (child.equals(cid) ? block : await get(child))
    for await (const part of fileBytes(cid, known, 0, end)) parts.push(part)
    return { candidate: judge(name, new Uint8Array(Buffer.concat(parts)), { size: entity.bytes, maxBytes }) }
  } catch (error) {
    if (error instanceof InvalidContentError) return { candidate: { name, fault: error.message } }
    throw error
  }
}
