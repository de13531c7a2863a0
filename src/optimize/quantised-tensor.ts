/**
 * 8-bit tensors of quantised models as floating-point numbers. ONNX Runtime's quantisers write three forms: dynamic
 * (DynamicQuantizeLinear before an integer product), QDQ (QuantizeLinear and DequantizeLinear around float operators) and QOperator
 * (operators on integers, such as QLinearConv). A feature among them is taken before it is quantised, or dequantised by one operator
 * more.
 */
import type { NodeFacts } from './onnx-facts.ts'
import { bytesField, message } from './protobuf.ts'

/** Names of the tensors by which integers become numbers: (q - zeroPoint) * scale. */
export interface Quantisation {
  readonly scale: string
  /** Empty: 0. */
  readonly zeroPoint: string
}

/** Positions among the inputs: scale and zero point of the output. */
const OUTPUT_SCALE: Readonly<Record<string, readonly [number, number]>> = {
  QuantizeLinear: [1, 2],
  QLinearConv: [6, 7],
  QLinearMatMul: [6, 7],
  QGemm: [7, 8],
  QLinearAdd: [6, 7],
  QLinearMul: [6, 7],
  QLinearAveragePool: [3, 4],
  QLinearGlobalAveragePool: [3, 4],
  QLinearLeakyRelu: [3, 4],
  QLinearSigmoid: [3, 4],
  QLinearSoftmax: [3, 4],
  QLinearReduceMean: [3, 4],
  QLinearConcat: [0, 1],
  QLinearWhere: [7, 8]
}
/** Operators that move numbers and do not change them. */
const MOVES = new Set(
  'Reshape Flatten Squeeze Unsqueeze Transpose Identity Gather Slice MaxPool NhwcMaxPool Split Expand'.split(' ')
)
/** Exporters put two or three of them in a row; bounds a cycle in a hostile graph. */
const MAX_STEPS = 16

/**
 * `tensor` itself where it holds floating-point numbers as far as the graph says, its source where it was quantised a step before, or
 * `tensor` with what dequantises it.
 */
export function floatTensor(
  tensor: string,
  makers: ReadonlyMap<string, NodeFacts>
): { tensor: string; quantisation?: Quantisation } {
  const maker = makers.get(tensor)
  if (maker === undefined) return { tensor }
  if (maker.op === 'DequantizeLinear') {
    const before = makers.get(maker.inputs[0] ?? '')
    return before !== undefined && isQuantiser(before) ? { tensor: before.inputs[0] ?? tensor } : { tensor }
  }
  if (isQuantiser(maker)) return { tensor: maker.inputs[0] ?? tensor }
  const quantisation = quantisationOf(tensor, makers)
  return quantisation === undefined ? { tensor } : { tensor, quantisation }
}

/** What dequantises `tensor`, where the graph says how it was quantised. */
export function quantisationOf(tensor: string, makers: ReadonlyMap<string, NodeFacts>): Quantisation | undefined {
  let at = tensor
  for (let step = 0; step < MAX_STEPS; step++) {
    const maker = makers.get(at)
    if (maker === undefined) return undefined
    if (maker.op === 'DynamicQuantizeLinear')
      return at === maker.outputs[0] ? { scale: maker.outputs[1] ?? '', zeroPoint: maker.outputs[2] ?? '' } : undefined
    const places = Object.hasOwn(OUTPUT_SCALE, maker.op) ? OUTPUT_SCALE[maker.op] : undefined
    if (places !== undefined) {
      const [scale = '', zeroPoint = ''] = places.map(i => maker.inputs[i] ?? '')
      return scale === '' ? undefined : { scale, zeroPoint }
    }
    if (!MOVES.has(maker.op)) return undefined
    at = maker.inputs[0] ?? ''
  }
  return undefined
}

/** NodeProto: `output` = (input - zeroPoint) * scale. */
export function dequantizer(input: string, { scale, zeroPoint }: Quantisation, output: string): Uint8Array {
  const inputs = [input, scale, ...(zeroPoint === '' ? [] : [zeroPoint])]
  return message(
    ...inputs.map(name => bytesField(1, name)),
    bytesField(2, output),
    bytesField(3, output),
    bytesField(4, 'DequantizeLinear')
  )
}

const isQuantiser = ({ op }: NodeFacts): boolean => op === 'QuantizeLinear' || op === 'DynamicQuantizeLinear'
