/**
 * What the operator named -> parts: a folder of images, each archive (tar, Parquet, Arrow) for itself, a directory on IPFS.
 *
 * A folder with files of one kind that holds images stands for these: for its images, or for its archives in the order of their names.
 * With several kinds it is an error that says what was found. Every other file is counted.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import type { SourceKind } from '../api/options.ts'
import { arrowFileCandidates, arrowStreamCandidates } from './arrow-candidates.ts'
import { peek } from './byte-streams.ts'
import type { Candidate } from './candidates.ts'
import { CONTENT_HEAD_BYTES, contentOf, isImage, kindByName, refusalOf } from './file-kinds.ts'
import { folderCandidates, headOf } from './folder-candidates.ts'
import { surveyFolder } from './folder-survey.ts'
import { type ColumnOptions, parquetCandidates } from './parquet-candidates.ts'
import type { TarOptions } from './tar-candidates.ts'
import { tarCandidates } from './tar-candidates.ts'
import { isIpfsSource, type RemoteDirectories, unixfsCandidates } from './unixfs-candidates.ts'

export interface SourceAccess extends ColumnOptions, TarOptions {
  readonly remote?: RemoteDirectories
  /** The kind to read in a folder that has several */
  readonly only?: SourceKind
}

export interface SourcePart {
  readonly name: string
  readonly path: string
  /** An archive: what is damaged in it damages all of it, and nothing else */
  readonly isArchive: boolean
  readonly candidates: AsyncIterable<Candidate>
}

/** Throws `InvalidInputError` for what is not there, `SourceChoiceError` for a folder of several kinds. */
export async function* sourceParts(paths: readonly string[], access: SourceAccess): AsyncGenerator<SourcePart> {
  const isOne = paths.length === 1
  for (const path of paths) {
    if (isIpfsSource(path)) yield { name: path, path, isArchive: false, candidates: unixfsCandidates(path, access) }
    else if (await isFolder(path)) yield* inFolder(path, access)
    else yield archivePart(path, basename(path), access, !isOne)
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

async function* inFolder(path: string, access: SourceAccess): AsyncGenerator<SourcePart> {
  const { kind, archives, passed } = await surveyFolder(path, access)
  if (kind === 'images') {
    yield { name: path, path, isArchive: false, candidates: folderCandidates(path, access) }
    return
  }
  // what is in the folder beside its archives
  yield { name: path, path, isArchive: false, candidates: passed() }
  for (const archive of archives) yield archivePart(join(path, archive), archive, access, true)
}

function archivePart(path: string, name: string, access: SourceAccess, isOneOfMany: boolean): SourcePart {
  const candidates = fromArchive(path, access)
  // with several archives, a name alone does not say where to look
  return { name, path, isArchive: true, candidates: isOneOfMany ? named(basename(path), candidates) : candidates }
}

async function* named(archive: string, candidates: AsyncIterable<Candidate>): AsyncGenerator<Candidate> {
  for await (const candidate of candidates) yield { ...candidate, name: `${archive}: ${candidate.name}` }
}

async function* fromArchive(path: string, access: SourceAccess): AsyncGenerator<Candidate> {
  const { signal } = access
  if (!(await stat(path)).isFile()) {
    yield* fromPipe(path, access)
    return
  }
  const read = (): AsyncIterable<Buffer> => createReadStream(path, withSignal(signal)) as AsyncIterable<Buffer>
  const head = await headOf(path, CONTENT_HEAD_BYTES)
  // a damaged file is what its name says
  const content = contentOf(head) ?? (refusalOf(head) === undefined ? namedContent(path) : undefined)
  if (content === 'parquet') yield* parquetCandidates(path, access)
  else if (content === 'arrow') yield* arrowFileCandidates(path, access)
  else if (content === 'arrow-stream') yield* arrowStreamCandidates(path, read(), access)
  else if (content === undefined) throw new InvalidInputError(`${path} cannot be read: ${adviceFor(path, head)}`)
  else yield* tarCandidates(path, read(), read, access)
}

/** Everything that is read from its beginning to its end can come through a pipe. */
async function* fromPipe(path: string, access: SourceAccess): AsyncGenerator<Candidate> {
  const { head, whole } = await peek(createReadStream(path, withSignal(access.signal)), CONTENT_HEAD_BYTES)
  const content = contentOf(head)
  if (content === 'parquet' || content === 'arrow') {
    throw new InvalidInputError(
      `${path} is a pipe with ${content === 'parquet' ? 'a Parquet' : 'an Arrow'} file, which cannot be read without its end: write it to a file first and give that`
    )
  }
  if (content === 'arrow-stream') yield* arrowStreamCandidates(path, whole, access)
  else if (content === undefined) throw new InvalidInputError(`${path} cannot be read: ${adviceFor(path, head)}`)
  else yield* tarCandidates(path, whole, undefined, access)
}

function namedContent(path: string): SourceKind | undefined {
  const kind = kindByName(path)
  return kind === 'images' || kind === 'archive' ? undefined : kind
}

function adviceFor(path: string, head: Uint8Array): string {
  if (isImage(head)) return 'it is one image: give its folder'
  const what = refusalOf(head)
  if (what !== undefined) return what
  if (kindByName(path) === 'archive') return `${extname(path)} files are not read: unpack it and give the folder`
  return 'it is neither a folder nor a tar, Parquet or Arrow file'
}

const withSignal = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal }
