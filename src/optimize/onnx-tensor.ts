/** TensorProto -> facts: name, type, sizes, and the values where they are few. The data of weights is skipped, not read. */
import { InvalidPriorError } from '../errors.ts'
import { ELEMENT, type ExternalFile, type InitializerFacts } from './onnx-facts.ts'
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
  /** Key-value pairs that say where its data is, if not here. */
  external: Array<readonly [string, string]>
  isExternal: boolean
}

export const emptyTensor = (): TensorAccumulator => ({
  name: '',
  elementType: 0,
  dims: [],
  numbers: [],
  raw: undefined,
  external: [],
  isExternal: false
})

/** location, offset, length, checksum, and room for tools that add some. */
const MAX_EXTERNAL_KEYS = 16

/** StringStringEntryProto */
function readPair(r: MessageReader): readonly [string, string] {
  let [key, value] = ['', '']
  while (r.next()) {
    if (r.field === 1) key = r.takeText()
    else if (r.field === 2) value = r.takeText()
  }
  return [key, value]
}

export function addTensor(t: TensorAccumulator, r: MessageReader): TensorAccumulator {
  while (r.next()) {
    if (r.field === 1) r.takeIntegers(t.dims, MAX_RANK + 1)
    else if (r.field === 2) t.elementType = r.takeInteger()
    else if (r.field === 4) r.takeFloats(t.numbers, MAX_VALUES)
    else if (r.field === 5 || r.field === 7) r.takeIntegers(t.numbers, MAX_VALUES)
    else if (r.field === 6) throw refuse('it has a tensor of strings')
    else if (r.field === 8) t.name = r.takeText()
    else if (r.field === 9) t.raw = r.takeBytes()
    else if (r.field === 13) {
      if (t.external.length >= MAX_EXTERNAL_KEYS) throw refuse(`weight "${t.name}" has too many keys of external data`)
      t.external.push(readPair(r.takeMessage()))
    } else if (r.field === 14) t.isExternal = r.takeInteger() !== 0
  }
  return t
}

/**
 * Throws `InvalidPriorError` on sizes that no weight has, and on external data at a place where none may be; else adds its file to
 * `files`.
 */
export function finishTensor(t: TensorAccumulator, files: Map<string, ExternalFile>): InitializerFacts {
  if (t.elementType === ELEMENT.string) throw refuse('it has a tensor of strings')
  if (t.dims.length > MAX_RANK) throw refuse(`a tensor has more than ${MAX_RANK} dimensions`)
  let count = 1
  for (const d of t.dims) {
    if (d < 0) throw refuse(`weight "${t.name}" has a negative dimension`)
    count *= d
  }
  if (count > 2 ** 31) throw refuse(`weight "${t.name}" has ${count} elements`)
  // ONNX Runtime reads the file when either is set, so both count here
  if (t.isExternal || t.external.length > 0) {
    const file = externalFile(t)
    const known = files.get(file.location)
    if (known === undefined || known.bytes < file.bytes) files.set(file.location, file)
    if (files.size > MAX_EXTERNAL_FILES) throw refuse(`its weights are in more than ${MAX_EXTERNAL_FILES} files`)
    return { name: t.name, elementType: t.elementType, dims: t.dims, values: undefined }
  }
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

/** Exporters write one file, or one per weight; the largest vision models have some thousand weights. */
const MAX_EXTERNAL_FILES = 8192
const MAX_LOCATION_CHARACTERS = 1024

/** Names in a model come from anywhere: only plain relative ones are taken. `*` begins tags with which ONNX Runtime means memory. */
function externalFile(t: TensorAccumulator): ExternalFile {
  const value = (key: string): string | undefined => {
    const found = new Set(t.external.filter(([k]) => k === key).map(([, v]) => v))
    if (found.size > 1) throw refuse(`weight "${t.name}" has two values of "${key}"`)
    return [...found][0]
  }
  const location = value('location') ?? ''
  const parts = location.split('/')
  const plain = parts.every(part => part !== '' && part !== '.' && part !== '..' && !/[\\:*?\0]/.test(part))
  if (!plain || location.length > MAX_LOCATION_CHARACTERS)
    throw refuse(
      `weight "${t.name}" is external data at ${JSON.stringify(location.slice(0, 200))}, which is not a file in the model's folder or below; save the model again with a plain name: onnx.save_model(model, "model.onnx", save_as_external_data=True, location="model.onnx.data")`
    )
  const number = (key: string): number => {
    const text = value(key) ?? '0'
    if (!/^\d{1,15}$/.test(text))
      throw refuse(`weight "${t.name}": ${key} of its external data is ${JSON.stringify(text)}`)
    return Number(text)
  }
  return { location, bytes: number('offset') + number('length'), weight: t.name }
}

export function refuse(why: string): InvalidPriorError {
  return new InvalidPriorError(`the model is refused: ${why}`)
}
