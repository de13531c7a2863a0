/**
 * Kernels of orthogonal transformations: Householder reflections, the update of a tridiagonalisation, Givens rotations.
 *
 * All work on strips: `STRIP` columns of a matrix side by side, so that number c of row i lies i * STRIP + c numbers after the start.
 * Lanes are columns, which are independent: sums run over rows in ascending order, as in the plain loop.
 */
import { f64x2, i32, increase, kernel, whileLess, type KernelFunction } from './assembler.ts'

/** Columns of a strip: four vectors, with their factors and sums, fit the sixteen vector registers of x86-64. */
export const STRIP = 8

const NUMBER = 8
const VECTOR = 16
const ROW = STRIP * NUMBER
const PAIRS = [0, 1, 2, 3] as const

/** `name(x, v, count, sums)`: sums[c] += v[i] x[i][c] for i = 0 .. count - 1. */
export function dotKernel(name: string): KernelFunction {
  return kernel(name, 4, (local, x, v, count, sums) => {
    const end = local.i32()
    const factor = local.v128()
    const totals = PAIRS.map(() => local.v128())
    return [
      end.set(i32.add(v.get, i32.shl(count.get, 3))),
      ...totals.map((total, p) => total.set(f64x2.load(sums.get, p * VECTOR))),
      whileLess(v, end.get, [
        factor.set(f64x2.loadSplat(v.get)),
        ...totals.map((total, p) =>
          total.set(f64x2.add(total.get, f64x2.mul(factor.get, f64x2.load(x.get, p * VECTOR))))
        ),
        increase(x, i32.const(ROW)),
        increase(v, i32.const(NUMBER))
      ]),
      ...totals.map((total, p) => f64x2.store(sums.get, total.get, p * VECTOR))
    ]
  })
}

/**
 * `name(x, v, factors, next, count, sums)`: x[i][c] -= factors[c] v[i], and with the new x: sums[c] += next[i] x[i][c]. One pass over x
 * for the end of one reflection and the beginning of the next.
 */
export function reflectKernel(name: string): KernelFunction {
  return kernel(name, 6, (local, x, v, factors, next, count, sums) => {
    const end = local.i32()
    const [vi, ni, value] = [local.v128(), local.v128(), local.v128()]
    const scales = PAIRS.map(() => local.v128())
    const totals = PAIRS.map(() => local.v128())
    return [
      end.set(i32.add(v.get, i32.shl(count.get, 3))),
      ...scales.map((scale, p) => scale.set(f64x2.load(factors.get, p * VECTOR))),
      ...totals.map((total, p) => total.set(f64x2.load(sums.get, p * VECTOR))),
      whileLess(v, end.get, [
        vi.set(f64x2.loadSplat(v.get)),
        ni.set(f64x2.loadSplat(next.get)),
        ...PAIRS.flatMap(p => {
          const [scale, total] = [scales[p], totals[p]]
          if (scale === undefined || total === undefined) return []
          return [
            value.set(f64x2.sub(f64x2.load(x.get, p * VECTOR), f64x2.mul(scale.get, vi.get))),
            f64x2.store(x.get, value.get, p * VECTOR),
            total.set(f64x2.add(total.get, f64x2.mul(ni.get, value.get)))
          ]
        }),
        increase(x, i32.const(ROW)),
        increase(v, i32.const(NUMBER)),
        increase(next, i32.const(NUMBER))
      ]),
      ...totals.map((total, p) => f64x2.store(sums.get, total.get, p * VECTOR))
    ]
  })
}

/**
 * `name(a, stride, v, p, w, from, to, columns, sums)`: the trailing matrix of a tridiagonalisation, stored by columns `stride` bytes
 * apart. For each column j and each row i in from .. to - 1, addresses in bytes from the starts of v, p and sums:
 * a[i][j] = a[i][j] - v[i] p[j] - p[i] v[j], then sums[i] += a[i][j] w[j]. Columns two at a time, j ascending; `from`, `to` multiples of 16.
 */
export function updateKernel(name: string): KernelFunction {
  return kernel(name, 9, (local, a, stride, v, p, w, from, to, columns, sums) => {
    const [at, j, second] = [local.i32(), local.i32(), local.i32()]
    const [vj0, pj0, wj0, vj1, pj1, wj1] = [
      local.v128(),
      local.v128(),
      local.v128(),
      local.v128(),
      local.v128(),
      local.v128()
    ]
    const [vi, pi, sum, value] = [local.v128(), local.v128(), local.v128(), local.v128()]
    const element = (column: typeof a, vj: typeof vi, pj: typeof vi, wj: typeof vi) => [
      value.set(
        f64x2.sub(
          f64x2.sub(f64x2.load(i32.add(column.get, at.get)), f64x2.mul(vi.get, pj.get)),
          f64x2.mul(pi.get, vj.get)
        )
      ),
      f64x2.store(i32.add(column.get, at.get), value.get),
      sum.set(f64x2.add(sum.get, f64x2.mul(value.get, wj.get)))
    ]
    // v[j], p[j] of the columns: the caller gives where they begin; w is read along with them
    const [vAt, pAt] = [local.i32(), local.i32()]
    return [
      vAt.set(i32.add(v.get, columns.get)),
      pAt.set(i32.add(p.get, columns.get)),
      j.set(columns.get),
      whileLess(j, to.get, [
        second.set(i32.add(a.get, stride.get)),
        vj0.set(f64x2.loadSplat(vAt.get)),
        vj1.set(f64x2.loadSplat(vAt.get, NUMBER)),
        pj0.set(f64x2.loadSplat(pAt.get)),
        pj1.set(f64x2.loadSplat(pAt.get, NUMBER)),
        wj0.set(f64x2.loadSplat(i32.add(w.get, j.get))),
        wj1.set(f64x2.loadSplat(i32.add(w.get, j.get), NUMBER)),
        at.set(from.get),
        whileLess(at, to.get, [
          vi.set(f64x2.load(i32.add(v.get, at.get))),
          pi.set(f64x2.load(i32.add(p.get, at.get))),
          sum.set(f64x2.load(i32.add(sums.get, at.get))),
          ...element(a, vj0, pj0, wj0),
          ...element(second, vj1, pj1, wj1),
          f64x2.store(i32.add(sums.get, at.get), sum.get),
          increase(at, i32.const(VECTOR))
        ]),
        increase(a, i32.shl(stride.get, 1)),
        increase(vAt, i32.const(2 * NUMBER)),
        increase(pAt, i32.const(2 * NUMBER)),
        increase(j, i32.const(2 * NUMBER))
      ])
    ]
  })
}

/**
 * `name(x, turns, count)`: rotates rows of a strip by pairs, upwards: with (s, c) = turns[t], u = row -t - 1 and w = row -t from `x`,
 * the lower row becomes s u + c w and the upper one c u - s w, which is the w of the next.
 */
export function rotateKernel(name: string): KernelFunction {
  return kernel(name, 3, (local, x, turns, count) => {
    const end = local.i32()
    const [sine, cosine, upper] = [local.v128(), local.v128(), local.v128()]
    const lower = PAIRS.map(() => local.v128())
    return [
      end.set(i32.add(turns.get, i32.shl(count.get, 4))),
      ...lower.map((w, p) => w.set(f64x2.load(x.get, p * VECTOR))),
      whileLess(turns, end.get, [
        sine.set(f64x2.loadSplat(turns.get)),
        cosine.set(f64x2.loadSplat(turns.get, NUMBER)),
        ...lower.flatMap((w, p) => [
          upper.set(f64x2.load(i32.sub(x.get, i32.const(ROW)), p * VECTOR)),
          f64x2.store(x.get, f64x2.add(f64x2.mul(sine.get, upper.get), f64x2.mul(cosine.get, w.get)), p * VECTOR),
          w.set(f64x2.sub(f64x2.mul(cosine.get, upper.get), f64x2.mul(sine.get, w.get)))
        ]),
        increase(x, i32.const(-ROW)),
        increase(turns, i32.const(2 * NUMBER))
      ]),
      ...lower.map((w, p) => f64x2.store(x.get, w.get, p * VECTOR))
    ]
  })
}
