/**
 * Which operators a prior may be made of: an allow-list, so that an operator unknown to this version is refused and not tried.
 *
 * Left out on purpose: loops (Loop, Scan, SequenceMap: unbounded time, cannot be cancelled), randomness (targets must be reproducible),
 * strings, sequences, optionals, image decoding and every domain but the standard one and `com.microsoft`, of which those are listed
 * that ONNX Runtime's own optimiser and quantiser write. An `If` runs one of two branches once; both are looked at like the graph itself.
 */
import { InvalidPriorError } from '../errors.ts'
import type { GraphPart, NodeFacts } from './onnx-facts.ts'

/** Vision backbones: convolutional nets, transformers, image towers, normalisations, quantised models. */
const ALLOWED = new Set(
  `
  Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift BitwiseAnd BitwiseNot
  BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv ConvInteger
  ConvTranspose Cos Cosh CumSum DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal
  Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
  GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN
  LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean
  MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear
  RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
  ReduceSum ReduceSumSquare Relu Reshape Resize RotaryEmbedding Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign SimplifiedLayerNormalization Sin
  Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK
  Transpose Trilu Unsqueeze Upsample Where Xor
  `
    .trim()
    .split(/\s+/)
)
/** Of the domain `com.microsoft`: what session optimisation, transformers.optimizer, the quantisers and matmul_nbits_quantizer write. */
const ALLOWED_MICROSOFT = new Set(
  `
  Attention BiasAdd BiasGelu BiasSoftmax BiasSplitGelu ConvTransposeWithDynamicPads DequantizeLinear DynamicQuantizeMatMul FastGelu
  FusedConv FusedGemm FusedMatMul FusedMatMulActivation GatherBlockQuantized Gelu GemmFastGelu GroupNorm MatMulBnb4 MatMulFpQ4
  MatMulInteger16 MatMulIntegerToFloat MatMulNBits MultiHeadAttention NhwcConv NhwcFusedConv NhwcMaxPool Pad QAttention QGemm
  QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean
  QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu SimplifiedLayerNormalization SkipGroupNorm
  SkipLayerNormalization SkipSimplifiedLayerNormalization TransposeMatMul Trilu
  `
    .trim()
    .split(/\s+/)
)
const MICROSOFT = 'com.microsoft'
/** Written at the highest level of optimisation, for the instruction set of the machine that wrote the file. */
const MACHINE_DOMAINS = new Set(['com.microsoft.nchwc', 'com.ms.internal.nhwc'])
const CONTROL_FLOW = new Set(['Loop', 'Scan', 'SequenceMap'])
const RANDOM = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike'
])
/** Preprocessing never enlarges an image more than 256 times in each direction. */
const MAX_ENLARGEMENT = 65_536

/** Throws `InvalidPriorError` naming the operator and the reason. `maxElements` bounds every shape that is constant. */
export function checkOperators(graph: GraphPart, maxElements: number): void {
  if (graph.nodes.length === 0) throw new InvalidPriorError('not an ONNX model: its graph has no operators')
  checkPart(graph, new Map(), maxElements)
}

/** `outer`: constants of the graphs around it, whose names a branch may use. */
function checkPart(graph: GraphPart, outer: ReadonlyMap<string, readonly number[]>, maxElements: number): void {
  const constants = new Map(outer)
  for (const t of graph.initializers.values()) if (t.values !== undefined) constants.set(t.name, t.values)
  for (const n of graph.nodes) {
    const output = n.outputs[0]
    if (n.constant?.values !== undefined && output !== undefined) constants.set(output, n.constant.values)
  }
  for (const node of graph.nodes) {
    checkName(node)
    checkTraining(node, constants)
    checkAmplification(node, constants, maxElements)
    for (const branch of node.branches) checkPart(branch, constants, maxElements)
  }
}

function checkName({ op, domain }: NodeFacts): void {
  const refuse = (why: string) =>
    new InvalidPriorError(`the model is refused: operator ${domain === '' ? '' : `${domain}.`}${op} ${why}`)
  if (MACHINE_DOMAINS.has(domain))
    throw refuse(
      'is made for the machine that optimised the file; take the file from before, or optimise it with graph_optimization_level=ORT_ENABLE_EXTENDED at most'
    )
  if (domain === MICROSOFT && ALLOWED_MICROSOFT.has(op)) return
  if (domain !== '')
    throw refuse(
      'is not one of the standard domain ai.onnx or of those that ONNX Runtime itself writes; export the model again without custom or fused operators (optimum-cli export onnx without --optimize)'
    )
  if (CONTROL_FLOW.has(op)) throw refuse('is control flow, which cannot be bounded or cancelled')
  if (RANDOM.has(op)) throw refuse('is random: the same image must give the same feature')
  if (!ALLOWED.has(op)) throw refuse('is not on the list of accepted operators')
}

function checkTraining(node: NodeFacts, constants: ReadonlyMap<string, readonly number[]>): void {
  const flag = node.op === 'Dropout' ? node.inputs[2] : undefined
  const dropout = flag !== undefined && flag !== '' && constants.get(flag)?.[0] !== 0
  const norm = node.op === 'BatchNormalization' && (node.integers.get('training_mode') ?? 0) !== 0
  if (dropout || norm)
    throw new InvalidPriorError(`the model is refused: ${node.op} is in training mode; export it for inference`)
}

/** A 186-byte file with an Expand drove a process to 4.5 GB: shapes that are written in the file are checked here. */
function checkAmplification(
  node: NodeFacts,
  constants: ReadonlyMap<string, readonly number[]>,
  maxElements: number
): void {
  const values = (input: number) => constants.get(node.inputs[input] ?? '') ?? []
  const product = (list: readonly number[]) => list.reduce((p, v) => p * Math.max(1, Math.abs(v)), 1)
  const check = (elements: number, limit: number) => {
    if (elements <= limit) return
    throw new InvalidPriorError(
      `the model is refused: ${node.op} asks for a tensor of ${elements} elements or times, at most ${limit}`
    )
  }
  if (node.op === 'ConstantOfShape') check(product(values(0)), maxElements)
  else if (node.op === 'Expand' || node.op === 'Tile' || node.op === 'CenterCropPad')
    check(product(values(1)), maxElements)
  else if (node.op === 'Resize') {
    check(product(values(3)), maxElements)
    check(product([...values(1), ...values(2)]), MAX_ENLARGEMENT) // roi and scales share the places across opsets
  } else if (node.op === 'Upsample') check(product(values(1)), MAX_ENLARGEMENT)
  else if (node.op === 'Pad')
    check(
      values(1).reduce((s, v) => s + Math.max(0, v), 0),
      MAX_ENLARGEMENT
    )
  else if (node.op === 'Range')
    check((values(1)[0] ?? 0) - (values(0)[0] ?? 0), maxElements * Math.abs(values(2)[0] ?? 1))
  else if (node.op === 'OneHot') check(product(values(1)), maxElements)
}
