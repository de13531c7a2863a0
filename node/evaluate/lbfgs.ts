/**
 * Minimum of a smooth convex function by limited-memory BFGS (Liu, Nocedal 1989; Nocedal, Wright, "Numerical Optimization", alg. 7.4)
 * with a line search for the weak Wolfe conditions by bisection (Lewis, Overton 2013). Everything in float64, no randomness.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { NumericError } from '../../src/errors.ts'

export interface Evaluated {
  readonly value: number
  readonly gradient: Float64Array
}

/** Pairs of steps that approximate the Hessian; more than ten rarely help. */
const MEMORY = 10
const MAX_ITERATIONS = 1000
/** Evaluations of one line search; after these the interval is a millionth of its initial length */
const MAX_SEARCH = 40
/** Of the weak Wolfe conditions, as in Nocedal and Wright */
const [DECREASE, CURVATURE] = [1e-4, 0.9]

/**
 * Stops when no element of the gradient is larger than `tolerance`, or when rounding prevents any further decrease. Yields to other work between
 * evaluations. Throws the signal's reason, or `NumericError` if the function is not finite at `start` or takes too many iterations.
 */
export async function minimise(
  objective: (point: Float64Array) => Evaluated,
  start: Float64Array,
  { tolerance, signal }: { tolerance: number; signal?: AbortSignal | undefined }
): Promise<{ point: Float64Array; value: number }> {
  let point: Float64Array = Float64Array.from(start)
  let here = objective(point)
  if (!Number.isFinite(here.value)) throw new NumericError('the function to minimise is not finite at the start')
  const pairs: Array<{ step: Float64Array; change: Float64Array; curvature: number }> = []
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    signal?.throwIfAborted()
    if (here.gradient.every(value => Math.abs(value) <= tolerance)) return { point, value: here.value }
    const direction = descent(here.gradient, pairs)
    const found = await search(objective, point, here, direction, iteration === 0)
    if (found === undefined) return { point, value: here.value }
    const step = found.point.map((value, i) => value - (point[i] as number))
    const change = found.gradient.map((value, i) => value - (here.gradient[i] as number))
    const curvature = dot(step, change)
    if (curvature > 0) pairs.push({ step, change, curvature })
    if (pairs.length > MEMORY) pairs.shift()
    point = found.point
    here = found
  }
  throw new NumericError(`no minimum within ${MAX_ITERATIONS} iterations`)
}

// --- internal ---

type Pairs = ReadonlyArray<{ step: Float64Array; change: Float64Array; curvature: number }>

/** -H g by the two-loop recursion. */
function descent(gradient: Float64Array, pairs: Pairs): Float64Array {
  const q = gradient.map(value => -value)
  const factors: number[] = []
  for (const { step, change, curvature } of pairs.toReversed()) {
    const factor = dot(step, q) / curvature
    factors.push(factor)
    add(q, -factor, change)
  }
  const last = pairs.at(-1)
  if (last !== undefined) {
    const scale = last.curvature / dot(last.change, last.change)
    for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) * scale
  }
  for (const { step, change, curvature } of pairs) {
    add(q, (factors.pop() as number) - dot(change, q) / curvature, step)
  }
  return q
}

/** A point that satisfies both conditions; undefined when rounding hides any decrease. */
async function search(
  objective: (point: Float64Array) => Evaluated,
  point: Float64Array,
  here: Evaluated,
  direction: Float64Array,
  isFirst: boolean
): Promise<(Evaluated & { point: Float64Array }) | undefined> {
  const slope = dot(here.gradient, direction)
  if (!(slope < 0)) return undefined
  let [low, high] = [0, Infinity]
  // the first direction is the gradient, whose length is unrelated to the step
  let length = isFirst ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1
  for (let i = 0; i < MAX_SEARCH; i++) {
    const next = Float64Array.from(point)
    add(next, length, direction)
    await turn()
    const there = objective(next)
    if (!(there.value <= here.value + DECREASE * length * slope)) high = length
    else if (dot(there.gradient, direction) < CURVATURE * slope) low = length
    else return { ...there, point: next }
    length = high === Infinity ? 2 * length : (low + high) / 2
  }
  return undefined
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

function add(to: Float64Array, factor: number, what: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) + factor * (what[i] as number)
}
