/** Which kind of files a folder stands for: looked at by name, before anything is read. */
import { join } from 'node:path'
import { InvalidInputError } from '../../src/errors.ts'
import { SOURCE_KINDS, type SourceKind } from '../api/options.ts'
import type { Candidate } from './candidates.ts'
import { SourceChoiceError } from './choice.ts'
import { countOf, kindByName } from './file-kinds.ts'
import { walkFolder } from './folder-walk.ts'
import { mayHaveImages } from './parquet-candidates.ts'

export interface Survey {
  readonly kind: SourceKind
  /** Archives of this kind, and such as are not read, by name; none for images */
  readonly archives: readonly string[]
  /** Every file that is not one of the archives, as left out */
  passed(): AsyncGenerator<Candidate>
}

/** More archives than this in one folder: nobody's shards. */
const MAX_ARCHIVES = 100_000

/** Names of each kind in the message about several. */
const EXAMPLES = 2

/**
 * Parquet files without a column of bytes are facts about images that are somewhere else: img2dataset writes one beside each tar.
 *
 * Throws `SourceChoiceError` when there are several kinds, none of them asked for, and `InvalidInputError` for too many archives.
 */
export async function surveyFolder(
  folder: string,
  { only, signal }: { only?: SourceKind; signal?: AbortSignal } = {}
): Promise<Survey> {
  const found = await filesByKind(folder, signal)
  const hasOthers = found.images.count + found.tar.count + found.arrow.count > 0
  const metadata = new Set<string>()
  if (only === undefined || only === 'parquet') {
    for (const name of found.parquet.names) if (!(await mayHaveImages(join(folder, name)))) metadata.add(name)
    // where nothing else has images, it is an error of each file that it has none
    if (!hasOthers && metadata.size === found.parquet.count) metadata.clear()
    found.parquet.names = found.parquet.names.filter(name => !metadata.has(name))
    found.parquet.count = found.parquet.names.length
  }
  const kinds = SOURCE_KINDS.filter(kind => found[kind].count > 0)
  if (only === undefined && kinds.length > 1) {
    const what = kinds.map(kind => `${countOf(found[kind].count, kind)} (${examplesOf(found[kind])})`).join(', ')
    throw new SourceChoiceError(
      `${folder} has several kinds of files that hold images: ${what}. Say which to read with --only ${kinds.join(' or --only ')}, or give the files or folders themselves`
    )
  }
  const kind = only ?? kinds[0] ?? 'images'
  if (only !== undefined && found[only].count === 0) {
    const other = kinds.map(one => countOf(found[one].count, one)).join(', ')
    throw new InvalidInputError(`${folder} has ${countOf(0, only)}${other === '' ? '' : `, only ${other}`}`)
  }
  const others = only === undefined ? found.archive.names : []
  const archives = kind === 'images' ? [] : [...found[kind].names, ...others].toSorted()
  return {
    kind,
    archives,
    passed: async function* () {
      const read = new Set(archives)
      for await (const { name, status } of walkFolder(folder, signal)) {
        if (read.has(name)) continue
        if (status === 'hidden' || status === 'link') yield { name, leftOut: status }
        else if (metadata.has(name)) yield { name, leftOut: 'metadata' }
        else yield { name, leftOut: kindByName(name) === undefined || status === 'special' ? 'other' : 'kind' }
      }
    }
  }
}

// --- internal ---

interface Found {
  count: number
  /** Of archives all, of images the first */
  names: string[]
}

async function filesByKind(
  folder: string,
  signal: AbortSignal | undefined
): Promise<Record<SourceKind | 'archive', Found>> {
  const none = (): Found => ({ count: 0, names: [] })
  const found = { images: none(), tar: none(), parquet: none(), arrow: none(), archive: none() }
  let archives = 0
  for await (const { name, status } of walkFolder(folder, signal)) {
    const kind = status === 'file' ? kindByName(name) : undefined
    if (kind === undefined) continue
    const entry = found[kind]
    entry.count++
    if (kind === 'images') {
      if (entry.names.length < EXAMPLES) entry.names.push(name)
    } else if (++archives > MAX_ARCHIVES)
      throw new InvalidInputError(`${folder} has more than ${MAX_ARCHIVES} archives: publish them in parts`)
    else entry.names.push(name)
  }
  return found
}

function examplesOf({ count, names }: Found): string {
  return `${names.slice(0, EXAMPLES).join(', ')}${count > EXAMPLES ? ', …' : ''}`
}
