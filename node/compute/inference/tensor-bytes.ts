/** Numbers of an input tensor, in memory and as they travel to a model server. */
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import type { TensorEncoding } from './messages.ts'

export type TensorNumbers = Float32Array | Uint16Array | Uint8Array

/** float16 is kept as the bits of its numbers: ONNX Runtime takes it so. */
export const NUMBERS = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array } as const
export const BYTES_OF = { float32: 4, float16: 2, uint8: 1 } as const

/** Digits that tell every float32 apart (IEEE 754-2019, 5.12.2). */
const FLOAT32_DIGITS = 9
/** Sign, digits, point and exponent, such as `-1.17549435e-38`. */
export const MAX_NUMBER_CHARACTERS = FLOAT32_DIGITS + 7

/**
 * `binary`: the bytes in memory (little-endian on every platform that Node supports with its prebuilt modules). `json`: a flat array, each number
 * in the fewest digits that give it back.
 */
export function tensorBytes(
  numbers: TensorNumbers,
  elementType: ImageInput['elementType'],
  encoding: TensorEncoding
): Uint8Array {
  if (encoding === 'binary') return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  const values =
    elementType === 'float16' ? new Float16Array(numbers.buffer, numbers.byteOffset, numbers.length) : numbers
  const texts = new Map<number, string>() // 256 levels of at most three channels
  const parts: string[] = []
  for (const value of values) {
    let text = texts.get(value)
    if (text === undefined) {
      text = shortest(value)
      texts.set(value, text)
    }
    parts.push(text)
  }
  return new TextEncoder().encode(`[${parts.join(',')}]`)
}

// --- internal ---

function shortest(value: number): string {
  for (let digits = 6; digits < FLOAT32_DIGITS; digits++) {
    const text = String(Number(value.toPrecision(digits)))
    if (Math.fround(Number(text)) === value) return text
  }
  return String(Number(value.toPrecision(FLOAT32_DIGITS)))
}
