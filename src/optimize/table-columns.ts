/** Which columns of a table are keys and which are vectors, by their types, their values and, where that leaves a choice, their names. */
import { InvalidPriorError } from '../errors.ts'
import { parseSampleKey, type KeyKind } from './sample-key.ts'

/** What columns of file names are called in data sets, clip-retrieval's `image_path` first. */
const NAME_COLUMNS = ['image_path', 'file_name', 'filename', 'file', 'path', 'image', 'name', 'key', 'id', 'image_id']
const KEY_COLUMNS = ['cid', 'id', 'sha256', 'hash']
const VECTOR_COLUMNS = ['embedding', 'image_embedding', 'img_emb', 'vector', 'emb', 'feature', 'features', 'embeddings']

/**
 * The column of keys among columns of text with some of their values: CIDs before sha256 before file names. Throws `InvalidPriorError` without
 * naming the file when there is none, or a choice.
 */
export function keyColumnOf(samples: ReadonlyMap<string, readonly string[]>): string {
  const kinds = new Map<KeyKind, string[]>()
  for (const [column, values] of samples) {
    const kind = kindOf(values)
    if (kind === undefined) continue
    kinds.set(kind, [...(kinds.get(kind) ?? []), column])
  }
  for (const kind of ['cid', 'sha256'] as const) {
    const columns = kinds.get(kind) ?? []
    const [only] = columns
    if (only === undefined) continue
    const usual = KEY_COLUMNS.find(name => columns.includes(name))
    if (columns.length > 1 && usual === undefined)
      throw new InvalidPriorError(`any of the columns ${columns.join(', ')} may be the key: name one with --key`)
    return usual ?? only
  }
  const names = kinds.get('name') ?? []
  const usual = NAME_COLUMNS.find(name => names.includes(name))
  if (usual !== undefined) return usual
  throw new InvalidPriorError(
    samples.size === 0
      ? 'it has no column of text, and one is needed that names the image of each row by CID, sha256 or file name'
      : `none of its columns of text (${[...samples.keys()].join(', ')}) has CIDs or sha256 in hex, and none is called like one of file names: name the key with --key`
  )
}

/** The column of vectors among those that are lists of floats. Throws `InvalidPriorError` without naming the file. */
export function vectorColumnOf(lists: readonly string[]): string {
  const [only] = lists
  if (only === undefined)
    throw new InvalidPriorError('it has no column of vectors: a list of float, double or half float is needed')
  if (lists.length === 1) return only
  const usual = VECTOR_COLUMNS.filter(name => lists.includes(name))
  const [found] = usual
  if (found === undefined || usual.length > 1)
    throw new InvalidPriorError(`any of the columns ${lists.join(', ')} may be the vectors: name one with --output`)
  return found
}

// --- internal ---

/** Undefined without values, or where they are of several kinds. */
function kindOf(values: readonly string[]): KeyKind | undefined {
  const kinds = new Set(values.map(tolerantKind))
  return kinds.size === 1 ? [...kinds][0] : undefined
}

/** A column that is not the key may have any CIDs. */
function tolerantKind(value: string): KeyKind {
  try {
    return parseSampleKey(value).kind
  } catch (error) {
    if (error instanceof InvalidPriorError) return 'name'
    throw error
  }
}
