/**
 * A WebAssembly module from TypeScript: just the instructions that the kernels beside it need, written as expressions.
 *
 * WebAssembly Core Specification 2.0, section 5 (binary format). Every expression is the list of its bytes, operands first. Relaxed SIMD
 * and fused multiply-add do not exist here on purpose: each of + - * / rounds once, as IEEE 754 and ECMAScript have it.
 */

/** Bytes of an instruction sequence */
export type Code = readonly number[]

export const I32 = 0x7f
export const V128 = 0x7b

type ValueType = typeof I32 | typeof V128

/** A parameter or local variable */
export interface Variable {
  readonly get: Code
  set(value: Code): Code
}

export interface FunctionBuilder {
  i32(): Variable
  v128(): Variable
}

export interface KernelFunction {
  readonly name: string
  readonly parameters: number
  readonly locals: readonly ValueType[]
  readonly body: Code
}

/** A function of `parameters` i32 parameters without a result. `write` gets one variable for each. */
export function kernel(
  name: string,
  parameters: number,
  write: (builder: FunctionBuilder, ...parameters: Variable[]) => Code[]
): KernelFunction {
  const locals: ValueType[] = []
  const declare = (type: ValueType): Variable => variable(parameters + locals.push(type) - 1)
  const builder = { i32: () => declare(I32), v128: () => declare(V128) }
  const body = write(builder, ...Array.from({ length: parameters }, (_, i) => variable(i))).flat()
  return { name, parameters, locals, body }
}

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: (a: Code, b: Code): Code => [...a, ...b, 0x6a],
  sub: (a: Code, b: Code): Code => [...a, ...b, 0x6b],
  mul: (a: Code, b: Code): Code => [...a, ...b, 0x6c],
  shl: (a: Code, bits: number): Code => [...a, ...i32.const(bits), 0x74],
  lessThan: (a: Code, b: Code): Code => [...a, ...b, 0x48],
  load: (address: Code): Code => [...address, 0x28, 2, 0]
}

/** Four int32 side by side, by two's complement */
export const i32x4 = {
  splat: (value: Code): Code => [...value, 0xfd, 0x11],
  loadSplat: (address: Code): Code => [...address, 0xfd, 0x09, 2, 0],
  /** Four bytes at any address into the first lane, the others 0 */
  loadOne: (address: Code): Code => [...address, 0xfd, ...unsigned(0x5c), 0, 0],
  /** The first lane to any address */
  storeOne: (address: Code, value: Code): Code => [...address, ...value, 0xfd, ...unsigned(0x5a), 0, 0, 0],
  add: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xae)],
  mul: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xb5)],
  shiftRight: (a: Code, bits: number): Code => [...a, ...i32.const(bits), 0xfd, ...unsigned(0xac)],
  /** The first and the last four of eight uint16 */
  lowest: (a: Code): Code => [...a, 0xfd, ...unsigned(0xa9)],
  highest: (a: Code): Code => [...a, 0xfd, ...unsigned(0xaa)],
  /** Eight int16, saturated */
  narrow: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0x86)]
}

/** Sixteen bytes side by side, at any address */
export const u8x16 = {
  load: (address: Code): Code => [...address, 0xfd, 0x00, 0, 0],
  store: (address: Code, value: Code): Code => [...address, ...value, 0xfd, 0x0b, 0, 0],
  /** The first and the last eight as uint16 */
  low: (a: Code): Code => [...a, 0xfd, ...unsigned(0x89)],
  high: (a: Code): Code => [...a, 0xfd, ...unsigned(0x8a)],
  /** Of twice eight int16, saturated to 0 to 255 */
  join: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0x66)]
}

/** Two float64 side by side; addresses are i32 expressions in bytes, `offset` is added to them. */
export const f64x2 = {
  load: (address: Code, offset = 0): Code => [...address, 0xfd, 0x00, 3, ...unsigned(offset)],
  /** One float64 in both lanes */
  loadSplat: (address: Code, offset = 0): Code => [...address, 0xfd, 0x0a, 3, ...unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0xfd, 0x0b, 3, ...unsigned(offset)],
  add: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xf0)],
  sub: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xf1)],
  mul: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xf2)],
  div: (a: Code, b: Code): Code => [...a, ...b, 0xfd, ...unsigned(0xf3)]
}

/** `i += step` */
export function increase(i: Variable, step: Code): Code {
  return i.set(i32.add(i.get, step))
}

/** Runs `body` while i < end; the body itself moves `i` on. */
export function whileLess(i: Variable, end: Code, body: Code[]): Code {
  const test = i32.lessThan(i.get, end)
  // if (i < end) do { body } while (i < end)
  return [...test, 0x04, 0x40, 0x03, 0x40, ...body.flat(), ...test, 0x0d, 0, 0x0b, 0x0b]
}

/** The binary module: it imports `env.memory` and exports every function by its name. */
export function assemble(functions: readonly KernelFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(f => [0x60, ...vector(Array.from({ length: f.parameters }, () => [I32])), 0])
  const memory = [...name('env'), ...name('memory'), 0x02, 0, 1]
  const exported = functions.map((f, i) => [...name(f.name), 0x00, ...unsigned(i)])
  const bodies = functions.map(f => {
    const code = [...vector(f.locals.map(type => [1, type])), ...f.body, 0x0b]
    return [...unsigned(code.length), ...code]
  })
  return Uint8Array.from([
    ...HEADER,
    ...section(1, vector(types)),
    ...section(2, vector([memory])),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(7, vector(exported)),
    ...section(10, vector(bodies))
  ])
}

// --- internal ---

/** "\0asm" and version 1 */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

function variable(index: number): Variable {
  return { get: [0x20, ...unsigned(index)], set: value => [...value, 0x21, ...unsigned(index)] }
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content]
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()]
}

function name(text: string): Code {
  return vector(Array.from(text, letter => [letter.charCodeAt(0)]))
}

/** LEB128 */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

function signed(value: number): Code {
  const low = value & 0x7f
  const rest = value >> 7
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
  return isLast ? [low] : [low | 0x80, ...signed(rest)]
}
