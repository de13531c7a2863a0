/** Which column of a Parquet file has the images: the one that is asked for, else by its type, and by its name where several could. */
import type { SchemaElement } from 'hyparquet'
import { InvalidInputError } from '../../src/errors.ts'
import { SourceChoiceError } from './choice.ts'

/** A leaf of the schema that has bytes: `image.bytes`, `jpg`, `images.list.element.bytes`. */
export interface ImageColumn {
  /** Names from the top-level column down */
  readonly path: readonly string[]
  /** Elements of the schema on the way, the root first, with one child each but the last */
  readonly schema: SchemaElement[]
  /** A row may have any number of values */
  readonly isList: boolean
}

export interface ColumnChoice {
  readonly column: ImageColumn
  /** Other columns of bytes, when the choice between them and this one was a guess */
  readonly others: readonly string[]
}

/** What data sets call it, most usual first */
const USUAL_NAMES = ['image', 'images', 'img', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'photo']

/** Names of the parts of a list, which nobody chose: Parquet's own and those of Arrow, Spark and Hive. */
const LIST_PARTS = new Set(['list', 'element', 'item', 'array', 'bag', 'array_element'])

/** Can there be images in such a file? Else it holds facts about images. `schema` is depth-first, the root first. */
export const hasBytes = (schema: readonly SchemaElement[]): boolean => bytesColumns(schema).length > 0

/**
 * `wanted`: a column, or the path of a leaf, `image` or `image.bytes`. Without it: a leaf `bytes` before `data` before a plain column
 * before any other, and a usual name before another.
 *
 * Throws `InvalidInputError` when there is none, `SourceChoiceError` for several of which none has a usual name.
 */
export function imageColumnOf(schema: readonly SchemaElement[], wanted?: string): ColumnChoice {
  const columns = bytesColumns(schema)
  if (wanted !== undefined) return { column: named(columns, wanted, schema), others: [] }
  if (columns.length === 0) throw new InvalidInputError(noBytes(schema))
  const ranks: ((column: ImageColumn) => boolean)[] = [
    ({ path }) => path.length > 1 && path.at(-1) === 'bytes',
    ({ path }) => path.length > 1 && path.at(-1) === 'data',
    ({ path }) => path.length === 1,
    () => true
  ]
  const found = ranks.map(rank => columns.filter(rank)).find(some => some.length > 0) ?? columns
  const [first] = found
  const usual = USUAL_NAMES.map(name => found.find(column => nameOf(column) === name)).find(some => some !== undefined)
  const column = found.length === 1 ? first : usual
  if (column === undefined) {
    const names = found.map(textOf)
    throw new SourceChoiceError(
      `any of the columns ${names.join(', ')} may have the images: choose one with --column ${names[0]}`
    )
  }
  return { column, others: columns.filter(other => other !== column).map(textOf) }
}

/** As it is given with `--column`: `image` for `image.bytes`, `images` for a list. */
export function textOf({ path }: ImageColumn): string {
  const own = path.filter((name, i) => i === 0 || !LIST_PARTS.has(name))
  return (own.length > 1 && own.at(-1) === 'bytes' ? own.slice(0, -1) : own).join('.')
}

// --- internal ---

const nameOf = (column: ImageColumn): string | undefined =>
  textOf(column)
    .split('.')
    .findLast((name, i) => i === 0 || name !== 'data')

function named(columns: readonly ImageColumn[], wanted: string, schema: readonly SchemaElement[]): ImageColumn {
  const exact = columns.filter(column => textOf(column) === wanted || column.path.join('.') === wanted)
  const below = columns.filter(({ path }) => path.join('.').startsWith(`${wanted}.`))
  const found = exact.length > 0 ? exact : below
  const column = found.length === 1 ? found[0] : found.find(({ path }) => path.at(-1) === 'bytes')
  if (column !== undefined) return column
  if (found.length > 1)
    throw new SourceChoiceError(
      `the column ${wanted} has several of bytes: choose one of --column ${found.map(textOf).join(', ')}`
    )
  const known = columns.map(textOf).join(', ')
  const reason = schema.some(element => element.name === wanted) ? 'has no bytes' : 'does not exist'
  throw new InvalidInputError(
    `the column ${wanted} ${reason}: ${known === '' ? noBytes(schema) : `columns of bytes are ${known}`}`
  )
}

function noBytes(schema: readonly SchemaElement[]): string {
  const names = schema.slice(1).filter(element => (element.num_children ?? 0) === 0)
  const columns = names.slice(0, 8).map(element => element.name)
  const more = names.length > columns.length ? ', …' : ''
  return `no column is binary, or a struct with binary bytes: there are no images in it, only ${columns.join(', ')}${more} (links and paths are not followed)`
}

/** Every leaf of bytes, with the way to it. */
function bytesColumns(schema: readonly SchemaElement[]): ImageColumn[] {
  const found: ImageColumn[] = []
  const [root] = schema
  if (root === undefined) return found
  const visit = (start: number, above: readonly SchemaElement[]): number => {
    const element = schema[start]
    if (element === undefined) return start
    const children = element.num_children ?? 0
    const way = [...above, { ...element, ...(children > 0 ? { num_children: 1 } : {}) }]
    let at = start + 1
    // a path of a column has 16 names at most (src/distribute/parquet-footer.ts)
    if (way.length > 17) return schema.length
    for (let child = 0; child < children && at < schema.length; child++) at = visit(at, way)
    if (start > 0 && children === 0 && isBinary(element)) {
      found.push({
        path: way.slice(1).map(({ name }) => name),
        schema: way,
        isList: way.slice(1).some(({ repetition_type }) => repetition_type === 'REPEATED')
      })
    }
    return at
  }
  visit(0, [])
  return found
}

/** Bytes that are not text. */
function isBinary({ type, converted_type, logical_type }: SchemaElement): boolean {
  return type === 'BYTE_ARRAY' && converted_type === undefined && logical_type === undefined
}
