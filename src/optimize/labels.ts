/**
 * Labels given by people as a prior: `id,label` (one-hot) or `id,p0,p1,...` (soft), CSV with a header, one row per sample. The first column,
 * called as in `KEY_COLUMNS`, has the sample's CID or the sha256 of its bytes, so that a label holds for exactly these bytes, or a file name.
 *
 * Read line by line: a file of a million rows is held as one number per row (hard) or its probabilities (soft).
 */
import { InvalidPriorError } from '../errors.ts'
import { splitLine } from './csv-line.ts'
import { hexOfId, idOfDigest, KEY_KIND_TEXT, keyKindOf, parseSampleKey, type KeyKind } from './sample-key.ts'

/** Classes or probabilities; a one-hot row is as long. */
export const MAX_CLASSES = 16_384
/** Ids are CIDs (59 characters) or file names; labels are class names. */
const MAX_FIELD_CHARACTERS = 1024
/** Of a header, in a message. */
const MAX_SHOWN = 120
/** What the first column may be called. */
const KEY_COLUMNS = [
  'id',
  'cid',
  'sha256',
  'name',
  'file',
  'file_name',
  'filename',
  'image',
  'image_path',
  'path',
  'key'
]
/** A line with `MAX_CLASSES` probabilities of full precision. */
const MAX_LINE_CHARACTERS = 524_288
/** Rows; a million of them is the largest set this is meant for, the rest is room. */
const MAX_ROWS = 16_777_216
/** Numbers of soft labels in all: 1 GiB. */
const MAX_NUMBERS = 268_435_456

export interface Labels {
  readonly kind: 'hard' | 'soft'
  /** l: classes, or columns of probabilities. */
  readonly dimension: number
  /** Hard: the distinct labels in the order of their position (numbers by value, else by code unit). Soft: the column names. */
  readonly names: readonly string[]
  /** Labelled samples. */
  readonly count: number
  /** How the samples are named: in one way throughout the file. */
  readonly keys: KeyKind
  /** Name of the first column. */
  readonly keyColumn: string
  /** Samples in the order of the file: CIDs, or file names. */
  ids(): IterableIterator<string>
  /** Write the label of `id`, a CID or a file name, to `row` (`dimension` zeros); false when there is none. */
  write(id: string, row: Float32Array): boolean
}

export interface LabelReader {
  /** One line without its end. Throws `InvalidPriorError` naming the line. */
  line(text: string): void
  /** Throws `InvalidPriorError` when there was nothing to learn from. */
  finish(): Labels
}

/** A whole file at once. Throws `InvalidPriorError` naming the line. */
export function parseLabels(csv: string): Labels {
  const reader = createLabelReader()
  for (let at = 0; at <= csv.length;) {
    const end = csv.indexOf('\n', at)
    reader.line(csv.slice(at, end < 0 ? csv.length : end).replace(/\r$/, ''))
    if (end < 0) break
    at = end + 1
  }
  return reader.finish()
}

export function createLabelReader(): LabelReader {
  const rows = new Map<string, number>()
  const classes = new Map<string, number>()
  let header: string[] | undefined
  let values = new Float32Array(0)
  let number = 0
  let keys: KeyKind | undefined
  const fail = (why: string) => new InvalidPriorError(`labels, line ${number}: ${why}`)
  const isHard = () => header?.length === 2 && header[1] === 'label'

  const start = (fields: string[], text: string): void => {
    const isKnown = KEY_COLUMNS.includes(fields[0]?.toLowerCase() ?? '') && fields.length > 1
    if (!isKnown || (fields[1] !== 'label' && !fields.slice(1).every((f, i) => f === `p${i}`))) {
      throw fail(
        `the header must be "id,label" or "id,p0,p1,...", with ${KEY_COLUMNS.join(', ')} as possible names of the first column, and it is ${JSON.stringify(text.slice(0, MAX_SHOWN))}`
      )
    }
    if (fields[1] === 'label' && fields.length > 2)
      throw fail('a column follows "label"; only "id,label" is understood')
    if (fields.length - 1 > MAX_CLASSES) throw fail(`more than ${MAX_CLASSES} columns`)
    header = fields
  }

  const addSoft = (texts: readonly string[]): void => {
    const width = texts.length
    const at = rows.size * width
    if (at + width > MAX_NUMBERS) throw fail(`more than ${MAX_NUMBERS} numbers in all`)
    if (at + width > values.length) {
      const grown = new Float32Array(Math.min(MAX_NUMBERS, Math.max(1024, values.length * 2, at + width)))
      grown.set(values)
      values = grown
    }
    let sum = 0
    texts.forEach((text, i) => {
      const p = Number(text)
      if (text.trim() === '' || !Number.isFinite(p) || p < 0 || p > 1)
        throw fail(`"${text}" is not a probability (0 to 1)`)
      values[at + i] = p
      sum += p
    })
    if (sum <= 0) throw fail('all probabilities are 0; leave the sample out instead')
  }

  /** A CID or sha256 in one form, whatever the file has; a name as it is. */
  const idOf = (key: string): string => {
    let kind
    try {
      kind = keyKindOf(key)
    } catch (cause) {
      throw cause instanceof InvalidPriorError ? fail(cause.message) : cause
    }
    keys ??= kind
    if (kind !== keys)
      throw fail(`${JSON.stringify(key)} is one of ${KEY_KIND_TEXT[kind]}, the rows before have ${KEY_KIND_TEXT[keys]}`)
    if (kind === 'sha256') return key.toLowerCase()
    return kind === 'name' || key.startsWith('bafkrei') ? key : idOfKey(key)
  }

  const line = (text: string): void => {
    number++
    if (text.length > MAX_LINE_CHARACTERS)
      throw fail(`it has ${text.length} characters, at most ${MAX_LINE_CHARACTERS}`)
    const clean = number === 1 ? text.replace(/^\uFEFF/, '') : text
    if (clean.trim() === '') return
    const fields = splitLine(clean)
    if (fields === undefined) throw fail('a quote is not closed, or text follows it')
    if (header === undefined) return start(fields, clean)
    if (fields.length !== header.length) throw fail(`${fields.length} fields, the header has ${header.length}`)
    const [key = '', first = ''] = fields
    if (key === '' || key.length > MAX_FIELD_CHARACTERS) throw fail('the id is empty or too long')
    const id = idOf(key)
    if (rows.has(id)) throw fail(`sample ${key} is labelled twice`)
    if (rows.size >= MAX_ROWS) throw fail(`more than ${MAX_ROWS} rows`)
    if (!isHard()) {
      addSoft(fields.slice(1))
      rows.set(id, rows.size)
      return
    }
    if (first === '' || first.length > MAX_FIELD_CHARACTERS) throw fail('the label is empty or too long')
    let index = classes.get(first)
    if (index === undefined) {
      index = classes.size
      if (index >= MAX_CLASSES) throw fail(`more than ${MAX_CLASSES} different labels`)
      classes.set(first, index)
    }
    rows.set(id, index)
  }

  const finish = (): Labels => {
    if (header === undefined || rows.size === 0) throw new InvalidPriorError('labels: the file has no rows')
    const keyOf = keys === 'sha256' ? hexOfId : (id: string) => id
    const head = { ids: () => rows.keys(), count: rows.size, keys: keys ?? 'cid', keyColumn: header[0] ?? 'id' }
    if (isHard()) return { ...head, ...hardLabels(rows, [...classes.keys()], keyOf) }
    const dimension = header.length - 1
    if (dimension < 2)
      throw new InvalidPriorError('labels: one column of probabilities says nothing; two or more are needed')
    return {
      ...head,
      kind: 'soft',
      dimension,
      names: header.slice(1),
      write(id, row) {
        const index = rows.get(keyOf(id))
        if (index !== undefined) row.set(values.subarray(index * dimension, (index + 1) * dimension))
        return index !== undefined
      }
    }
  }
  return { line, finish }
}

/** Of a CID in another base than samples have. */
function idOfKey(key: string): string {
  const { digest } = parseSampleKey(key)
  return digest === undefined ? key : idOfDigest(digest)
}

function hardLabels(
  rows: ReadonlyMap<string, number>,
  seen: readonly string[],
  keyOf: (id: string) => string
): Pick<Labels, 'kind' | 'dimension' | 'names' | 'write'> {
  if (seen.length < 2)
    throw new InvalidPriorError('labels: all samples have the same label, which says nothing; two or more are needed')
  const names = [...seen].sort(byValue)
  const place = new Map(names.map((name, i) => [name, i]))
  const order = seen.map(name => place.get(name) as number)
  return {
    kind: 'hard',
    dimension: names.length,
    names,
    write(id, row) {
      const index = rows.get(keyOf(id))
      if (index !== undefined) row[order[index] as number] = 1
      return index !== undefined
    }
  }
}

/** Independent of the order of rows: whole numbers first, by value, then text by code unit. */
function byValue(a: string, b: string): number {
  const [x, y] = [a, b].map(t => (/^-?\d{1,15}$/.test(t) ? Number(t) : Infinity)) as [number, number]
  if (x !== y) return x < y ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}
