/** Which column of a table has the images: the one that is asked for, else by its type, and by its name where several could. */
import { InvalidInputError } from '../../src/errors.ts'
import { SourceChoiceError } from './choice.ts'

/** A column of bytes, or one within a column: `jpg`, `image.bytes`, `images.list.element.bytes`. */
export interface BytesColumn {
  /** Names from the top-level column down */
  readonly path: readonly string[]
  /** A row may have any number of values */
  readonly isList: boolean
}

export interface ColumnChoice<C extends BytesColumn> {
  readonly column: C
  /** Other columns of bytes, when the choice between them and this one was a guess */
  readonly others: readonly string[]
}

/** What data sets call it, most usual first */
const USUAL_NAMES = ['image', 'images', 'img', 'jpg', 'jpeg', 'png', 'webp', 'picture', 'photo']

/** Names of the parts of a list, which nobody chose: Parquet's own and those of Arrow, Spark and Hive. */
const LIST_PARTS = new Set(['list', 'element', 'item', 'array', 'bag', 'array_element'])

/** Names of columns in a message. */
const NAMED_COLUMNS = 8

/**
 * `wanted`: a column, or the path of one within it, `image` or `image.bytes`. Without it: one named `bytes` before `data` before a plain
 * column before any other, and a usual name before another. `all`: names of all columns, for messages.
 *
 * Throws `InvalidInputError` when there is none, `SourceChoiceError` for several of which none has a usual name.
 */
export function chooseColumn<C extends BytesColumn>(
  columns: readonly C[],
  all: readonly string[],
  wanted?: string
): ColumnChoice<C> {
  if (wanted !== undefined) return { column: named(columns, all, wanted), others: [] }
  if (columns.length === 0) throw new InvalidInputError(noBytes(all))
  const ranks: ((column: C) => boolean)[] = [
    ({ path }) => path.length > 1 && path.at(-1) === 'bytes',
    ({ path }) => path.length > 1 && path.at(-1) === 'data',
    ({ path }) => path.length === 1,
    () => true
  ]
  const found = ranks.map(rank => columns.filter(rank)).find(some => some.length > 0) ?? columns
  const [first] = found
  const usual = USUAL_NAMES.map(name => found.find(column => ownName(column) === name)).find(one => one !== undefined)
  const column = found.length === 1 ? first : usual
  if (column === undefined) {
    const names = found.map(columnText)
    throw new SourceChoiceError(
      `any of the columns ${names.join(', ')} may have the images: choose one with --column ${names[0]}`
    )
  }
  return { column, others: columns.filter(other => other !== column).map(columnText) }
}

/** As it is given with `--column`: `image` for `image.bytes`, `images` for a list. */
export function columnText({ path }: BytesColumn): string {
  const own = path.filter((name, i) => i === 0 || !LIST_PARTS.has(name))
  return (own.length > 1 && own.at(-1) === 'bytes' ? own.slice(0, -1) : own).join('.')
}

/** Said where images were taken from one column and could have been taken from others; undefined where there was no choice. */
export function guessText<C extends BytesColumn>({ column, others }: ColumnChoice<C>): string | undefined {
  if (others.length === 0) return undefined
  return `images are taken from the column ${columnText(column)} and not from ${others.join(', ')}: --column chooses`
}

// --- internal ---

const ownName = (column: BytesColumn): string | undefined =>
  columnText(column)
    .split('.')
    .findLast((name, i) => i === 0 || name !== 'data')

function named<C extends BytesColumn>(columns: readonly C[], all: readonly string[], wanted: string): C {
  const exact = columns.filter(column => columnText(column) === wanted || column.path.join('.') === wanted)
  const below = columns.filter(column => `${column.path.join('.')}.`.startsWith(`${wanted}.`))
  const found = exact.length > 0 ? exact : below
  const column = found.length === 1 ? found[0] : found.find(({ path }) => path.at(-1) === 'bytes')
  if (column !== undefined) return column
  if (found.length > 1) {
    const names = found.map(columnText).join(', ')
    throw new SourceChoiceError(`the column ${wanted} has several of bytes: choose one of them with --column: ${names}`)
  }
  const known = columns.map(columnText).join(', ')
  const reason = all.includes(wanted) ? 'has no bytes' : 'does not exist'
  throw new InvalidInputError(
    `the column ${wanted} ${reason}: ${known === '' ? noBytes(all) : `columns of bytes are ${known}`}`
  )
}

function noBytes(all: readonly string[]): string {
  const names = all.slice(0, NAMED_COLUMNS).join(', ')
  const more = all.length > NAMED_COLUMNS ? ', …' : ''
  return `no column is binary, or a struct with binary bytes: there are no images in it, only ${names}${more}. Links and paths are not followed: download the images (img2dataset does) or publish the folder that has them`
}
