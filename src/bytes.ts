/**
 * float32 matrices as bytes: row-major, little-endian, nothing else. What is published is hashed over exactly these bytes.
 *
 * A row without a target (a sample that a human prior did not label) is a whole row of the canonical NaN 0x7fc00000. No other value that
 * is not finite is ever valid, so one matrix has one encoding.
 */
import { InvalidContentError } from './errors.ts'
import type { Matrix32 } from './matrix.ts'

/** Quiet NaN, sign and payload zero: what RISC-V, WebAssembly and most encoders call canonical. */
const CANONICAL_NAN = 0x7fc00000

/** Bits of a float32 with all exponent bits set: infinities and NaN. */
const EXPONENT = 0x7f800000

/** Is the platform little-endian, so that a plain copy of memory is the encoding? */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** `rows * columns * 4` bytes. A copy: later writes to `m` do not reach it. */
export function encodeMatrix(m: Matrix32): Uint8Array {
  const bytes = new Uint8Array(m.data.length * 4)
  bytes.set(new Uint8Array(m.data.buffer, m.data.byteOffset, m.data.byteLength))
  return LITTLE_ENDIAN ? bytes : swapped(bytes)
}

/**
 * Decode a matrix of known shape; the bytes are copied (they may lie unaligned in a pooled buffer).
 *
 * Throws `InvalidContentError` when the length is not that of the shape, or a row is neither all finite nor absent.
 */
export function decodeMatrix(bytes: Uint8Array, rows: number, columns: number): Matrix32 {
  if (bytes.byteLength !== rows * columns * 4) {
    throw new InvalidContentError(
      `${bytes.byteLength} bytes are not a ${rows} x ${columns} float32 matrix, which has ${rows * columns * 4}`
    )
  }
  const copy = new Uint8Array(bytes) // not bytes.slice(), which returns a view for a Buffer
  const data = new Float32Array((LITTLE_ENDIAN ? copy : swapped(copy)).buffer)
  const bits = new Uint32Array(data.buffer)
  for (let i = 0; i < rows; i++) {
    const end = (i + 1) * columns
    let special = 0
    let absent = 0
    for (let at = i * columns; at < end; at++) {
      const value = bits[at] as number
      if ((value & EXPONENT) === EXPONENT) special++
      if (value === CANONICAL_NAN) absent++
    }
    if (special !== 0 && absent !== columns) {
      throw new InvalidContentError(
        `row ${i} of a ${rows} x ${columns} matrix has values that are not finite and is not marked as absent`
      )
    }
  }
  return { rows, columns, data }
}

/** Is every value of this float32 row the canonical NaN? Looks at bits: arithmetic cannot tell NaNs apart. */
export function isAbsentRow(row: Float32Array): boolean {
  const bits = new Uint32Array(row.buffer, row.byteOffset, row.length)
  for (const value of bits) if (value !== CANONICAL_NAN) return false
  return bits.length > 0
}

/**
 * A new row of `columns` canonical NaNs. Copy it with `TypedArray.set`, which moves bits; assigning NaN to an element lets the engine choose its bits.
 */
export function ABSENT(columns: number): Float32Array {
  return new Float32Array(new Uint32Array(columns).fill(CANONICAL_NAN).buffer)
}

/** Indices of the rows that are not absent, ascending. float64 rows count as absent when their first value is NaN. */
export function presentRows(m: {
  readonly rows: number
  readonly columns: number
  readonly data: Float32Array | Float64Array
}): number[] {
  const present: number[] = []
  for (let i = 0; i < m.rows; i++) {
    const at = i * m.columns
    const absent =
      m.data instanceof Float32Array ? isAbsentRow(m.data.subarray(at, at + m.columns)) : Number.isNaN(m.data[at])
    if (!absent) present.push(i)
  }
  return present
}

// --- internal ---

/** Reverses each group of four bytes in place. */
function swapped(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at < bytes.byteLength; at += 4) bytes.subarray(at, at + 4).reverse()
  return bytes
}
