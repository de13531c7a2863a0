/**
 * ModelProto -> facts. Field numbers are those of onnx.proto3; unknown fields are skipped.
 *
 * Protobuf merges a singular message that occurs twice, so every reader here adds to an accumulator: what is scanned is what ONNX
 * Runtime will see. Nothing recurses: subgraphs are refused where they occur.
 */
import { InvalidPriorError } from '../errors.ts'
import {
  ELEMENT,
  type Dimension,
  type GraphFacts,
  type InitializerFacts,
  type NodeFacts,
  type TensorFacts
} from './onnx-facts.ts'
import { MessageReader } from './protobuf.ts'

/** Largest counts seen in vision models are a few thousand. */
const MAX_NODES = 100_000
const MAX_NAMES_PER_NODE = 4096
const MAX_RANK = 16
/** Shape, repeat and scale tensors have one number per dimension; more is not kept. */
const MAX_VALUES = 64

/** Throws `InvalidPriorError`. */
export function readModel(bytes: Uint8Array): GraphFacts {
  const model = { irVersion: 0, producer: '', opsets: new Map<string, number>(), graphs: 0 }
  const graph = emptyGraph()
  const r = new MessageReader(bytes)
  while (r.next()) {
    if (r.field === 1) model.irVersion = r.takeInteger()
    else if (r.field === 2) model.producer = r.takeText()
    else if (r.field === 7) {
      model.graphs++
      readGraph(graph, r.takeMessage())
    } else if (r.field === 8) readOpset(model.opsets, r.takeMessage())
    else if (r.field === 20) throw refuse('it has training information; export it for inference')
    else if (r.field === 25) throw refuse('it defines its own functions; only standard operators are accepted')
  }
  if (model.graphs === 0 || model.irVersion < 1)
    throw new InvalidPriorError('not an ONNX model: it has no graph or no IR version')
  const opset = model.opsets.get('')
  if (opset === undefined)
    throw new InvalidPriorError('not an ONNX model: it names no version of the standard operator set')
  if (opset < 7)
    throw refuse(`operator set ${opset} is too old (7 or later); convert it with the ONNX version converter`)
  return { irVersion: model.irVersion, opset, producer: model.producer, ...graph }
}

interface GraphAccumulator {
  inputs: TensorFacts[]
  outputs: TensorFacts[]
  nodes: NodeFacts[]
  initializers: Map<string, InitializerFacts>
}

function emptyGraph(): GraphAccumulator {
  return { inputs: [], outputs: [], nodes: [], initializers: new Map() }
}

function readOpset(into: Map<string, number>, r: MessageReader): void {
  let domain = ''
  let version = 0
  while (r.next()) {
    if (r.field === 1) domain = r.takeText()
    else if (r.field === 2) version = r.takeInteger()
  }
  into.set(domain === 'ai.onnx' ? '' : domain, version)
}

function readGraph(into: GraphAccumulator, r: MessageReader): void {
  while (r.next()) {
    if (r.field === 1) into.nodes.push(readNode(r.takeMessage()))
    else if (r.field === 5) {
      const tensor = readTensor(r.takeMessage())
      into.initializers.set(tensor.name, tensor)
    } else if (r.field === 11) into.inputs.push(readValue(r.takeMessage()))
    else if (r.field === 12) into.outputs.push(readValue(r.takeMessage()))
    else if (r.field === 15) throw refuse('it has sparse tensors')
    if (into.nodes.length > MAX_NODES || into.initializers.size > MAX_NODES)
      throw refuse(`more than ${MAX_NODES} nodes or weights`)
    if (into.inputs.length + into.outputs.length > MAX_NODES) throw refuse(`more than ${MAX_NODES} inputs and outputs`)
  }
}

function readNode(r: MessageReader): NodeFacts {
  const inputs: string[] = []
  const outputs: string[] = []
  const integers = new Map<string, number>()
  const attributes: Attribute[] = []
  let op = ''
  let domain = ''
  while (r.next()) {
    if (r.field === 1) inputs.push(r.takeText())
    else if (r.field === 2) outputs.push(r.takeText())
    else if (r.field === 4) op = r.takeText()
    else if (r.field === 7) domain = r.takeText()
    else if (r.field === 5) attributes.push(readAttribute(r.takeMessage()))
    if (inputs.length + outputs.length + attributes.length > MAX_NAMES_PER_NODE) {
      throw refuse(`a node has more than ${MAX_NAMES_PER_NODE} inputs, outputs and attributes`)
    }
  }
  let constant: InitializerFacts | undefined
  for (const a of attributes) {
    if (a.graph) throw refuse(`operator ${op} has a subgraph (control flow); export the model without ${op}`)
    if (a.sparse) throw refuse(`operator ${op} has a sparse tensor`)
    if (a.integer !== undefined) integers.set(a.name, a.integer)
    if (op === 'Constant') constant ??= constantOf(a)
  }
  return { op, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, integers, constant }
}

interface Attribute {
  name: string
  integer: number | undefined
  integers: number[]
  floats: number[]
  tensor: InitializerFacts | undefined
  graph: boolean
  sparse: boolean
}

function readAttribute(r: MessageReader): Attribute {
  const a: Attribute = {
    name: '',
    integer: undefined,
    integers: [],
    floats: [],
    tensor: undefined,
    graph: false,
    sparse: false
  }
  let tensor: TensorAccumulator | undefined
  while (r.next()) {
    if (r.field === 1) a.name = r.takeText()
    else if (r.field === 3) a.integer = r.takeInteger()
    else if (r.field === 5) tensor = addTensor(tensor ?? emptyTensor(), r.takeMessage())
    else if (r.field === 6 || r.field === 11) a.graph = true
    else if (r.field === 2) a.floats.push(r.takeFloat32())
    else if (r.field === 7) r.takeFloats(a.floats, MAX_VALUES)
    else if (r.field === 8) r.takeIntegers(a.integers, MAX_VALUES)
    else if (r.field === 10) readTensor(r.takeMessage())
    else if (r.field === 22 || r.field === 23) a.sparse = true
    if (a.floats.length > MAX_VALUES) a.floats.length = MAX_VALUES
  }
  if (tensor !== undefined) a.tensor = finishTensor(tensor)
  return a
}

function constantOf(a: Attribute): InitializerFacts | undefined {
  const numbers = (elementType: number, values: number[], dims: number[]) => ({ name: '', elementType, dims, values })
  if (a.name === 'value') return a.tensor
  if (a.name === 'value_int' && a.integer !== undefined) return numbers(ELEMENT.int64, [a.integer], [])
  if (a.name === 'value_ints') return numbers(ELEMENT.int64, a.integers, [a.integers.length])
  if (a.name === 'value_float' || a.name === 'value_floats') return numbers(ELEMENT.float, a.floats, [a.floats.length])
  return undefined
}

interface TensorAccumulator {
  name: string
  elementType: number
  dims: number[]
  numbers: number[]
  raw: Uint8Array | undefined
}

const emptyTensor = (): TensorAccumulator => ({ name: '', elementType: 0, dims: [], numbers: [], raw: undefined })
const readTensor = (r: MessageReader): InitializerFacts => finishTensor(addTensor(emptyTensor(), r))

function addTensor(t: TensorAccumulator, r: MessageReader): TensorAccumulator {
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

function finishTensor(t: TensorAccumulator): InitializerFacts {
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

function readValue(r: MessageReader): TensorFacts {
  const value = { name: '', elementType: 0, shape: undefined as Dimension[] | undefined }
  while (r.next()) {
    if (r.field === 1) value.name = r.takeText()
    else if (r.field === 2) readType(value, r.takeMessage())
  }
  return value
}

function readType(into: { elementType: number; shape: Dimension[] | undefined }, type: MessageReader): void {
  while (type.next()) {
    if (type.field !== 1) continue // sequences, maps and optionals keep elementType 0 and are refused as an image
    const tensor = type.takeMessage()
    while (tensor.next()) {
      if (tensor.field === 1) into.elementType = tensor.takeInteger()
      else if (tensor.field === 2) readShape((into.shape ??= []), tensor.takeMessage())
    }
  }
}

function readShape(into: Dimension[], shape: MessageReader): void {
  while (shape.next()) {
    if (shape.field !== 1) continue
    let dimension: Dimension
    const d = shape.takeMessage()
    while (d.next()) {
      if (d.field === 1) dimension = d.takeInteger()
      else if (d.field === 2) dimension = d.takeText()
    }
    into.push(typeof dimension === 'number' && dimension < 0 ? undefined : dimension)
    if (into.length > MAX_RANK) throw refuse(`an input or output has more than ${MAX_RANK} dimensions`)
  }
}

function refuse(why: string): InvalidPriorError {
  return new InvalidPriorError(`the model is refused: ${why}`)
}
