/**
 * Householder reflections applied to many vectors, and QR by them, block by block.
 *
 * Order: every vector takes one reflection after the other, x_i - s v_i with s = (scale * (v.x)) / divisor, the dot product summed from
 * its first index to its last. Blocks only decide which vectors are worked on together; no reflections are merged (compact WY), since
 * that would round differently.
 */
import { workspace, type Workspace } from './kernels.ts'
import { STRIP } from './reflect-kernel.ts'

/** Numbers of the reflection vectors worked with at a time (2 MiB), but at least a strip's and at most `MOST` of them. */
const BLOCK_NUMBERS = 262_144
const MOST = 128

/** Reflection k is that of the vector in row k, from element k + `shift` to the end. */
export interface Reflections {
  /** count x length */
  readonly vectors: Float64Array
  readonly length: number
  readonly shift: 0 | 1
  /** Of each; 0 for none */
  readonly scales: Float64Array
  readonly divisors: Float64Array
}

/** Applies all reflections, the last one first, to rows 0 .. rows - 1 of `x` (rows x length), in place: row j to those of k <= j - `shift`. */
export function reflectFromLast(x: Float64Array, rows: number, reflections: Reflections): void {
  const { scales, length } = reflections
  const size = blockSize(length)
  for (let to = scales.length; to > 0;) {
    // blocks are counted from the first reflection, whatever their number
    const from = Math.floor((to - 1) / size) * size
    applyBlock(x, from, rows, reflections, from, to, true)
    to = from
  }
}

/**
 * Reduces the columns of a matrix, which are the rows of `a` (wide x tall, wide <= tall), to a triangle. Row k then holds reflection k
 * from element k on; `signs` becomes that of each -R_kk. Returns false when a column depends on those before it.
 */
export function factorByReflections(
  a: Float64Array,
  wide: number,
  tall: number,
  signs: Float64Array
): Reflections | undefined {
  const reflections: Reflections = {
    vectors: a,
    length: tall,
    shift: 0,
    scales: new Float64Array(wide).fill(2),
    divisors: new Float64Array(wide)
  }
  const size = blockSize(tall)
  for (let from = 0; from < wide; from += size) {
    const to = Math.min(wide, from + size)
    for (let first = from; first < to; first += STRIP) {
      const last = Math.min(to, first + STRIP)
      const area = prepare(reflections, from, first)
      packStrip(area, a, first, last, tall)
      applyAll(area, reflections, from, first, false)
      if (!factorStrip(area, reflections, first, last, signs)) return undefined
    }
    applyBlock(a, to, wide, reflections, from, to, false)
  }
  return reflections
}

// --- internal ---

/** Where things lie in the workspace, in numbers */
interface Area extends Workspace {
  /** Reflection `base` and those after it, `length` apart */
  readonly base: number
  readonly length: number
  readonly x: number
  readonly factors: number
  readonly sums: number
}

function blockSize(length: number): number {
  return Math.min(MOST, Math.max(STRIP, Math.floor(BLOCK_NUMBERS / length / STRIP) * STRIP))
}

/** Copies reflections [from, to) to the start of the workspace; a strip follows the largest block. */
function prepare({ vectors, length }: Reflections, from: number, to: number): Area {
  const x = blockSize(length) * length
  const factors = x + STRIP * length
  const space = workspace(factors + 2 * STRIP)
  space.numbers.set(vectors.subarray(from * length, to * length))
  return { ...space, base: from, length, x, factors, sums: factors + STRIP }
}

function applyBlock(
  x: Float64Array,
  top: number,
  bottom: number,
  reflections: Reflections,
  from: number,
  to: number,
  backwards: boolean
): void {
  if (top >= bottom) return
  const area = prepare(reflections, from, to)
  for (let first = top; first < bottom; first += STRIP) {
    const last = Math.min(bottom, first + STRIP)
    packStrip(area, x, first, last, area.length)
    applyAll(area, reflections, from, to, backwards)
    unpackStrip(area, x, first, last, area.length)
  }
}

/** Reflections [from, to) on the strip: each pass ends one of them and sums the dot products for the next. */
function applyAll(area: Area, reflections: Reflections, from: number, to: number, backwards: boolean): void {
  const { scales, divisors, shift, length } = reflections
  const { kernels, numbers, x, factors, sums } = area
  const step = backwards ? -1 : 1
  const following = (k: number): number => {
    let next = k
    while (next >= from && next < to && scales[next] === 0) next += step
    return next
  }
  const vector = (k: number): number => (k - area.base) * length
  let k = following(backwards ? to - 1 : from)
  if (k < from || k >= to) return
  const start = k + shift
  numbers.fill(0, sums, sums + STRIP)
  kernels.dot(8 * (x + start * STRIP), 8 * (vector(k) + start), length - start, 8 * sums)
  for (;;) {
    const [scale, divisor] = [scales[k] as number, divisors[k] as number]
    for (let c = 0; c < STRIP; c++) numbers[factors + c] = (scale * (numbers[sums + c] as number)) / divisor
    numbers.fill(0, sums, sums + STRIP)
    const next = following(k + step)
    const isLast = next < from || next >= to
    const own = k + shift
    // the last one sums with itself; the result is not used
    const other = isLast ? k : next
    const both = Math.max(own, other + shift)
    for (let i = own; i < both; i++) {
      const v = numbers[vector(k) + i] as number
      for (let c = 0; c < STRIP; c++) {
        const at = x + i * STRIP + c
        numbers[at] = (numbers[at] as number) - (numbers[factors + c] as number) * v
      }
    }
    for (let i = other + shift; i < both; i++) {
      const v = numbers[vector(other) + i] as number
      for (let c = 0; c < STRIP; c++)
        numbers[sums + c] = (numbers[sums + c] as number) + v * (numbers[x + i * STRIP + c] as number)
    }
    kernels.reflect(
      8 * (x + both * STRIP),
      8 * (vector(k) + both),
      8 * factors,
      8 * (vector(other) + both),
      length - both,
      8 * sums
    )
    if (isLast) return
    k = next
  }
}

/** The strip's own columns, to which the earlier reflections have been applied, become reflections [first, last). */
function factorStrip(
  { kernels, numbers, base, x, factors, sums, length }: Area,
  { vectors, divisors }: Reflections,
  first: number,
  last: number,
  signs: Float64Array
): boolean {
  for (let k = first; k < last; k++) {
    const v = vectors.subarray(k * length + k, (k + 1) * length)
    for (let i = 0; i < v.length; i++) v[i] = numbers[x + (k + i) * STRIP + (k - first)] as number
    const size = Math.sqrt(dot(v, v))
    if (size === 0) return false
    const head = v[0] as number
    // R_kk = -sign(head) * size; the reflection vector's first element adds up, nothing cancels
    signs[k] = head < 0 ? 1 : -1
    v[0] = head < 0 ? head - size : head + size
    const square = dot(v, v)
    divisors[k] = square
    if (k + 1 === last) continue
    const at = (k - base) * length + k
    numbers.set(v, at)
    numbers.fill(0, sums, sums + STRIP)
    kernels.dot(8 * (x + k * STRIP), 8 * at, v.length, 8 * sums)
    for (let c = 0; c < STRIP; c++) numbers[factors + c] = (2 * (numbers[sums + c] as number)) / square
    kernels.reflect(8 * (x + k * STRIP), 8 * at, 8 * factors, 8 * at, v.length, 8 * sums)
  }
  return true
}

function packStrip({ numbers, x }: Area, rows: Float64Array, first: number, last: number, length: number): void {
  if (last - first < STRIP) numbers.fill(0, x, x + STRIP * length)
  for (let row = first; row < last; row++) {
    const from = row * length
    let at = x + (row - first)
    for (let i = 0; i < length; i++) {
      numbers[at] = rows[from + i] as number
      at += STRIP
    }
  }
}

function unpackStrip({ numbers, x }: Area, rows: Float64Array, first: number, last: number, length: number): void {
  for (let row = first; row < last; row++) {
    const from = row * length
    let at = x + (row - first)
    for (let i = 0; i < length; i++) {
      rows[from + i] = numbers[at] as number
      at += STRIP
    }
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
