/**
 * Which tensor of a model is psi(x), in this order:
 *
 * 1. the tensor that the operator names (a graph output or any intermediate tensor);
 * 2. a graph output whose name says that it is a pooled feature or an embedding (`FEATURE_NAMES`, best first);
 * 3. the last two-dimensional graph output that is not the result of a classifier (a Gemm/MatMul with constant weights);
 * 4. a single output that is a map or a sequence of tokens, pooled;
 * 5. the data input of the last Gemm/MatMul with constant weights: the penultimate tensor of a classifier, before it is quantised.
 *
 * A 4-D map [N, C, H, W] is averaged over space. Tokens [N, T, D] are averaged over T, unless the tensor's name says that its first
 * token is the summary ("cls"): whether a model has such a token cannot be seen in the file. A tensor of 8-bit integers is dequantised
 * where the graph says by what (quantised-tensor.ts).
 */
import { InvalidPriorError } from '../errors.ts'
import type { ModelFacts, NodeFacts, TensorFacts } from './onnx-facts.ts'
import { bytesField, message } from './protobuf.ts'
import { dequantizer, floatTensor, quantisationOf, type Quantisation } from './quantised-tensor.ts'

export interface FeatureChoice {
  /** Name of the tensor. */
  readonly tensor: string
  /** True if the tensor is not an output of the graph yet: see `outputSuffix`. */
  readonly hidden: boolean
  /** How the integers in it become numbers; absent where it holds floating-point numbers. */
  readonly quantisation?: Quantisation
  /** What to do with tokens [N, T, D]. */
  readonly tokens: 'mean' | 'first'
  /** Reason for this choice, for display. */
  readonly reason: string
}

const FEATURE_NAMES: readonly RegExp[] = [
  /^(pooler_output|image_embeds?|image_embeddings?|image_features?)$/i,
  /^(features?|embeddings?|embeds?|pooled(_output)?|pooler)$/i,
  /(^|[._/-])(features?|embeddings?|embeds?|pooled)([._/-]|$)/i
]
/** Operators between a classifier's product and the graph's output. */
const AFTER_PRODUCT = new Set(
  'Softmax LogSoftmax Sigmoid Identity Add Cast Reshape Flatten Squeeze QuantizeLinear DequantizeLinear Clip Div Mul QLinearAdd QLinearSoftmax BiasAdd'.split(
    ' '
  )
)
/** Where a product has its weights among its inputs; its data is the first. Those from `QGemm` on are ONNX Runtime's. */
const WEIGHT_INPUT: Readonly<Record<string, number>> = {
  Gemm: 1,
  MatMul: 1,
  MatMulInteger: 1,
  QLinearMatMul: 3,
  QGemm: 3,
  FusedGemm: 1,
  FusedMatMul: 1,
  FusedMatMulActivation: 1,
  DynamicQuantizeMatMul: 1,
  MatMulIntegerToFloat: 1,
  MatMulNBits: 1,
  MatMulBnb4: 1,
  MatMulFpQ4: 1
}
const OF_CONSTANT = new Set(['DequantizeLinear', 'Transpose', 'Cast', 'Identity', 'Reshape', 'Unsqueeze', 'Squeeze'])

/** How tokens in a tensor of this name are pooled. */
export const tokensOf = (tensor: string): 'mean' | 'first' =>
  /(^|[._/-])(cls|class)([._/-]?token)?([._/-]|$)/i.test(tensor) ? 'first' : 'mean'

/** Throws `InvalidPriorError` if `output` is not a tensor of the model, or no tensor can be chosen without it. */
export function chooseFeature(facts: ModelFacts, options: { output?: string } = {}): FeatureChoice {
  const isOutput = new Set(facts.outputs.map(o => o.name))
  const makers = new Map(facts.nodes.flatMap(n => n.outputs.map(o => [o, n] as const)))
  const choice = (tensor: string, reason: string): FeatureChoice => {
    const quantisation = quantisationOf(tensor, makers)
    return {
      tensor,
      hidden: !isOutput.has(tensor),
      ...(quantisation === undefined ? {} : { quantisation }),
      tokens: tokensOf(tensor),
      reason
    }
  }
  if (options.output !== undefined) {
    const name = options.output
    if (!isOutput.has(name) && !facts.nodes.some(n => name !== '' && n.outputs.includes(name))) {
      throw new InvalidPriorError(
        `the model has no tensor "${name}"; its outputs are ${facts.outputs.map(o => `"${o.name}"`).join(', ')}`
      )
    }
    return choice(name, `tensor "${name}", as asked`)
  }
  for (const pattern of FEATURE_NAMES) {
    const named = facts.outputs.find(o => pattern.test(o.name))
    if (named) return choice(named.name, `output "${named.name}", by its name`)
  }
  const isConstant = constantTest(facts, makers)
  const classifier = (o: TensorFacts) => classifierOf(o.name, makers, isConstant)
  const flat = facts.outputs.filter(o => o.shape?.length === 2)
  const embedding = flat.findLast(o => classifier(o) === undefined && !/logit|prob|score|softmax/i.test(o.name))
  if (embedding) return choice(embedding.name, `output "${embedding.name}", two-dimensional and not of a classifier`)
  const only = facts.outputs.length === 1 ? (facts.outputs[0] as TensorFacts) : undefined
  if (only?.shape?.length === 4) return choice(only.name, `output "${only.name}", a map averaged over space`)
  if (only?.shape?.length === 3) return choice(only.name, `output "${only.name}", a sequence of tokens`)
  const last =
    facts.outputs.map(classifier).findLast(n => n !== undefined) ??
    facts.nodes.findLast(n => isProduct(n) && isConstant(weightOf(n)) && !isConstant(n.inputs[0] ?? ''))
  if (last) {
    const { tensor } = floatTensor(last.inputs[0] as string, makers)
    return choice(
      tensor,
      `tensor "${tensor}", the input of the last ${last.op} with constant weights (the layer before the classifier)`
    )
  }
  const fallback = facts.outputs.at(-1)
  if (fallback) return choice(fallback.name, `output "${fallback.name}", the last one: no other candidate was found`)
  throw new InvalidPriorError('the model has no output; name a tensor with --output')
}

/** The graph output that holds the feature as floating-point numbers, once `outputSuffix` is appended. */
export function outputName({ tensor, quantisation }: Pick<FeatureChoice, 'tensor' | 'quantisation'>): string {
  return quantisation === undefined ? tensor : `${tensor}/coopt-dequantised`
}

/** Bytes that, appended to a model file, make the feature an output: protobuf merges a `graph` that occurs twice. */
export function outputSuffix(choice: Pick<FeatureChoice, 'tensor' | 'hidden' | 'quantisation'>): Uint8Array {
  const { tensor, hidden, quantisation } = choice
  if (!hidden && quantisation === undefined) return new Uint8Array(0)
  const output = outputName(choice)
  const node = quantisation === undefined ? [] : [bytesField(1, dequantizer(tensor, quantisation, output))]
  return bytesField(7, message(...node, bytesField(12, bytesField(1, output))))
}

// --- internal ---

const isProduct = ({ op }: NodeFacts): boolean => Object.hasOwn(WEIGHT_INPUT, op)
const weightOf = ({ op, inputs }: NodeFacts): string => inputs[WEIGHT_INPUT[op] as number] ?? ''

function constantTest(facts: ModelFacts, makers: ReadonlyMap<string, NodeFacts>): (name: string) => boolean {
  return name => {
    let at = name
    // exporters do not write longer chains for a constant; bounds a cycle in a hostile graph
    for (let steps = 0; steps < 8; steps++) {
      if (facts.initializers.has(at)) return true
      const maker = makers.get(at)
      if (maker?.op === 'Constant') return true
      if (maker === undefined || !OF_CONSTANT.has(maker.op)) return false
      at = maker.inputs[0] ?? ''
    }
    return false
  }
}

/** The Gemm/MatMul with constant weights that makes `output`, through activations, biases and reshapes; else undefined. */
function classifierOf(
  output: string,
  makers: ReadonlyMap<string, NodeFacts>,
  isConstant: (name: string) => boolean
): NodeFacts | undefined {
  let at = output
  for (let steps = 0; steps < 16; steps++) {
    const maker = makers.get(at)
    if (maker === undefined) return undefined
    if (isProduct(maker)) return isConstant(weightOf(maker)) ? maker : undefined
    if (!AFTER_PRODUCT.has(maker.op)) return undefined
    const [a = '', b = ''] = maker.inputs
    at = isConstant(a) ? b : a
  }
  return undefined
}
