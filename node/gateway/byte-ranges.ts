/**
 * `Range` (RFC 9110, 14.2) and `entity-bytes` (trustless gateway) -> byte positions. Ends are exclusive here.
 */
import { HttpProblem } from './http-problem.ts'

export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Readers of Parquet ask for a handful at once; more is an attack on the server's memory or none of our clients. */
const MAX_RANGES = 16

/** A position a double holds exactly. */
const POSITION = /^\d{1,15}$/

/**
 * Ranges of a `Range` header on `size` bytes. Undefined where the header is to be ignored (other unit, malformed, too many, or
 * more bytes asked for than there are); an empty list where none can be satisfied (416).
 */
export function parseRanges(header: string | undefined, size: number): ByteRange[] | undefined {
  const set = /^bytes\s*=\s*(.*)$/i.exec(header ?? '')?.[1]
  if (set === undefined) return undefined
  const specs = set.split(',').map(spec => spec.trim())
  if (specs.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const [, from, to] = /^(\d*)-(\d*)$/.exec(spec) ?? []
    if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
    if ([from, to].some(text => text !== '' && !POSITION.test(text))) return undefined
    if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
    const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
    const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1)
    if (start < end) ranges.push({ start, end })
  }
  if (ranges.length > 1 && ranges.reduce((sum, { start, end }) => sum + end - start, 0) > size) return undefined
  return ranges
}

/** `from:to`, both inclusive; negative from the end, `*` for the end. */
export interface EntityBytes {
  readonly from: number
  readonly to: number | '*'
}

/** Throws `HttpProblem` 400. */
export function parseEntityBytes(text: string): EntityBytes {
  const [, from, to] = /^(-?\d{1,15}):(-?\d{1,15}|\*)$/.exec(text) ?? []
  if (from === undefined || to === undefined)
    throw new HttpProblem(400, `entity-bytes=${text} is not of the form from:to, like 0:1023 or -1024:*`)
  return { from: Number(from), to: to === '*' ? '*' : Number(to) }
}

/**
 * Undefined when nothing of `size` bytes is meant. Throws `HttpProblem` 400 for a range that begins behind the end of the entity
 * or ends before it begins.
 */
export function entityRange({ from, to }: EntityBytes, size: number): ByteRange | undefined {
  const at = (position: number): number => (position < 0 || Object.is(position, -0) ? size + position : position)
  const start = Math.max(0, at(from))
  const end = to === '*' ? size : Math.min(size, at(to) + 1)
  if (size > 0 && start >= size) throw new HttpProblem(400, `entity-bytes begins at ${start}, there are ${size} bytes`)
  return start < end ? { start, end } : undefined
}
