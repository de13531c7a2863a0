/**
 * The structure of FlatBuffers tables, with every offset and length checked
 * (https://flatbuffers.dev/internals/): what a decoder without checks may be given afterwards.
 */
import { InvalidContentError } from '../../src/errors.ts'

export interface Table {
  /** Where field `index` lies, in the order of the schema; undefined when it is left out */
  field(index: number): number | undefined
  /** A table that field `index` points to */
  table(index: number): Table | undefined
  /** Number of entries and offset of the first one, of `stride` bytes each; none for a field that is left out */
  vector(index: number, stride: number): { length: number; start: number }
}

/** The root of a buffer. Everything throws `InvalidContentError` for offsets beyond it. */
export function rootTable(bytes: Uint8Array): Table {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return tableAt(view, within(view, uint32(view, 0), 4))
}

/** Tables of a vector of offsets. */
export function* tablesOf(bytes: Uint8Array, { length, start }: { length: number; start: number }): Generator<Table> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let i = 0; i < length; i++) {
    const at = start + 4 * i
    yield tableAt(view, within(view, at + uint32(view, at), 4))
  }
}

// --- internal ---

const damaged = (): InvalidContentError => new InvalidContentError('its metadata are damaged')

function within(view: DataView, at: number, bytes: number): number {
  if (at < 0 || bytes > view.byteLength - at) throw damaged()
  return at
}

const uint32 = (view: DataView, at: number): number => view.getUint32(within(view, at, 4), true)
const uint16 = (view: DataView, at: number): number => view.getUint16(within(view, at, 2), true)

function tableAt(view: DataView, at: number): Table {
  const fields = within(view, at - view.getInt32(within(view, at, 4), true), 4)
  const size = uint16(view, fields)
  within(view, fields, size)
  const field = (index: number): number | undefined => {
    const entry = 4 + 2 * index
    const offset = entry + 2 <= size ? uint16(view, fields + entry) : 0
    return offset === 0 ? undefined : within(view, at + offset, 1)
  }
  return {
    field,
    table: index => {
      const place = field(index)
      return place === undefined ? undefined : tableAt(view, within(view, place + uint32(view, place), 4))
    },
    vector: (index, stride) => {
      const place = field(index)
      if (place === undefined) return { length: 0, start: 0 }
      const base = place + uint32(view, place)
      const length = uint32(view, base)
      within(view, base + 4, length * stride)
      return { length, start: base + 4 }
    }
  }
}
