/**
 * Entry of the inference worker: a child process that decodes images and runs models, so that a native crash, a hang or a memory bomb
 * ends here and not in the node. Started by `worker-process.ts`, which talks to it over IPC (messages.ts).
 *
 * It has no state worth saving and may be killed at any time. It ends by itself when its parent is gone: on `disconnect`, and, since a
 * running model blocks this thread, by a guard thread that watches the parent and the memory.
 */
import { setPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import { createGemmRunner } from './gemm-runner.ts'
import { createImageDecoder, type ImageDecoder } from './images.ts'
import type { Envelope, Replies, Request, Setup, WorkerAnswer } from './messages.ts'
import { prepareTensor } from './prepare-tensor.ts'
import { loadSession, type PriorSession } from './session.ts'

/** Below everything interactive, above idle. */
const NICENESS = 10
/** Source of the guard thread: it must start without a second file, and knows nothing of the native libraries. */
const GUARD = `
const { workerData } = require('node:worker_threads')
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent || process.memoryUsage.rss() > workerData.memoryBytes) process.kill(process.pid, 'SIGKILL')
}, 250)
`

const gemm = createGemmRunner()
let decoder: Promise<ImageDecoder> | undefined
let prior: PriorSession | undefined

async function handle(request: Request): Promise<Replies[Request['type']]> {
  if (request.type === 'gemm') return { data: await gemm(request) }
  if (request.type === 'load') {
    prior = await loadSession(request)
    return prior.facts
  }
  if (decoder === undefined) throw new Error('the worker was not set up')
  if (request.type === 'inspect') {
    const images = []
    for (const bytes of request.images) images.push(await (await decoder).inspect(bytes))
    return { images }
  }
  if (request.type === 'prepare') return { tensor: await prepareTensor(request, await decoder) }
  if (prior === undefined) throw new Error('no model is loaded')
  return { features: await prior.embed(request.images, await decoder) }
}

async function answer({ id, request }: Envelope): Promise<WorkerAnswer> {
  try {
    return { id, ok: true, value: await handle(request) }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    return { id, ok: false, name, message }
  }
}

process.on('message', (message: Setup | Envelope) => {
  if ('type' in message) {
    decoder = createImageDecoder(message.limits)
    new Worker(GUARD, { eval: true, workerData: { memoryBytes: message.memoryBytes } }).unref()
    return
  }
  // `answer` never rejects; a reply that cannot be sent means that the parent is gone, and `disconnect` follows
  void answer(message).then(reply => process.send?.(reply))
})
process.on('disconnect', () => process.exit(0))
// Ctrl-C and a service manager reach the whole group: whether the batch in flight is finished is the parent's decision
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
setPriority(NICENESS)
