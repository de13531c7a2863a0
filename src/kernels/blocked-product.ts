/**
 * C + A B^T or C - A B^T for matrices of any size, block by block through the product kernel.
 *
 * Order: each number of C takes a[k] b[k] for k = 0, 1, 2, … one after the other, each product rounded, then each sum. Blocks only decide
 * which numbers of C are worked on together.
 */
import { workspace } from './kernels.ts'
import { DEPTH_STEP, TILE } from './product-kernel.ts'

/** A block of A (256 KiB) fits the second-level cache, a group of it with one of B (16 KiB) the first. */
const ROWS = 128
const COLUMNS = 512
const DEPTH = 256

/** Number (i, k) is `data[offset + i * rowStep + k * depthStep]`. */
export interface Operand {
  readonly data: Float64Array
  readonly offset: number
  readonly rowStep: number
  readonly depthStep: number
}

export interface Update {
  readonly sign: 'add' | 'sub'
  /** Updated in place: number (i, j) is `data[offset + i * stride + j]` */
  readonly c: { readonly data: Float64Array; readonly offset: number; readonly stride: number }
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly a: Operand
  readonly b: Operand
  /** Only the lower half, j <= i, is wanted: above it, blocks may be left as they are */
  readonly lower?: boolean
}

export function updateByProduct({ sign, c, rows, columns, depth, a, b, lower = false }: Update): void {
  const { kernels, numbers } = workspace(ROWS * DEPTH + COLUMNS * DEPTH + ROWS * COLUMNS)
  const run = sign === 'add' ? kernels.addProduct : kernels.subtractProduct
  const bAt = ROWS * DEPTH
  const cAt = bAt + COLUMNS * DEPTH
  for (let left = 0; left < columns; left += COLUMNS) {
    const right = Math.min(columns, left + COLUMNS)
    const stride = padded(right - left, TILE)
    for (let from = 0; from < depth; from += DEPTH) {
      const to = Math.min(depth, from + DEPTH)
      pack(numbers, bAt, b, left, right, from, to)
      for (let top = lower ? Math.floor(left / ROWS) * ROWS : 0; top < rows; top += ROWS) {
        const bottom = Math.min(rows, top + ROWS)
        const width = (lower ? Math.min(right, bottom) : right) - left
        pack(numbers, 0, a, top, bottom, from, to)
        for (let i = top; i < bottom; i++) {
          const at = c.offset + i * c.stride + left
          numbers.set(c.data.subarray(at, at + width), cAt + (i - top) * stride)
        }
        const [height, wide, deep] = [padded(bottom - top, TILE), padded(width, TILE), padded(to - from, DEPTH_STEP)]
        run(cAt * 8, stride * 8, 0, bAt * 8, height, wide, deep)
        for (let i = top; i < bottom; i++) {
          const source = cAt + (i - top) * stride
          c.data.set(numbers.subarray(source, source + width), c.offset + i * c.stride + left)
        }
      }
    }
  }
}

/** Rows [top, bottom) and depths [from, to) of an operand in groups of `TILE` rows at `at`; zeros fill both to full groups. */
export function pack(
  numbers: Float64Array,
  at: number,
  { data, offset, rowStep, depthStep }: Operand,
  top: number,
  bottom: number,
  from: number,
  to: number
): void {
  const deep = padded(to - from, DEPTH_STEP)
  for (let group = top; group < bottom; group += TILE) {
    const start = at + (group - top) * deep
    if (group + TILE <= bottom) {
      let place = start
      let source = offset + group * rowStep + from * depthStep
      for (let k = from; k < to; k++) {
        numbers[place] = data[source] as number
        numbers[place + 1] = data[source + rowStep] as number
        numbers[place + 2] = data[source + 2 * rowStep] as number
        numbers[place + 3] = data[source + 3 * rowStep] as number
        place += TILE
        source += depthStep
      }
      numbers.fill(0, place, start + deep * TILE)
      continue
    }
    numbers.fill(0, start, start + deep * TILE)
    for (let i = group; i < bottom; i++) {
      for (let k = from; k < to; k++) {
        numbers[start + (k - from) * TILE + (i - group)] = data[offset + i * rowStep + k * depthStep] as number
      }
    }
  }
}

export function padded(count: number, step: number): number {
  return Math.ceil(count / step) * step
}
