/**
 * ModelProto -> facts. Field numbers are those of onnx.proto3; unknown fields are skipped.
 *
 * Protobuf merges a singular message that occurs twice, so every reader here adds to an accumulator: what is scanned is what ONNX
 * Runtime will see. Only the branches of an `If` are read as subgraphs, to a fixed depth; others are refused where they occur.
 */
import { InvalidPriorError } from '../errors.ts'
import {
  ELEMENT,
  type Dimension,
  type ExternalFile,
  type GraphFacts,
  type GraphPart,
  type InitializerFacts,
  type NodeFacts,
  type TensorFacts
} from './onnx-facts.ts'
import {
  addTensor,
  emptyTensor,
  finishTensor,
  MAX_RANK,
  MAX_VALUES,
  refuse,
  type TensorAccumulator
} from './onnx-tensor.ts'
import { MessageReader } from './protobuf.ts'

/** Largest counts seen in vision models are a few thousand. */
const MAX_NODES = 100_000
const MAX_NAMES_PER_NODE = 4096
/** Exporters nest `If` once or twice. */
const MAX_DEPTH = 4

/** What the parts of one model add to. */
interface Context {
  readonly external: Map<string, ExternalFile>
  /** Nodes and weights of all graphs so far. */
  parts: number
}

/** Throws `InvalidPriorError`. */
export function readModel(bytes: Uint8Array): GraphFacts {
  const model = { irVersion: 0, producer: '', opsets: new Map<string, number>(), graphs: 0 }
  const graph = emptyGraph()
  const context: Context = { external: new Map(), parts: 0 }
  const r = new MessageReader(bytes)
  while (r.next()) {
    if (r.field === 1) model.irVersion = r.takeInteger()
    else if (r.field === 2) model.producer = r.takeText()
    else if (r.field === 7) {
      model.graphs++
      readGraph(graph, r.takeMessage(), context, 0)
    } else if (r.field === 8) readOpset(model.opsets, r.takeMessage())
    else if (r.field === 20) throw refuse('it has training information; export it for inference')
    else if (r.field === 25)
      throw refuse(
        'it defines its own functions; write them out: onnx.save(onnx.inliner.inline_local_functions(onnx.load("model.onnx")), "inlined.onnx")'
      )
  }
  if (model.graphs === 0 || model.irVersion < 1)
    throw new InvalidPriorError('not an ONNX model: it has no graph or no IR version')
  const opset = model.opsets.get('')
  if (opset === undefined)
    throw new InvalidPriorError('not an ONNX model: it names no version of the standard operator set')
  if (opset < 7)
    throw refuse(
      `operator set ${opset} is too old (7 or later); convert it: onnx.save(onnx.version_converter.convert_version(onnx.load("model.onnx"), 17), "converted.onnx")`
    )
  return {
    irVersion: model.irVersion,
    opset,
    producer: model.producer,
    ...graph,
    external: [...context.external.values()].toSorted((a, b) => (a.location < b.location ? -1 : 1))
  }
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

function readGraph(into: GraphAccumulator, r: MessageReader, context: Context, depth: number): void {
  while (r.next()) {
    if (r.field === 1) {
      context.parts++
      into.nodes.push(readNode(r.takeMessage(), context, depth))
    } else if (r.field === 5) {
      context.parts++
      const tensor = finishTensor(addTensor(emptyTensor(), r.takeMessage()), context.external)
      into.initializers.set(tensor.name, tensor)
    } else if (r.field === 11) into.inputs.push(readValue(r.takeMessage()))
    else if (r.field === 12) into.outputs.push(readValue(r.takeMessage()))
    else if (r.field === 15) throw refuse('it has sparse tensors')
    if (context.parts > MAX_NODES) throw refuse(`more than ${MAX_NODES} nodes and weights`)
    if (into.inputs.length + into.outputs.length > MAX_NODES) throw refuse(`more than ${MAX_NODES} inputs and outputs`)
  }
}

function readNode(r: MessageReader, context: Context, depth: number): NodeFacts {
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
    else if (r.field === 5) attributes.push(readAttribute(r.takeMessage(), context, depth))
    if (inputs.length + outputs.length + attributes.length > MAX_NAMES_PER_NODE) {
      throw refuse(`a node has more than ${MAX_NAMES_PER_NODE} inputs, outputs and attributes`)
    }
  }
  let constant: InitializerFacts | undefined
  const branches: GraphPart[] = []
  for (const a of attributes) {
    if (a.graph !== undefined && op === 'If') branches.push(a.graph)
    else if (a.graph !== undefined)
      throw refuse(`operator ${op} has a subgraph (control flow); export the model without ${op}`)
    if (a.sparse) throw refuse(`operator ${op} has a sparse tensor`)
    if (a.integer !== undefined) integers.set(a.name, a.integer)
    if (op === 'Constant') constant ??= constantOf(a)
  }
  return { op, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, integers, constant, branches }
}

interface Attribute {
  name: string
  integer: number | undefined
  integers: number[]
  floats: number[]
  tensor: InitializerFacts | undefined
  graph: GraphAccumulator | undefined
  sparse: boolean
}

function readAttribute(r: MessageReader, context: Context, depth: number): Attribute {
  const a: Attribute = {
    name: '',
    integer: undefined,
    integers: [],
    floats: [],
    tensor: undefined,
    graph: undefined,
    sparse: false
  }
  let tensor: TensorAccumulator | undefined
  while (r.next()) {
    if (r.field === 1) a.name = r.takeText()
    else if (r.field === 3) a.integer = r.takeInteger()
    else if (r.field === 5) tensor = addTensor(tensor ?? emptyTensor(), r.takeMessage())
    else if (r.field === 6 || r.field === 11) {
      if (depth >= MAX_DEPTH) throw refuse(`its control flow is nested more than ${MAX_DEPTH} deep`)
      readGraph((a.graph ??= emptyGraph()), r.takeMessage(), context, depth + 1)
    } else if (r.field === 2) a.floats.push(r.takeFloat32())
    else if (r.field === 7) r.takeFloats(a.floats, MAX_VALUES)
    else if (r.field === 8) r.takeIntegers(a.integers, MAX_VALUES)
    else if (r.field === 10) finishTensor(addTensor(emptyTensor(), r.takeMessage()), context.external)
    else if (r.field === 22 || r.field === 23) a.sparse = true
    if (a.floats.length > MAX_VALUES) a.floats.length = MAX_VALUES
  }
  if (tensor !== undefined) a.tensor = finishTensor(tensor, context.external)
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
