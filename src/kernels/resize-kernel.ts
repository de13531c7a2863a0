/**
 * The two passes of a resize with 8-bit numbers, sixteen or four of them at once: multiplications and additions of int32, shift and saturation, so that
 * every number is that of the plain loops (optimize/resize.ts), in any order.
 *
 * A store of a whole vector may write past the end of a row: what it overwrites there is computed afterwards, and the memory has room for the last one.
 */
import {
  i32,
  i32x4,
  increase,
  kernel,
  u8x16,
  whileLess,
  type Code,
  type KernelFunction,
  type Variable
} from './assembler.ts'

/** Bytes that the passes may read and write behind their operands */
export const OVERRUN = 16

const INTEGER = 4
const CHANNELS = 3

/**
 * `name(out, data, stride, first, count, values, taps, rows, columns)`: of each of `rows` rows of RGB, `stride` bytes apart, `columns` sums:
 * pixel first[x] and the next, count[x] of them, by values[x * taps] and the next. `first` in bytes; all lists are of int32. Rows of the result have
 * no gaps.
 */
export function rowsKernel(name: string, shift: number): KernelFunction {
  return kernel(name, 9, (local, out, data, stride, first, count, values, taps, rows, columns) => {
    const [y, x, at, weight, end] = [local.i32(), local.i32(), local.i32(), local.i32(), local.i32()]
    const sum = local.v128()
    return [
      y.set(i32.const(0)),
      whileLess(y, rows.get, [
        x.set(i32.const(0)),
        whileLess(x, columns.get, [
          at.set(i32.add(data.get, i32.load(i32.add(first.get, i32.shl(x.get, 2))))),
          weight.set(i32.add(values.get, i32.mul(x.get, i32.shl(taps.get, 2)))),
          end.set(i32.add(weight.get, i32.shl(i32.load(i32.add(count.get, i32.shl(x.get, 2))), 2))),
          sum.set(i32x4.splat(i32.const(1 << (shift - 1)))),
          whileLess(weight, end.get, [
            sum.set(
              i32x4.add(sum.get, i32x4.mul(i32x4.lowest(u8x16.low(i32x4.loadOne(at.get))), i32x4.loadSplat(weight.get)))
            ),
            increase(at, i32.const(CHANNELS)),
            increase(weight, i32.const(INTEGER))
          ]),
          sum.set(i32x4.shiftRight(sum.get, shift)),
          sum.set(i32x4.narrow(sum.get, sum.get)),
          i32x4.storeOne(out.get, u8x16.join(sum.get, sum.get)),
          increase(out, i32.const(CHANNELS)),
          increase(x, i32.const(1))
        ]),
        increase(data, stride.get),
        increase(y, i32.const(1))
      ])
    ]
  })
}

/**
 * `name(out, data, stride, first, count, values, taps, rows)`: `rows` rows of `stride` numbers, each the sum of row first[y] and the next, count[y] of
 * them, by values[y * taps] and the next. `first` in bytes; neither rows of `data` nor of the result have gaps.
 */
export function columnsKernel(name: string, shift: number): KernelFunction {
  return kernel(name, 8, (local, out, data, stride, first, count, values, taps, rows) => {
    const [y, x, at, weight, begin, end, from] = [
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32()
    ]
    const [factor, pixels, low, high] = [local.v128(), local.v128(), local.v128(), local.v128()]
    const sums = [local.v128(), local.v128(), local.v128(), local.v128()] as const
    const shifted = sums.map(sum => i32x4.shiftRight(sum.get, shift)) as [Code, Code, Code, Code]
    const halves = [i32x4.narrow(shifted[0], shifted[1]), i32x4.narrow(shifted[2], shifted[3])] as const
    const parts = [i32x4.lowest(low.get), i32x4.highest(low.get), i32x4.lowest(high.get), i32x4.highest(high.get)]
    return [
      y.set(i32.const(0)),
      whileLess(y, rows.get, [
        from.set(i32.add(data.get, i32.load(i32.add(first.get, i32.shl(y.get, 2))))),
        begin.set(i32.add(values.get, i32.mul(y.get, i32.shl(taps.get, 2)))),
        end.set(i32.add(begin.get, i32.shl(i32.load(i32.add(count.get, i32.shl(y.get, 2))), 2))),
        x.set(i32.const(0)),
        whileLess(x, stride.get, [
          at.set(i32.add(from.get, x.get)),
          weight.set(begin.get),
          ...sums.map(sum => sum.set(i32x4.splat(i32.const(1 << (shift - 1))))),
          whileLess(weight, end.get, [
            factor.set(i32x4.loadSplat(weight.get)),
            pixels.set(u8x16.load(at.get)),
            low.set(u8x16.low(pixels.get)),
            high.set(u8x16.high(pixels.get)),
            ...sums.map((sum: Variable, i) => sum.set(i32x4.add(sum.get, i32x4.mul(parts[i] ?? [], factor.get)))),
            increase(at, stride.get),
            increase(weight, i32.const(INTEGER))
          ]),
          u8x16.store(i32.add(out.get, x.get), u8x16.join(halves[0], halves[1])),
          increase(x, i32.const(OVERRUN))
        ]),
        increase(out, stride.get),
        increase(y, i32.const(1))
      ])
    ]
  })
}
