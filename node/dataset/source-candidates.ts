/**
 * What the operator named -> candidates: folders of images, folders of archives, archives (tar, Parquet), directories on IPFS.
 *
 * A folder with a file that is named like an image is a folder of images, and archives in it are other files. A folder without one,
 * but with .tar or .parquet files, stands for these, in the order of their names.
 */
import { opendir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import { assertTar, type Candidate, folderCandidates, IMAGE_NAME, tarCandidates } from './candidates.ts'
import { parquetCandidates } from './parquet-candidates.ts'
import { isIpfsSource, type RemoteDirectories, unixfsCandidates } from './unixfs-candidates.ts'

export interface SourceAccess {
  readonly remote?: RemoteDirectories
  readonly signal?: AbortSignal
}

/** More archives than this in one folder: nobody's shards. */
const MAX_ARCHIVES = 100_000

/** Throws `InvalidInputError` for what is not there or of no kind that is read here. */
export async function* sourceCandidates(paths: readonly string[], access: SourceAccess): AsyncGenerator<Candidate> {
  for (const path of paths) {
    if (isIpfsSource(path)) yield* unixfsCandidates(path, access)
    else if (await isFolder(path)) yield* fromFolder(path, access.signal)
    else yield* named(path, fromArchive(path, access.signal), paths.length > 1)
  }
}

// --- internal ---

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${path} cannot be read: ${reason}`, { cause })
  }
}

async function* fromFolder(path: string, signal: AbortSignal | undefined): AsyncGenerator<Candidate> {
  const archives = await archivesIn(path, signal)
  if (archives === undefined) yield* folderCandidates(path)
  else for (const archive of archives) yield* named(archive, fromArchive(join(path, archive), signal), true)
}

async function* fromArchive(path: string, signal: AbortSignal | undefined): AsyncGenerator<Candidate> {
  if (extname(path).toLowerCase() === '.parquet') {
    yield* parquetCandidates(path, signal === undefined ? {} : { signal })
    return
  }
  await assertTar(path)
  yield* tarCandidates(path, signal)
}

/** With several archives, a name alone does not say where to look. */
async function* named(
  archive: string,
  candidates: AsyncIterable<Candidate>,
  isOneOfMany: boolean
): AsyncGenerator<Candidate> {
  if (!isOneOfMany) yield* candidates
  else for await (const candidate of candidates) yield { ...candidate, name: `${basename(archive)}: ${candidate.name}` }
}

/** Archives below `folder` by name, or undefined when it is a folder of images. Looks at names only, and no further than needed. */
async function archivesIn(folder: string, signal: AbortSignal | undefined): Promise<string[] | undefined> {
  const archives: string[] = []
  const pending = ['']
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    for await (const entry of await opendir(join(folder, below))) {
      signal?.throwIfAborted()
      const name = join(below, entry.name)
      if (entry.isDirectory()) pending.push(name)
      else if (IMAGE_NAME.test(name)) return undefined
      else if (/\.(tar|parquet)$/i.test(name)) archives.push(name)
      if (archives.length > MAX_ARCHIVES)
        throw new InvalidInputError(`${folder} has more than ${MAX_ARCHIVES} archives: publish them in parts`)
    }
  }
  return archives.length === 0 ? undefined : archives.sort()
}
