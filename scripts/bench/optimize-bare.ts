/**
 * The other side of optimize.ts: ONNX Runtime alone on tensors made before, in a process of its own with the nice value of the node's inference process.
 *
 *     forked by optimize.ts; prints nothing, answers over IPC
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import type * as Runtime from 'onnxruntime-node'
import { createImageDecoder } from '../../node/compute/inference/images.ts'
import { createSession, loadRuntime } from '../../node/compute/inference/runtime-session.ts'
import { NUMBERS } from '../../node/compute/inference/tensor-bytes.ts'
import { outputSuffix, outputName } from '../../src/optimize/feature-choice.ts'
import { createTensorWriter } from '../../src/optimize/pixels.ts'
import type { ScannedModel } from '../../node/priors/onnx-prior.ts'

export interface BareQuestion {
  readonly model: Pick<ScannedModel, 'path' | 'facts' | 'choice' | 'preprocessing'>
  readonly images: readonly Uint8Array[]
  readonly threads: number
  /** Images per run */
  readonly rows: number
  /** Images to run in all; those decoded are taken again and again */
  readonly count: number
}

/** As node/compute/inference/worker.ts */
const NICENESS = 10

/** Images a second. */
export async function bareLoop(question: BareQuestion): Promise<number> {
  const child = fork(new URL(import.meta.url), ['bare-loop'], { execArgv: [], serialization: 'advanced' })
  child.send(question)
  const [rate] = (await once(child, 'message')) as [number]
  child.kill()
  return rate
}

if (process.argv[2] === 'bare-loop')
  process.once('message', (question: BareQuestion) => void answer(question).then(rate => process.send?.(rate)))

// --- internal ---

async function answer({ model, images, threads, rows, count }: BareQuestion): Promise<number> {
  setPriority(NICENESS)
  const { facts, choice, preprocessing: p } = model
  const input = facts.image
  const runtime = await loadRuntime()
  const bytes = Buffer.concat([await readFile(model.path), outputSuffix(choice)])
  const session = await createSession(runtime, bytes, { threads })
  const decoder = await createImageDecoder({ imagePixels: 1e8, imageBytes: 1e8 })
  const writer = createTensorWriter(p, input)
  const shape = input.layout === 'nchw' ? [input.channels, p.height, p.width] : [p.height, p.width, input.channels]
  const tensors: Runtime.Tensor[] = []
  for (let first = 0; first + rows <= images.length; first += rows) {
    const data = new NUMBERS[input.elementType](rows * writer.size)
    for (let i = 0; i < rows; i++)
      writer.write(await decoder.decode(images[first + i] as Uint8Array), data, i * writer.size)
    tensors.push(new runtime.Tensor(input.elementType, data, [rows, ...shape]))
  }
  const run = async (i: number): Promise<void> => {
    const tensor = tensors[i % tensors.length]
    if (tensor === undefined) throw new Error('fewer images than one run takes')
    await session.run({ [input.name]: tensor }, [outputName(choice)])
  }
  await run(0)
  const runs = Math.ceil(count / rows)
  const started = performance.now()
  for (let i = 0; i < runs; i++) await run(i)
  return (runs * rows * 1000) / (performance.now() - started)
}
