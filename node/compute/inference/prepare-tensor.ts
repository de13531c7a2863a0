/** Encoded images -> the input tensor of a model that runs elsewhere: decoded and preprocessed as for a model that runs here. */
import { createTensorWriter } from '../../../src/optimize/pixels.ts'
import { decodeInto } from './decode-into.ts'
import type { ImageDecoder } from './images.ts'
import type { PrepareRequest } from './messages.ts'
import { NUMBERS, tensorBytes } from './tensor-bytes.ts'

/** Throws `InvalidImageError` naming the sample. */
export async function prepareTensor(request: PrepareRequest, decoder: ImageDecoder): Promise<Uint8Array> {
  const { images, input, preprocessing, count, encoding } = request
  const writer = createTensorWriter(preprocessing, input)
  const numbers = new NUMBERS[input.elementType](count * writer.size)
  await decodeInto(images, decoder, (pixels, i) => writer.write(pixels, numbers, i * writer.size))
  return tensorBytes(numbers, input.elementType, encoding)
}
