/**
 * Head of NumPy's array file, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). The file may be hostile:
 * its sizes are compared with those of the file before anything is read by them. Pickled objects are refused.
 */
import { InvalidPriorError } from '../errors.ts'
import { MAX_VECTOR_NUMBERS, NUMBER_BYTES, type NumberFormat, type VectorLayout } from './vector-layout.ts'

/** Magic, version, and the length of the text in 2 or 4 bytes. */
const PREFIX_BYTES = 12
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
/** That of an array of two dimensions has some 118 characters. */
const MAX_TEXT_BYTES = 4096

/** As many bytes as `parseNpy` looks at. */
export const NPY_HEAD_BYTES = PREFIX_BYTES + MAX_TEXT_BYTES

export interface NpyHeader {
  /** Such as `<f4` or `<U64` */
  readonly descr: string
  readonly shape: readonly number[]
  /** Where the data begins, in bytes */
  readonly offset: number
}

/** `head`: the first `NPY_HEAD_BYTES` of the file, or all of it. Throws `InvalidPriorError` without naming the file. */
export function parseNpy(head: Uint8Array): NpyHeader {
  const fail = (why: string) => new InvalidPriorError(`it cannot be read as a NumPy array: ${why}`)
  if (head.byteLength < PREFIX_BYTES || MAGIC.some((byte, i) => head[i] !== byte))
    throw fail('it does not begin like one (np.save writes it; an .npz archive must be unpacked)')
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const version = head[6] as number
  if (version < 1 || version > 3) throw fail(`its format version is ${version}, 1 to 3 are known`)
  const start = version === 1 ? 10 : 12
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > MAX_TEXT_BYTES) throw fail(`its header has ${length} bytes, at most ${MAX_TEXT_BYTES} are read`)
  if (start + length > head.byteLength) throw fail('it ends within its header')
  const text = new TextDecoder('latin1').decode(head.subarray(start, start + length))
  const descr = /'descr':\s*'([^']{1,16})'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1]
  if (descr === undefined) throw fail('it has no plain type, such as structured arrays: save the vectors alone')
  if (order === undefined || sizes === undefined) throw fail('its header says no order or shape')
  const shape = sizes.split(',').flatMap(size => (size.trim() === '' ? [] : [Number(size)]))
  if (shape.some(size => !Number.isSafeInteger(size))) throw fail(`its shape is (${sizes})`)
  if (order === 'True' && shape.length > 1)
    throw fail('it is in Fortran order: save np.ascontiguousarray(vectors) instead')
  return { descr, shape, offset: start + length }
}

const FORMATS: Readonly<Record<string, NumberFormat>> = { f2: 'float16', f4: 'float32', f8: 'float64' }

/** An N x l array of floats in a file of `fileBytes`. Throws `InvalidPriorError` without naming the file. */
export function npyVectors({ descr, shape, offset }: NpyHeader, fileBytes: number): VectorLayout {
  const format = FORMATS[descr.slice(1)]
  if (format === undefined || !/^[<>]/.test(descr))
    throw new InvalidPriorError(
      `its numbers have the type "${descr}", and float16, float32 or float64 are needed: save vectors.astype("float32")`
    )
  const [rows, columns] = shape
  if (shape.length !== 2 || rows === undefined || columns === undefined || rows < 1 || columns < 1)
    throw new InvalidPriorError(`its shape is (${shape.join(', ')}), and one row for each image is needed: (N, l)`)
  const layout: VectorLayout = { rows, columns, offset, format, littleEndian: descr.startsWith('<') }
  checkExtent(layout, fileBytes)
  return layout
}

/** Throws `InvalidPriorError` when the vectors are too long, or do not lie within the file. */
export function checkExtent({ rows, columns, offset, format }: VectorLayout, fileBytes: number): void {
  if (columns > MAX_VECTOR_NUMBERS)
    throw new InvalidPriorError(`its vectors have ${columns} numbers, at most ${MAX_VECTOR_NUMBERS} are accepted`)
  const end = offset + rows * columns * NUMBER_BYTES[format]
  if (!(end <= fileBytes))
    throw new InvalidPriorError(
      `it has ${fileBytes} bytes, and ${rows} vectors of ${columns} numbers end at byte ${end}: the file is cut short, copy it again`
    )
}
