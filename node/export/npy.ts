/**
 * NumPy's array file, version 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): little-endian float32 in
 * C order.
 */

/** The header is padded to this, so that it can be written when the number of rows is known, in front of what was written before. */
export const NPY_HEADER_BYTES = 128

export function npyHeader(shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`
  const header = new Uint8Array(NPY_HEADER_BYTES).fill(0x20)
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0])
  new DataView(header.buffer).setUint16(8, NPY_HEADER_BYTES - 10, true)
  header.set(new TextEncoder().encode(text), 10)
  header[NPY_HEADER_BYTES - 1] = 0x0a
  return header
}
