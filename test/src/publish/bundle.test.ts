import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cborCid, encodeCbor, pbCid, rawCid } from '../../../src/codec.ts'
import { matrix } from '../../../src/matrix.ts'
import type { ImageInput } from '../../../src/optimize/onnx-facts.ts'
import { preprocessorConfig } from '../../../src/optimize/preprocess-config.ts'
import { parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import {
  bundleFactsSchema,
  bundleJson,
  checkGolden,
  GOLDEN_IMAGES,
  goldenOf,
  goldenSchema,
  MAX_BUNDLE_BYTES,
  parseBundleJson,
  trustOf
} from '../../../src/publish/bundle.ts'
import { openRecord, sealRecord, type Score } from '../../../src/publish/record.ts'
import { testKey, testSwarm, verify } from '../../helpers/signed-swarm.ts'

const l = 5
const png = (i: number): Uint8Array => Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, i)
const images = Array.from({ length: GOLDEN_IMAGES }, (_, i) => png(i))
const features = (value: (i: number) => number) =>
  matrix(
    GOLDEN_IMAGES,
    l,
    Float32Array.from({ length: GOLDEN_IMAGES * l }, (_, i) => value(i))
  )

describe('golden features', () => {
  test('every float32 survives JSON to its last bit', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) })
    fc.assert(
      fc.property(fc.array(float, { minLength: GOLDEN_IMAGES * l, maxLength: GOLDEN_IMAGES * l }), numbers => {
        const m = features(i => (i === 0 ? 1 : (numbers[i] as number)))
        const json = parseBundleJson(bundleJson(goldenOf(images, m)), goldenSchema, 'golden.json')
        const read = Float32Array.from(json.images.flatMap(({ feature }) => feature))
        expect(read.map(v => v + 0)).toEqual(m.data.map(v => v + 0)) // 0 and -0 are one number in JSON
        expect(checkGolden(json, m)).toBe(0)
      })
    )
  })

  test('rounding passes and is reported, more does not, whichever image it is', () => {
    const golden = goldenOf(
      images,
      features(i => 1 + (i % 7))
    )
    const moved = (by: number, at: number) => features(i => (1 + (i % 7)) * (i === at ? 1 + by : 1))
    expect(checkGolden(golden, moved(1e-6, 0))).toBeGreaterThan(0)
    for (let at = 0; at < GOLDEN_IMAGES * l; at++) {
      expect(() => checkGolden(golden, moved(1e-4, at))).not.toThrow()
      const file = `golden image ${Math.floor(at / l)}.png`
      expect(() => checkGolden(golden, moved(0.5, at))).toThrow(file)
      expect(() =>
        checkGolden(
          golden,
          features(i => (i === at ? Number.NaN : 1 + (i % 7)))
        )
      ).toThrow(file)
    }
    expect(() => checkGolden(golden, matrix(GOLDEN_IMAGES, 1, new Float32Array(GOLDEN_IMAGES)))).toThrow(
      'has 5 numbers'
    )
  })

  test('features that say nothing are no golden ones', () => {
    expect(() =>
      goldenOf(
        images,
        features(() => 0)
      )
    ).toThrow('all features of the golden images are zero')
    expect(() =>
      goldenOf(
        images.slice(1),
        features(() => 1)
      )
    ).toThrow('8 golden images')
    expect(() =>
      goldenOf(
        [...images.slice(1), Uint8Array.of(1)],
        features(() => 1)
      )
    ).toThrow('not JPEG, PNG or WebP')
  })
})

test('bundle.json takes nothing that it does not know, and no text that could not be printed', () => {
  const facts = {
    format: 'coopt-prior',
    version: 1,
    name: 'a',
    prior: rawCid(png(0)).toString(),
    model: rawCid(png(1)).toString(),
    feature: { tensor: 't', rule: 'r' },
    dimension: 3
  }
  const read = (value: object) => parseBundleJson(bundleJson(value), bundleFactsSchema, 'bundle.json')
  expect(read(facts)).toEqual(facts)
  for (const change of [
    { version: 2 },
    { path: '/etc' },
    { name: 'a\nb' },
    { prior: 'bafy' },
    { dimension: 0 },
    { license: '' }
  ])
    expect(() => read({ ...facts, ...change }), JSON.stringify(change)).toThrow('not that of a bundle of version 1')
  expect(() => parseBundleJson(Uint8Array.of(0xff), bundleFactsSchema, 'bundle.json')).toThrow('is not JSON')
})

describe('a score record', () => {
  const body = async (prior: Partial<Score['prior']>): Promise<Score> => ({
    v: 1,
    type: 'score',
    swarm: (await testSwarm()).id,
    author: testKey(1).key,
    seq: 0,
    prior: { id: rawCid(png(2)), kind: 'onnx', name: 'p', dimension: 3, ...prior },
    targets: rawCid(png(3)),
    present: 16,
    uniformValue: -1
  })

  test('may name a bundle, and without one is the record that it was', async () => {
    const swarm = await testSwarm()
    const bundle = { cid: pbCid(png(4)), dagBytes: 1000 }
    const named = await sealRecord(await body({ bundle }), testKey(1).sign)
    const opened = openRecord(named.bytes, swarm, verify)
    expect(opened.body).toMatchObject({ prior: { bundle } })
    expect(trustOf({ bundle })).toBe('reexecutable')
    // the payload has the keys that it always had: the CID is that of the body as it is written here
    const bare = await body({})
    const plain = await sealRecord(bare, testKey(1).sign)
    expect(plain.id.equals(cborCid(encodeCbor(bare)))).toBe(true)
    expect(openRecord(plain.bytes, swarm, verify).body).toEqual(bare)
    expect(trustOf({})).toBe('claimed')
  })

  test.each([
    ['a file', { cid: rawCid(png(4)), dagBytes: 1000 }],
    ['no size', { cid: pbCid(png(4)), dagBytes: 0 }],
    ['too large', { cid: pbCid(png(4)), dagBytes: MAX_BUNDLE_BYTES + 1 }],
    ['more than that', { cid: pbCid(png(4)), dagBytes: 1, name: 'x' }]
  ])('refuses a bundle that is %s', async (_, bundle) => {
    await expect(sealRecord(await body({ bundle }), testKey(1).sign)).rejects.toMatchObject({ reason: 'schema' })
  })
})

describe('preprocessing written down', () => {
  const side = fc.integer({ min: 1, max: 512 })
  const size = fc.record({ height: side, width: side })
  const channels = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0.01, max: 2, noNaN: true })))
  const config = fc.record({
    size: fc.oneof(size, side, fc.record({ shortest_edge: side })),
    crop_size: size,
    do_resize: fc.boolean(),
    resample: fc.integer({ min: 0, max: 5 }),
    do_rescale: fc.boolean(),
    rescale_factor: fc.constantFrom(1 / 255, 1, 2 / 255),
    do_normalize: fc.boolean(),
    image_mean: channels,
    image_std: channels
  })
  const any: ImageInput = {
    name: 'image',
    layout: 'nchw',
    channels: 3,
    elementType: 'float32',
    batch: undefined,
    height: undefined,
    width: undefined
  }

  test('reads back as the same steps', () => {
    fc.assert(
      fc.property(config, value => {
        const steps = parsePreprocessor(value, any)
        expect(parsePreprocessor(preprocessorConfig(steps), any)).toEqual(steps)
      })
    )
  })

  test.each([
    ['float32', 3],
    ['float32', 1],
    ['uint8', 3]
  ] as const)('also when it was assumed, for %s with %i channels', (elementType, count) => {
    const input: ImageInput = { ...any, elementType, channels: count, height: 32, width: 48 }
    const steps = parsePreprocessor(undefined, input)
    expect(steps.assumed).toBe(true)
    expect(parsePreprocessor(preprocessorConfig(steps), input)).toEqual({ ...steps, assumed: false })
  })

  test('and when images must have the size of the model already', () => {
    const input: ImageInput = { ...any, height: 32, width: 32 }
    const steps = parsePreprocessor({ do_resize: false, do_rescale: true }, input)
    expect(steps.resize).toBeUndefined()
    expect(parsePreprocessor(preprocessorConfig(steps), input)).toEqual(steps)
  })
})
