/** Entry of a decoding thread of the inference process (decoders.ts): images in, the tensor of a model or facts out. */
import { workerData } from 'node:worker_threads'
import { createTensorWriter, type TensorWriter } from '../../../src/optimize/pixels.ts'
import { serveQuestions } from '../thread/serve-questions.ts'
import { movable } from '../thread/thread.ts'
import { decodeInto, eachImage } from './decode-into.ts'
import { createImageDecoder } from './images.ts'
import type { DecodeLimits, EmbedRequest, ImageFacts, PrepareRequest } from './messages.ts'
import { NUMBERS, tensorBytes, type TensorNumbers } from './tensor-bytes.ts'

/** Image i is `bytes` from end i - 1 to end i. */
export interface PackedImages {
  readonly ids: readonly string[]
  readonly bytes: Uint8Array
  readonly ends: readonly number[]
}

type Job = Pick<PrepareRequest, 'input' | 'preprocessing' | 'count'>

export type DecodeQuestion = { readonly images: PackedImages } & (
  | ({ readonly type: 'numbers' } & Job)
  | ({ readonly type: 'bytes'; readonly encoding: PrepareRequest['encoding'] } & Job)
  | { readonly type: 'inspect' }
)

const decoder = createImageDecoder(workerData as DecodeLimits)

/** Tables of the last model; a process has one. */
let writer: { readonly key: string; readonly writer: TensorWriter } | undefined

function writerFor({ preprocessing, input }: Job): TensorWriter {
  const key = JSON.stringify([preprocessing, input])
  if (writer?.key !== key) writer = { key, writer: createTensorWriter(preprocessing, input) }
  return writer.writer
}

async function tensor(images: EmbedRequest['images'], job: Job): Promise<TensorNumbers> {
  const into = writerFor(job)
  const numbers = new NUMBERS[job.input.elementType](job.count * into.size)
  await decodeInto(images, await decoder, (pixels, i) => into.write(pixels, numbers, i * into.size))
  return numbers
}

serveQuestions(async asked => {
  const question = asked as DecodeQuestion // from decoders.ts alone
  const { ids, bytes, ends } = question.images
  const images = ends.map((end, i) => ({ id: ids[i] as string, bytes: bytes.subarray(i === 0 ? 0 : ends[i - 1], end) }))
  if (question.type === 'inspect') {
    const { inspect } = await decoder
    const facts: ImageFacts[] = []
    await eachImage(images, async ({ bytes }, i) => {
      facts[i] = await inspect(bytes)
    })
    return { value: facts }
  }
  const numbers = await tensor(images, question)
  const value =
    question.type === 'bytes' ? tensorBytes(numbers, question.input.elementType, question.encoding) : numbers
  const { data, buffer } = movable(value)
  return { value: data, moves: [buffer] }
})
