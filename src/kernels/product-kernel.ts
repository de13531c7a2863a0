/**
 * Tiles of C + A B^T and C - A B^T, and of the triangular solve X L^T = B, on packed operands.
 *
 * Packed: `TILE` rows at a time, equal k beside each other, so that number (r, k) of a group of rows lies k * TILE + r numbers after its start. A 4 x
 * 4 tile of the result stays in eight vectors of two numbers each. Every number of it takes one product after the other, k ascending, and rounds
 * after each * and each + or -: the bits of the plain loop, whatever the blocking.
 */
import { f64x2, i32, increase, kernel, whileLess, type Code, type KernelFunction, type Variable } from './assembler.ts'

/** Rows of a packed group */
export const TILE = 4

/** Steps of k in one turn of the inner loop, to which `depth` is padded with zeros: otherwise loop overhead costs a fifth. */
export const DEPTH_STEP = 4

const NUMBER = 8
const VECTOR = 16
const GROUP = TILE * NUMBER
const ROWS = [0, 1, 2, 3] as const

/**
 * `name(c, stride, a, b, rows, columns, depth)`: c + a b^T or c - a b^T into c (rows x columns, row-major, rows `stride` bytes apart).
 * `rows` and `columns` are multiples of `TILE`, `depth` of `DEPTH_STEP`.
 */
export function productKernel(name: string, sign: 'add' | 'sub'): KernelFunction {
  return kernel(name, 7, (local, c, stride, a, b, rows, columns, depth) => {
    const [i, j, place, row, aAt, bAt, end, groupBytes] = [
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32()
    ]
    const sums = ROWS.map(() => [local.v128(), local.v128()] as const)
    const [left, b0, b1] = [local.v128(), local.v128(), local.v128()]
    const step = (u: number): Code[] => [
      b0.set(f64x2.load(bAt.get, u * GROUP)),
      b1.set(f64x2.load(bAt.get, u * GROUP + VECTOR)),
      ...sums.flatMap(([s0, s1], r) => [
        left.set(f64x2.loadSplat(aAt.get, u * GROUP + r * NUMBER)),
        s0.set(f64x2[sign](s0.get, f64x2.mul(left.get, b0.get))),
        s1.set(f64x2[sign](s1.get, f64x2.mul(left.get, b1.get)))
      ])
    ]
    return [
      groupBytes.set(i32.shl(depth.get, 5)),
      j.set(i32.const(0)),
      whileLess(j, columns.get, [
        aAt.set(a.get),
        place.set(i32.add(c.get, i32.shl(j.get, 3))),
        i.set(i32.const(0)),
        whileLess(i, rows.get, [
          row.set(place.get),
          ...sums.flatMap(([s0, s1]) => [
            s0.set(f64x2.load(row.get)),
            s1.set(f64x2.load(row.get, VECTOR)),
            increase(row, stride.get)
          ]),
          bAt.set(b.get),
          end.set(i32.add(aAt.get, groupBytes.get)),
          whileLess(aAt, end.get, [
            ...Array.from({ length: DEPTH_STEP }, (_, u) => step(u)).flat(),
            increase(aAt, i32.const(DEPTH_STEP * GROUP)),
            increase(bAt, i32.const(DEPTH_STEP * GROUP))
          ]),
          ...sums.flatMap(([s0, s1]) => [
            f64x2.store(place.get, s0.get),
            f64x2.store(place.get, s1.get, VECTOR),
            increase(place, stride.get)
          ]),
          increase(i, i32.const(TILE))
        ]),
        increase(b, groupBytes.get),
        increase(j, i32.const(TILE))
      ])
    ]
  })
}

/**
 * `name(x, l, rows, size)`: solves L x = b for each of `rows` rows of x (packed, overwritten); L is `size` x `size`, packed, its lower
 * half is read. Lanes are rows of x. All sizes are multiples of `TILE`.
 */
export function solveKernel(name: string): KernelFunction {
  return kernel(name, 4, (local, x, l, rows, size) => {
    const [i, j, xAt, lAt, place, groupBytes] = [
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32(),
      local.i32()
    ]
    /** Element j + r of four rows of x */
    const sums = ROWS.map(() => [local.v128(), local.v128()] as const)
    const [factor, x0, x1] = [local.v128(), local.v128(), local.v128()]
    const subtract = ([s0, s1]: readonly [Variable, Variable], known: readonly [Variable, Variable]): Code[] => [
      s0.set(f64x2.sub(s0.get, f64x2.mul(factor.get, known[0].get))),
      s1.set(f64x2.sub(s1.get, f64x2.mul(factor.get, known[1].get)))
    ]
    return [
      groupBytes.set(i32.shl(size.get, 5)),
      i.set(i32.const(0)),
      whileLess(i, rows.get, [
        j.set(i32.const(0)),
        whileLess(j, size.get, [
          place.set(i32.add(x.get, i32.shl(j.get, 5))),
          lAt.set(i32.add(l.get, i32.mul(j.get, i32.shl(size.get, 3)))),
          xAt.set(x.get),
          ...sums.flatMap(([s0, s1], r) => [
            s0.set(f64x2.load(place.get, r * GROUP)),
            s1.set(f64x2.load(place.get, r * GROUP + VECTOR))
          ]),
          whileLess(xAt, place.get, [
            x0.set(f64x2.load(xAt.get)),
            x1.set(f64x2.load(xAt.get, VECTOR)),
            ...sums.flatMap((sum, r) => [factor.set(f64x2.loadSplat(lAt.get, r * NUMBER)), ...subtract(sum, [x0, x1])]),
            increase(xAt, i32.const(GROUP)),
            increase(lAt, i32.const(GROUP))
          ]),
          // the triangle on the diagonal: `lAt` stands at (k = j, r = 0)
          ...sums.flatMap((sum, r) => [
            ...sums
              .slice(0, r)
              .flatMap((known, k) => [
                factor.set(f64x2.loadSplat(lAt.get, k * GROUP + r * NUMBER)),
                ...subtract(sum, known)
              ]),
            factor.set(f64x2.loadSplat(lAt.get, r * GROUP + r * NUMBER)),
            ...sum
              .map((s, half) => [
                s.set(f64x2.div(s.get, factor.get)),
                f64x2.store(place.get, s.get, r * GROUP + half * VECTOR)
              ])
              .flat()
          ]),
          increase(j, i32.const(TILE))
        ]),
        increase(x, groupBytes.get),
        increase(i, i32.const(TILE))
      ])
    ]
  })
}
