/**
 * The compiled kernels and the memory they work in.
 *
 * The order of operations is that of the textbook's loops, one number of the result after the other:
 *
 *   product        c_ij = 0 + a_i0 b_j0 + a_i1 b_j1 + …                                       blocked-product.ts
 *   Cholesky       l_ij = (a_ij - l_i0 l_j0 - l_i1 l_j1 - …) / l_jj                             blocked-solve.ts
 *   solve          x_i = (b_i - l_i0 x_0 - l_i1 x_1 - …) / l_ii                                 blocked-solve.ts
 *   reflection     x_i - s v_i, s = scale (0 + v_0 x_0 + v_1 x_1 + …) / divisor                  blocked-reflections.ts
 *   tridiagonal    a_ij - v_i p_j - p_i v_j; p from 0 + a_i0 v_0 + a_i1 v_1 + …                 tridiagonal.ts
 *   rotation       s u_i + c w_i and c u_i - s w_i                                              tridiagonal.ts
 *
 * from left to right, each operation rounded to float64 by itself. Vector lanes and blocks only decide which numbers are worked on together,
 * and f64x2 instructions round as IEEE 754 says: the same bits on every machine, those of the plain loops that the tests compare with.
 *
 * One memory per thread: a driver copies its operands in, runs kernels and copies results out; nothing is kept between calls.
 */
import { assemble } from './assembler.ts'
import { productKernel, solveKernel } from './product-kernel.ts'
import { dotKernel, reflectKernel, rotateKernel, updateKernel } from './reflect-kernel.ts'

const NUMBER = 8
const PAGE_NUMBERS = 65_536 / NUMBER

/** All arguments are bytes (addresses, strides) or counts; the kernels' files say which. */
type Kernel = (...parameters: number[]) => void

const FUNCTIONS = {
  addProduct: productKernel('addProduct', 'add'),
  subtractProduct: productKernel('subtractProduct', 'sub'),
  solve: solveKernel('solve'),
  dot: dotKernel('dot'),
  reflect: reflectKernel('reflect'),
  update: updateKernel('update'),
  rotate: rotateKernel('rotate')
}

export type Kernels = Readonly<Record<keyof typeof FUNCTIONS, Kernel>>

export interface Workspace {
  readonly kernels: Kernels
  /** The memory as numbers: number i is at byte 8 i. Invalid after the next call of `workspace`. */
  readonly numbers: Float64Array
}

let shared: { kernels: Kernels; memory: WebAssembly.Memory } | undefined

/** The kernels with a memory of at least `size` numbers, of any content. */
export function workspace(size: number): Workspace {
  shared ??= compile()
  const { kernels, memory } = shared
  const missing = Math.ceil(size / PAGE_NUMBERS) - memory.buffer.byteLength / (PAGE_NUMBERS * NUMBER)
  if (missing > 0) memory.grow(missing)
  return { kernels, numbers: new Float64Array(memory.buffer) }
}

// --- internal ---

function compile(): { kernels: Kernels; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const module = new WebAssembly.Module(assemble(Object.values(FUNCTIONS)))
  // what was assembled above exports one function for each name
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels
  return { kernels, memory }
}
