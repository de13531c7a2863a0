import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidPriorError } from '../../../src/errors.ts'
import { chooseFeature } from '../../../src/optimize/feature-choice.ts'
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
  const external = (location: string, ...more: [string, string][]) =>
    message(
      integerField(1, 4),
      integerField(2, ELEMENT.float),
      bytesField(8, 'w'),
      ...[['location', location] as const, ...more].map(([k, v]) =>
        bytesField(13, message(bytesField(1, k), bytesField(2, v)))
      ),
      integerField(14, 1)
    )
  const branch = (...nodes: Uint8Array[]) => message(...nodes.map(n => bytesField(1, n)))
  const choice = (then: Uint8Array, otherwise: Uint8Array) =>
    node('If', ['flag'], ['out'], {
      attributes: [graphAttribute('then_branch', then), graphAttribute('else_branch', otherwise)]
    })
  const relu = branch(node('Relu', ['flat'], ['chosen']))
  const hostile: [string, ModelParts, RegExp][] = [
    ['a Loop', withNode(loop), /Loop.*control flow/],
    ['a Loop without its body', withNode(node('Loop', ['a'], ['out'])), /Loop.*control flow/],
    ['a Loop in a branch of an If', withNode(choice(relu, branch(loop))), /Loop.*control flow/],
    [
      'random numbers in a branch',
      withNode(choice(branch(node('RandomNormal', [], ['r'])), relu)),
      /RandomNormal is random/
    ],
    [
      'a bomb in a branch, with a size from outside',
      {
        ...withNode(choice(relu, branch(node('Expand', ['flat', 's'], ['x'])))),
        initializers: [integers('s', [1e5, 1e5])]
      },
      /Expand asks/
    ],
    [
      'an If in an If in an If in an If in an If',
      withNode([1, 2, 3, 4].reduce(inner => choice(relu, branch(inner)), choice(relu, relu))),
      /nested more than 4 deep/
    ],
    [
      'a subgraph of another operator',
      withNode(node('Relu', ['flat'], ['out'], { attributes: [graphAttribute('body', relu)] })),
      /Relu has a subgraph/
    ],
    [
      'a Loop in a second graph that protobuf merges',
      { ...withNode(), more: [bytesField(7, bytesField(1, loop))] },
      /Loop/
    ],
    ['random numbers', withNode(node('RandomNormalLike', ['flat'], ['out'])), /RandomNormalLike is random/],
    [
      'another domain',
      withNode(node('Relu', ['flat'], ['out'], { domain: 'com.example' })),
      /com\.example\.Relu is not one of/
    ],
    [
      'an operator of ONNX Runtime that no optimiser writes for vision',
      withNode(node('Tokenizer', ['flat'], ['out'], { domain: 'com.microsoft' })),
      /com\.microsoft\.Tokenizer is not one of .*optimum-cli/
    ],
    [
      'a file optimised for one machine',
      withNode(node('Conv', ['flat'], ['out'], { domain: 'com.microsoft.nchwc' })),
      /nchwc\.Conv is made for the machine.*ORT_ENABLE_EXTENDED/
    ],
    [
      'an unlisted operator',
      withNode(node('StringNormalizer', ['flat'], ['out'])),
      /StringNormalizer is not on the list/
    ],
    ...(
      [
        '../../secret',
        '/etc/passwd',
        'C:\\weights',
        'a/../../b',
        'a//b',
        './w',
        '',
        '*/_ORT_MEM_ADDR_/*',
        'a\0b',
        'x'.repeat(2000)
      ] as const
    ).map((location): [string, ModelParts, RegExp] => [
      `external data at ${JSON.stringify(location.slice(0, 20))}`,
      { ...withNode(), initializers: [external(location)] },
      /"w" is external data at .* not a file in the model's folder.*save_as_external_data/
    ]),
    [
      'external data in a constant, out of the folder',
      withNode(node('Constant', [], ['c'], { attributes: [tensorAttribute('value', external('../x'))] })),
      /external/
    ],
    [
      'external data in a branch, out of the folder',
      withNode(choice(relu, message(bytesField(5, external('../x')), bytesField(1, node('Relu', ['flat'], ['x']))))),
      /external/
    ],
    [
      'external data in two places at once',
      { ...withNode(), initializers: [external('a', ['location', 'b'])] },
      /two values of "location"/
    ],
    [
      'external data at no offset',
      { ...withNode(), initializers: [external('a', ['offset', '-1'])] },
      /offset of its external data is "-1"/
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
    [
      'own functions',
      { ...withNode(), more: [bytesField(25, bytesField(1, 'f'))] },
      /functions.*inline_local_functions/
    ],
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
    ['an old operator set', { ...withNode(), opset: 6 }, /operator set 6 is too old.*convert_version/],
    [
      'two inputs',
      { ...withNode(), inputs: [IMAGE, value('input_ids', ['N', 'T'], ELEMENT.int64)] },
      /2 inputs \("image", "input_ids"\).*vision_model\.onnx/
    ],
    ['no input', { ...withNode(), inputs: [] }, /0 inputs/],
    ['text for an image', { ...withNode(), inputs: [value('ids', ['N', 'T'])] }, /"ids" is not a batch of images/],
    [
      'images of double precision',
      { ...withNode(), inputs: [value('image', ['N', 3, 4, 4], ELEMENT.double)] },
      /numbers are float64 \(float32, float16 and uint8/
    ],
    ['a wall of an image', { ...withNode(), inputs: [value('image', [1, 3, 1e5, 1e5])] }, /100000 x 100000 pixels/],
    ['five channels', { ...withNode(), inputs: [value('image', [1, 5, 8, 8])] }, /5 channels/],
    ['no operators', { nodes: [], outputs: [] }, /no operators/]
  ]
  it.each(hostile)('refuses %s', (_, parts, why) => {
    expect(() => scanModel(model(parts))).toThrow(InvalidPriorError)
    expect(() => scanModel(model(parts))).toThrow(why)
  })

  it('takes an If, half precision and the operators that ONNX Runtime writes', () => {
    expect(scanModel(model(withNode(choice(relu, relu)))).nodes.at(-1)?.branches).toHaveLength(2)
    const half = { ...withNode(), inputs: [value('image', ['N', 3, 4, 4], ELEMENT.float16)] }
    expect(scanModel(model(half)).image.elementType).toBe('float16')
    for (const op of [
      'FusedConv',
      'FusedMatMul',
      'Gelu',
      'SkipLayerNormalization',
      'QGemm',
      'MatMulNBits',
      'NhwcFusedConv'
    ])
      expect(() => scanModel(model(withNode(node(op, ['flat'], ['out'], { domain: 'com.microsoft' }))))).not.toThrow()
  })

  it('names each file of weights once, with the bytes that it needs', () => {
    const initializers = [
      external('model.onnx.data', ['offset', '64'], ['length', '16']),
      external('model.onnx.data', ['length', '4']),
      external('more/w.bin')
    ]
    expect(scanModel(model({ ...withNode(), initializers })).external).toEqual([
      { location: 'model.onnx.data', bytes: 80, weight: 'w' },
      { location: 'more/w.bin', bytes: 0, weight: 'w' }
    ])
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

/** What went wrong other than by a refusal. */
function fault(bytes: Uint8Array): unknown {
  try {
    chooseFeature(scanModel(bytes))
  } catch (error) {
    if (!(error instanceof InvalidPriorError)) return error
  }
  return undefined
}
