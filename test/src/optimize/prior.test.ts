import { describe, expect, it } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { priorIdentity, type PriorDescriptor } from '../../../src/optimize/prior.ts'
import type { Preprocessing } from '../../../src/optimize/preprocessing.ts'

const preprocessing: Preprocessing = {
  assumed: false,
  resize: { height: 32, width: 32 },
  filter: 'bilinear',
  rescale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.25, 0.25, 0.25],
  height: 32,
  width: 32
}
const prior: PriorDescriptor = {
  kind: 'onnx',
  id: rawCid(Uint8Array.of(1)),
  name: 'a',
  dimension: 8,
  tensor: 'feature',
  preprocessing
}
const text = (change: Partial<PriorDescriptor>): string => priorIdentity({ ...prior, ...change }).toString()

describe('priorIdentity', () => {
  it('differs for another model, layer or preprocessing', () => {
    const others = [
      text({}),
      text({ id: rawCid(Uint8Array.of(2)) }),
      text({ tensor: 'other' }),
      text({ preprocessing: { ...preprocessing, mean: [0.4, 0.5, 0.5] } }),
      text({ preprocessing: { ...preprocessing, filter: 'bicubic' } })
    ]
    expect(new Set(others).size).toBe(others.length)
  })

  it('does not depend on what the prior is called or whether the preprocessing was assumed', () => {
    expect(text({ name: 'b', license: 'MIT', feature: 'another reason' })).toBe(text({}))
    expect(text({ preprocessing: { ...preprocessing, assumed: true } })).toBe(text({}))
  })

  it('is the file itself for labels', () => {
    expect(priorIdentity({ kind: 'human', id: prior.id, name: 'labels', dimension: 10 }).equals(prior.id)).toBe(true)
  })
})
