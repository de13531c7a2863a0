/** Vectors that lie one after the other in a file, as NumPy and safetensors write them, and how their numbers are decoded. */

export type NumberFormat = 'float16' | 'bfloat16' | 'float32' | 'float64'

export interface VectorLayout {
  readonly rows: number
  /** l, numbers of a vector */
  readonly columns: number
  /** Of the first number, in bytes from the start of the file */
  readonly offset: number
  readonly format: NumberFormat
  readonly littleEndian: boolean
}

/** As many dimensions as a record can state. */
export const MAX_VECTOR_NUMBERS = 1_048_576

export const NUMBER_BYTES: Readonly<Record<NumberFormat, number>> = { float16: 2, bfloat16: 2, float32: 4, float64: 8 }

export const rowBytes = ({ columns, format }: VectorLayout): number => columns * NUMBER_BYTES[format]

/** `bytes` are whole numbers of the layout; `out` has room for all. float64 is rounded to float32. */
export function decodeNumbers(bytes: Uint8Array, { format, littleEndian }: VectorLayout, out: Float32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = bytes.byteLength / NUMBER_BYTES[format]
  const read = READERS[format]
  for (let i = 0; i < count; i++) out[i] = read(view, i, littleEndian)
}

// --- internal ---

const word = new DataView(new ArrayBuffer(4))

const READERS: Readonly<Record<NumberFormat, (view: DataView, index: number, littleEndian: boolean) => number>> = {
  float16: (view, i, little) => view.getFloat16(i * 2, little),
  float32: (view, i, little) => view.getFloat32(i * 4, little),
  float64: (view, i, little) => view.getFloat64(i * 8, little),
  // the upper half of a float32
  bfloat16: (view, i, little) => {
    word.setUint16(0, view.getUint16(i * 2, little))
    return word.getFloat32(0)
  }
}
