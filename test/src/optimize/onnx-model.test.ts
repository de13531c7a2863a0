import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidPriorError } from '../../../src/errors.ts'
import { chooseFeature, exposeOutput } from '../../../src/optimize/feature-choice.ts'
import { ELEMENT } from '../../../src/optimize/onnx-facts.ts'
import { scanModel } from '../../../src/optimize/onnx-model.ts'
import { bytesField, integerField, message } from '../../../src/optimize/protobuf.ts'
import {
  classifier,
  floats,
  graphAttribute,
  IMAGE,
  intAttribute,
  integers,
  model,
  node,
  tensorAttribute,
  value,
  type ModelParts
} from '../../helpers/onnx.ts'

const BUNDLED = new URL('../../../node/priors/bundled/', import.meta.url)
const ZOO = new URL('../../../../shared/data/priors/', import.meta.url)
const bundled = readdirSync(BUNDLED)
  .map(name => new URL(`${name}/model.onnx`, BUNDLED))
  .filter(f => existsSync(f))
const zoo = existsSync(ZOO)
  ? readdirSync(ZOO)
      .filter(f => f.endsWith('.onnx'))
      .map(f => new URL(f, ZOO))
  : []

const FLAT = [node('GlobalAveragePool', ['image'], ['pooled']), node('Flatten', ['pooled'], ['flat'])]
const withNode = (...nodes: Uint8Array[]): ModelParts => ({
  nodes: [...FLAT, ...nodes],
  outputs: [value('out', ['N', 3])]
})
const choose = (parts: ModelParts, output?: string) =>
  chooseFeature(scanModel(model(parts)), output === undefined ? {} : { output })

describe('scanModel', () => {
  it.each([...bundled, ...zoo].map(f => [f.pathname.split('/').slice(-2).join('/'), f] as const))(
    'reads %s',
    (_, file) => {
      const facts = scanModel(readFileSync(file))
      expect(facts).toMatchObject({
        opset: 13,
        image: { layout: 'nchw', channels: 3, height: 32, width: 32, elementType: 'float32' }
      })
      expect(facts.nodes.length).toBeGreaterThan(5)
      expect(chooseFeature(facts)).toMatchObject({ tensor: 'feature', hidden: false })
    }
  )

  it('finds the image in both layouts, as bytes, in grey and with symbolic sizes', () => {
    const image = (shape: (number | string)[], type: number = ELEMENT.float) =>
      scanModel(model({ ...withNode(), inputs: [value('image', shape, type)] })).image
    expect(image(['N', 64, 48, 3])).toMatchObject({ layout: 'nhwc', height: 64, width: 48 })
    expect(image([8, 3, 64, 48])).toMatchObject({ layout: 'nchw', batch: 8, height: 64, width: 48 })
    expect(image(['b', 'c', 'h', 'w'])).toMatchObject({
      layout: 'nchw',
      channels: 3,
      batch: undefined,
      height: undefined
    })
    expect(image(['b', 1, 28, 28])).toMatchObject({ layout: 'nchw', channels: 1 })
    expect(image(['b', 3, 28, 28], ELEMENT.uint8)).toMatchObject({ elementType: 'uint8' })
  })

  const loop = node('Loop', ['a', 'b'], ['out'], { attributes: [graphAttribute('body', new Uint8Array(0))] })
  const external = message(
    integerField(1, 4),
    integerField(2, ELEMENT.float),
    bytesField(8, 'w'),
    bytesField(13, message(bytesField(1, 'location'), bytesField(2, '../../secret'))),
    integerField(14, 1)
  )
  const hostile: [string, ModelParts, RegExp][] = [
    ['a Loop', withNode(loop), /Loop.*control flow/],
    ['a Loop without its body', withNode(node('Loop', ['a'], ['out'])), /Loop.*control flow/],
    [
      'an If',
      withNode(node('If', ['a'], ['out'], { attributes: [graphAttribute('then_branch', new Uint8Array(0))] })),
      /If/
    ],
    [
      'a Loop in a second graph that protobuf merges',
      { ...withNode(), more: [bytesField(7, bytesField(1, loop))] },
      /Loop/
    ],
    ['random numbers', withNode(node('RandomNormalLike', ['flat'], ['out'])), /RandomNormalLike is random/],
    [
      'another domain',
      withNode(node('FusedGemm', ['flat'], ['out'], { domain: 'com.microsoft' })),
      /com\.microsoft\.FusedGemm/
    ],
    [
      'an unlisted operator',
      withNode(node('StringNormalizer', ['flat'], ['out'])),
      /StringNormalizer is not on the list/
    ],
    ['external data', { ...withNode(), initializers: [external] }, /"w" is external data/],
    [
      'external data in a constant',
      withNode(node('Constant', [], ['c'], { attributes: [tensorAttribute('value', external)] })),
      /external/
    ],
    [
      'training dropout',
      { ...withNode(node('Dropout', ['flat', '', 'on'], ['out'])), initializers: [floats('on', [], [1])] },
      /Dropout is in training/
    ],
    [
      'training batch norm',
      withNode(node('BatchNormalization', ['flat'], ['out'], { attributes: [intAttribute('training_mode', 1)] })),
      /training mode/
    ],
    ['own functions', { ...withNode(), more: [bytesField(25, bytesField(1, 'f'))] }, /functions/],
    ['training information', { ...withNode(), more: [bytesField(20, new Uint8Array(0))] }, /training information/],
    ['sparse tensors', { ...withNode(), moreGraph: [bytesField(15, new Uint8Array(0))] }, /sparse/],
    [
      'a tensor of strings',
      { ...withNode(), initializers: [message(integerField(2, ELEMENT.string), bytesField(6, 'x'))] },
      /strings/
    ],
    [
      'an Expand bomb',
      { ...withNode(node('Expand', ['flat', 's'], ['out'])), initializers: [integers('s', [100_000, 100_000])] },
      /Expand asks for a tensor of 10000000000/
    ],
    [
      'a ConstantOfShape bomb',
      withNode(
        node('Constant', [], ['s'], { attributes: [tensorAttribute('value', integers('', [1e9, 9]))] }),
        node('ConstantOfShape', ['s'], ['out'])
      ),
      /ConstantOfShape asks/
    ],
    [
      'a Tile bomb',
      { ...withNode(node('Tile', ['flat', 's'], ['out'])), initializers: [integers('s', [1e5, 1e5])] },
      /Tile asks/
    ],
    [
      'a Resize bomb',
      { ...withNode(node('Resize', ['image', '', 'x'], ['out'])), initializers: [floats('x', [4], [1, 1, 1e4, 1e4])] },
      /Resize asks/
    ],
    [
      'a Pad bomb',
      { ...withNode(node('Pad', ['image', 'p'], ['out'])), initializers: [integers('p', [0, 0, 0, 0, 0, 0, 0, 1e9])] },
      /Pad asks/
    ],
    ['an old operator set', { ...withNode(), opset: 6 }, /operator set 6 is too old/],
    [
      'two inputs',
      { ...withNode(), inputs: [IMAGE, value('input_ids', ['N', 'T'], ELEMENT.int64)] },
      /2 inputs \("image", "input_ids"\)/
    ],
    ['no input', { ...withNode(), inputs: [] }, /0 inputs/],
    ['text for an image', { ...withNode(), inputs: [value('ids', ['N', 'T'])] }, /"ids" is not a batch of images/],
    [
      'half-precision images',
      { ...withNode(), inputs: [value('image', ['N', 3, 4, 4], ELEMENT.float16)] },
      /element type 10/
    ],
    ['a wall of an image', { ...withNode(), inputs: [value('image', [1, 3, 1e5, 1e5])] }, /100000 x 100000 pixels/],
    ['five channels', { ...withNode(), inputs: [value('image', [1, 5, 8, 8])] }, /5 channels/],
    ['no operators', { nodes: [], outputs: [] }, /no operators/]
  ]
  it.each(hostile)('refuses %s', (_, parts, why) => {
    expect(() => scanModel(model(parts))).toThrow(InvalidPriorError)
    expect(() => scanModel(model(parts))).toThrow(why)
  })

  it('refuses what is no model, and a file above the cap', () => {
    for (const bytes of [
      new Uint8Array(0),
      new TextEncoder().encode('hello, this is text'),
      new Uint8Array(1000).fill(0xff)
    ]) {
      expect(() => scanModel(bytes)).toThrow(/not an ONNX model/)
    }
    expect(() => scanModel(classifier(), { maxBytes: 100 })).toThrow(/at most 100/)
  })

  it('gives up on a file made of millions of empty fields', () => {
    const many = new Uint8Array(10_000_000)
    for (let i = 0; i < many.length; i += 2) many[i] = 0x32 // field 6, length 0
    expect(() => scanModel(many)).toThrow(/more than 4000000 fields/)
  })

  it('refuses every truncation or reads it, and never fails in another way', () => {
    const whole = classifier()
    for (let length = 0; length < whole.byteLength; length++)
      expect(fault(whole.subarray(0, length)), `${length} bytes`).toBeUndefined()
    const real = readFileSync(bundled[0] as URL)
    for (let length = 0; length < real.byteLength; length += 997)
      expect(fault(real.subarray(0, length)), `${length} bytes`).toBeUndefined()
  })

  it('survives any mutation of a model, and any bytes', () => {
    const seeds = [classifier(), readFileSync(bundled[0] as URL)]
    const edits = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(fc.constantFrom(...seeds), fc.nat(), edits, (seed, focus, list) => {
        const bytes = Uint8Array.from(seed)
        // the structure is at both ends of a real file, the weights between
        for (const { at, byte } of list)
          bytes[(focus % 2 === 0 ? at : bytes.length - 1 - (at % 4000)) % bytes.length] = byte
        expect(fault(bytes)).toBeUndefined()
      }),
      { numRuns: 3000 }
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => fault(bytes) === undefined),
      { numRuns: 5000 }
    )
  })
})

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
    const exposed = exposeOutput(bytes, 'hidden')
    expect(exposed.subarray(0, bytes.byteLength)).toEqual(bytes)
    expect(scanModel(exposed).outputs.map(o => o.name)).toEqual(['output', 'hidden'])
  })
})

/** What went wrong other than by a refusal. */
function fault(bytes: Uint8Array): unknown {
  try {
    chooseFeature(scanModel(bytes))
  } catch (error) {
    if (!(error instanceof InvalidPriorError)) return error
  }
  return undefined
}
