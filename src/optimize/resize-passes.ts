/**
 * Both passes of resizing RGB by the kernels of kernels/resize-kernel.ts, in a memory of their own. The source is copied in by bands, so that the memory
 * does not grow with it.
 */
import { assemble } from '../kernels/assembler.ts'
import { columnsKernel, OVERRUN, rowsKernel } from '../kernels/resize-kernel.ts'
import type { Pixels, Region } from './raster.ts'
import { PRECISION, type Weights } from './resize-weights.ts'

/** Bytes of source rows that are copied in at once, one row at least: what the caches hold */
const BAND = 1024 * 1024
/** Of the rows between the passes: more, as of a strip of a million rows, is left to the plain loops */
const MOST_BETWEEN = 64 * 1024 * 1024
const PAGE = 65_536
const INTEGER = 4
const CHANNELS = 3

type Kernel = (...parameters: number[]) => void

/** Rows `first` to `last` of the source, filtered both ways; undefined if the kernels are not for it. */
export function filterBoth(
  { data, width, channels }: Pixels,
  { horizontal, vertical }: { horizontal: Weights; vertical: Weights },
  [first, last]: readonly [number, number],
  region: Region
): Pixels | undefined {
  const stride = width * CHANNELS
  const outStride = region.width * CHANNELS
  const between = (last - first) * outStride
  if (channels !== CHANNELS || between > MOST_BETWEEN || stride > MOST_BETWEEN) return undefined
  const bandRows = Math.max(1, Math.floor(BAND / stride))
  const place = planner()
  const tables = {
    horizontal: tableOf(horizontal, region.left, region.width, CHANNELS, 0),
    vertical: tableOf(vertical, region.top, region.height, outStride, first)
  }
  const at = {
    band: place(Math.min(bandRows, last - first) * stride),
    between: place(between),
    out: place(region.height * outStride),
    horizontal: place(tables.horizontal.byteLength),
    vertical: place(tables.vertical.byteLength)
  }
  const { kernels, bytes } = memoryOf(place(0))
  bytes.set(new Uint8Array(tables.horizontal.buffer), at.horizontal)
  bytes.set(new Uint8Array(tables.vertical.buffer), at.vertical)
  const lists = (begin: number, n: number): [number, number, number] => [
    begin,
    begin + INTEGER * n,
    begin + 2 * INTEGER * n
  ]
  const across = lists(at.horizontal, region.width)
  for (let y = first; y < last; y += bandRows) {
    const rows = Math.min(bandRows, last - y)
    bytes.set(data.subarray(y * stride, (y + rows) * stride), at.band)
    const to = at.between + (y - first) * outStride
    kernels.rows(to, at.band, stride, ...across, horizontal.taps, rows, region.width)
  }
  const down = lists(at.vertical, region.height)
  kernels.columns(at.out, at.between, outStride, ...down, vertical.taps, region.height)
  const result = bytes.slice(at.out, at.out + region.height * outStride)
  return { data: result, height: region.height, width: region.width, channels: CHANNELS }
}

// --- internal ---

/** first (in bytes, from position `zero`), count and values of `length` positions from `from` on */
function tableOf({ first, count, values, taps }: Weights, from: number, length: number, step: number, zero: number) {
  const table = new Int32Array(length * (2 + taps))
  for (let i = 0; i < length; i++) table[i] = ((first[from + i] as number) - zero) * step
  table.set(count.subarray(from, from + length), length)
  table.set(values.subarray(from * taps, (from + length) * taps), 2 * length)
  return table
}

/** Places behind each other, aligned to a vector, each with room for what a kernel reads or writes behind it. */
function planner(): (size: number) => number {
  let end = 0
  return size => {
    const begin = end
    end += Math.ceil((size + OVERRUN) / OVERRUN) * OVERRUN
    return begin
  }
}

let shared: { kernels: { rows: Kernel; columns: Kernel }; memory: WebAssembly.Memory } | undefined

function memoryOf(size: number): { kernels: { rows: Kernel; columns: Kernel }; bytes: Uint8Array } {
  shared ??= compile()
  const { kernels, memory } = shared
  const missing = Math.ceil(size / PAGE) - memory.buffer.byteLength / PAGE
  if (missing > 0) memory.grow(missing)
  return { kernels, bytes: new Uint8Array(memory.buffer) }
}

function compile(): NonNullable<typeof shared> {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const functions = [rowsKernel('rows', PRECISION), columnsKernel('columns', PRECISION)]
  const module = new WebAssembly.Module(assemble(functions))
  // what was assembled above exports these two
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as {
    rows: Kernel
    columns: Kernel
  }
  return { kernels, memory }
}
