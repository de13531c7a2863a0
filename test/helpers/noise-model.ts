import { createRandomStream } from '../../src/random.ts'
import { floats, model, node as operator, value } from './onnx.ts'
import { normal } from './synthetic-priors.ts'

/** Random features of the pixels of a 32 x 32 image: evenly spread, and saying nothing of it. */
export function noiseModel(): Uint8Array {
  const stream = createRandomStream('test', 'noise prior')
  const weights = Array.from({ length: 3072 * 64 }, () => 500 * normal(stream))
  return model({
    nodes: [
      operator('Flatten', ['image'], ['flat']),
      operator('MatMul', ['flat', 'weight'], ['phase']),
      operator('Sin', ['phase'], ['feature'])
    ],
    initializers: [floats('weight', [3072, 64], weights)],
    inputs: [value('image', ['N', 3, 32, 32])],
    outputs: [value('feature', ['N', 64])]
  })
}
