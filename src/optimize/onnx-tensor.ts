/** TensorProto -> facts: name, type, sizes, and the values where they are few. The data of weights is skipped, not read. */
import { InvalidPriorError } from '../errors.ts'
import { ELEMENT, type InitializerFacts } from './onnx-facts.ts'
import type { MessageReader } from './protobuf.ts'

export const MAX_RANK = 16
/** Shape, repeat and scale tensors have one number per dimension; more is not kept. */
export const MAX_VALUES = 64

/** What the fields of one tensor add up to; a message that occurs twice adds to the same. */
export interface TensorAccumulator {
  name: string
  elementType: number
  dims: number[]
  numbers: number[]
  raw: Uint8Array | undefined
}

export const emptyTensor = (): TensorAccumulator => ({
  name: '',
  elementType: 0,
  dims: [],
  numbers: [],
  raw: undefined
})

export function addTensor(t: TensorAccumulator, r: MessageReader): TensorAccumulator {
  while (r.next()) {
    if (r.field === 1) r.takeIntegers(t.dims, MAX_RANK + 1)
    else if (r.field === 2) t.elementType = r.takeInteger()
    else if (r.field === 4) r.takeFloats(t.numbers, MAX_VALUES)
    else if (r.field === 5 || r.field === 7) r.takeIntegers(t.numbers, MAX_VALUES)
    else if (r.field === 6) throw refuse('it has a tensor of strings')
    else if (r.field === 8) t.name = r.takeText()
    else if (r.field === 9) t.raw = r.takeBytes()
    else if (r.field === 13 || (r.field === 14 && r.takeInteger() !== 0)) {
      throw refuse(
        `weight "${t.name}" is external data (another file); save the model as one file (onnx.save_model with save_as_external_data=False)`
      )
    }
  }
  return t
}

/** Throws `InvalidPriorError` on sizes that no weight has. */
export function finishTensor(t: TensorAccumulator): InitializerFacts {
  if (t.elementType === ELEMENT.string) throw refuse('it has a tensor of strings')
  if (t.dims.length > MAX_RANK) throw refuse(`a tensor has more than ${MAX_RANK} dimensions`)
  let count = 1
  for (const d of t.dims) {
    if (d < 0) throw refuse(`weight "${t.name}" has a negative dimension`)
    count *= d
  }
  if (count > 2 ** 31) throw refuse(`weight "${t.name}" has ${count} elements`)
  const values = count <= MAX_VALUES ? (t.numbers.length > 0 ? t.numbers : rawNumbers(t)) : undefined
  return { name: t.name, elementType: t.elementType, dims: t.dims, values }
}

/** Little-endian raw_data of the types that shapes, repeats, scales and flags come in. */
function rawNumbers({ raw, elementType }: TensorAccumulator): number[] | undefined {
  if (raw === undefined || raw.byteLength > MAX_VALUES * 8) return undefined
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const each = (size: number, read: (at: number) => number) =>
    Array.from({ length: Math.floor(raw.byteLength / size) }, (_, i) => read(i * size))
  if (elementType === ELEMENT.int64) return each(8, at => Number(view.getBigInt64(at, true)))
  if (elementType === ELEMENT.int32) return each(4, at => view.getInt32(at, true))
  if (elementType === ELEMENT.float) return each(4, at => view.getFloat32(at, true))
  if (elementType === ELEMENT.bool) return each(1, at => view.getUint8(at))
  return undefined
}

export function refuse(why: string): InvalidPriorError {
  return new InvalidPriorError(`the model is refused: ${why}`)
}
