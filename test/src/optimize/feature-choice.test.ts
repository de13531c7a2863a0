import { describe, expect, it } from 'vitest'
import { chooseFeature, outputName, outputSuffix } from '../../../src/optimize/feature-choice.ts'
import { scanModel } from '../../../src/optimize/onnx-model.ts'
import { classifier, floats, integers, model, node, value, type ModelParts } from '../../helpers/onnx.ts'

const FLAT = [node('GlobalAveragePool', ['image'], ['pooled']), node('Flatten', ['pooled'], ['flat'])]
const withNode = (...nodes: Uint8Array[]): ModelParts => ({
  nodes: [...FLAT, ...nodes],
  outputs: [value('out', ['N', 3])]
})
const choose = (parts: ModelParts, output?: string) =>
  chooseFeature(scanModel(model(parts)), output === undefined ? {} : { output })

describe('chooseFeature', () => {
  it('takes the tensor that is asked for, output or hidden, and names what there is otherwise', () => {
    const facts = scanModel(classifier())
    expect(chooseFeature(facts, { output: 'flat' })).toMatchObject({ tensor: 'flat', hidden: true })
    expect(chooseFeature(facts, { output: 'output' })).toMatchObject({ tensor: 'output', hidden: false })
    expect(() => chooseFeature(facts, { output: 'nope' })).toThrow(/no tensor "nope".*"output"/)
  })

  it('takes the layer before the classifier, through softmax, bias and a quantised weight', () => {
    expect(chooseFeature(scanModel(classifier()))).toMatchObject({
      tensor: 'hidden',
      hidden: true,
      reason: expect.stringMatching(/last Gemm/) as string
    })
    const matmul = withNode(
      node('Relu', ['flat'], ['features_in']),
      node('DequantizeLinear', ['w', 's'], ['weight']),
      node('MatMul', ['features_in', 'weight'], ['product']),
      node('Add', ['product', 'b'], ['out'])
    )
    const initializers = [
      floats('w', [3, 3], Array<number>(9).fill(1)),
      floats('s', [], [1]),
      floats('b', [3], [0, 0, 0])
    ]
    expect(choose({ ...matmul, initializers })).toMatchObject({ tensor: 'features_in', hidden: true })
  })

  it('takes a feature before it is quantised, in all three forms', () => {
    const weights = [floats('w', [3, 3], Array<number>(9).fill(1)), floats('s', [], [1]), integers('z', [0])]
    const dynamic = withNode(
      node('DynamicQuantizeLinear', ['flat'], ['q', 'q_scale', 'q_zero']),
      node('MatMulInteger', ['q', 'w', 'q_zero'], ['sum']),
      node('Cast', ['sum'], ['cast']),
      node('Mul', ['cast', 's'], ['out'])
    )
    expect(choose({ ...dynamic, initializers: weights })).toMatchObject({ tensor: 'flat' })
    const qdq = withNode(
      node('QuantizeLinear', ['flat', 's', 'z'], ['q']),
      node('DequantizeLinear', ['q', 's', 'z'], ['again']),
      node('DequantizeLinear', ['w', 's'], ['weight']),
      node('Gemm', ['again', 'weight'], ['out'])
    )
    expect(choose({ ...qdq, initializers: weights })).toMatchObject({ tensor: 'flat' })
    const operators = withNode(
      node('QuantizeLinear', ['pooled', 's', 'z'], ['q']),
      node('Flatten', ['q'], ['hidden']),
      node('QGemm', ['hidden', 's', 'z', 'w', 's', 'z', '', 's', 'z'], ['sum'], { domain: 'com.microsoft' }),
      node('DequantizeLinear', ['sum', 's', 'z'], ['out'])
    )
    const choice = choose({ ...operators, initializers: weights })
    expect(choice).toMatchObject({ tensor: 'hidden', quantisation: { scale: 's', zeroPoint: 'z' } })
    const exposed = scanModel(Buffer.concat([model({ ...operators, initializers: weights }), outputSuffix(choice)]))
    expect(exposed.outputs.at(-1)?.name).toBe(outputName(choice))
    expect(exposed.nodes.at(-1)).toMatchObject({ op: 'DequantizeLinear', inputs: ['hidden', 's', 'z'] })
    expect(choose({ ...operators, initializers: weights }, 'sum')).toHaveProperty('quantisation')
  })

  it('prefers outputs that are named as features, the pooled one first', () => {
    const outputs = [
      value('last_hidden_state', ['N', 5, 3]),
      value('image_embeds', ['N', 3]),
      value('logits', ['N', 9])
    ]
    const nodes = [
      ...FLAT,
      ...['last_hidden_state', 'image_embeds', 'logits', 'pooler_output'].map(o => node('Relu', ['flat'], [o]))
    ]
    expect(choose({ nodes, outputs })).toMatchObject({ tensor: 'image_embeds' })
    expect(choose({ nodes, outputs: [value('pooler_output', ['N', 3]), ...outputs] })).toMatchObject({
      tensor: 'pooler_output'
    })
  })

  it('takes a flat output that no classifier made, else a map or tokens', () => {
    expect(choose({ nodes: [...FLAT, node('Relu', ['flat'], ['y'])], outputs: [value('y', ['N', 3])] })).toMatchObject({
      tensor: 'y'
    })
    const one = (name: string, ...shape: (number | string)[]) =>
      choose({ nodes: [node('Relu', ['image'], [name])], outputs: [value(name, shape)] })
    expect(one('map', 'N', 3, 4, 4)).toMatchObject({ tensor: 'map', hidden: false })
    expect(one('last_hidden_state', 'N', 'T', 3)).toMatchObject({ tokens: 'mean' })
    expect(one('cls_token', 'N', 'T', 3)).toMatchObject({ tokens: 'first' })
  })

  it('ends on a graph that runs in a circle', () => {
    const nodes = [node('Identity', ['b'], ['a']), node('Identity', ['a'], ['b']), node('MatMul', ['a', 'b'], ['y'])]
    expect(choose({ nodes, outputs: [value('a', ['N', 3])] })).toMatchObject({ tensor: 'a' })
  })

  it('exposes a tensor by appending bytes only', () => {
    const bytes = classifier()
    const exposed = new Uint8Array(Buffer.concat([bytes, outputSuffix({ tensor: 'hidden', hidden: true })]))
    expect(exposed.subarray(0, bytes.byteLength)).toEqual(bytes)
    expect(scanModel(exposed).outputs.map(o => o.name)).toEqual(['output', 'hidden'])
  })
})
