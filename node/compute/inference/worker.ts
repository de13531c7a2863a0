/**
 * Entry of the inference worker: a child process that decodes images and runs models, so that a native crash, a hang or a memory bomb
 * ends here and not in the node. Started by `worker-process.ts`, which talks to it over IPC (messages.ts).
 *
 * It has no state worth saving and may be killed at any time. It ends by itself when its parent is gone: on `disconnect`, and, since a
 * running model blocks this thread, by a guard thread that watches the parent and the memory.
 */
import { setPriority } from 'node:os'
import { Worker } from 'node:worker_threads'
import { createDecoders, type Decoders } from './decoders.ts'
import { parseDevice } from '../../api/device-name.ts'
import { probeDevice } from './device-probe.ts'
import { createGemmRunner } from './gemm-runner.ts'
import type { Envelope, Replies, Request, Setup, WorkerAnswer } from './messages.ts'
import { CPU, loadRuntimeFrom } from './runtime-session.ts'
import { loadSession, type PriorSession } from './session.ts'

/** Below everything interactive, above idle. */
const NICENESS = 10
/** As long as an answer may be (replies.ts), and then some words about it. */
const MAX_FAULT_CHARACTERS = 900
/** Source of the guard thread: it must start without a second file, and knows nothing of the native libraries. */
const GUARD = `
const { workerData } = require('node:worker_threads')
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent || process.memoryUsage.rss() > workerData.memoryBytes) process.kill(process.pid, 'SIGKILL')
}, 250)
`

const gemm = createGemmRunner()
let decoders: Decoders | undefined
let prior: PriorSession | undefined

/**
 * Begins with what other threads do, the decoding, when a request comes; what is returned does the rest. A model is there when the requests for it
 * come: the node waits for it.
 */
function begin(request: Request): () => Promise<Replies[Request['type']]> {
  if (request.type === 'gemm') return async () => ({ data: await gemm(request) })
  if (request.type === 'device') {
    const device = parseDevice(request.device)
    return async () => {
      const fault = await probeDevice(device === 'auto' ? CPU : device)
      return fault === undefined ? {} : { fault: fault.slice(0, MAX_FAULT_CHARACTERS) }
    }
  }
  if (decoders === undefined) throw new Error('the worker was not set up')
  if (request.type === 'load') {
    const started = after(decoders.start(), () => undefined)
    return async () => {
      prior = await loadSession(request)
      await started()
      return prior.facts
    }
  }
  if (request.type === 'inspect') return after(decoders.inspect(request.images), images => ({ images }))
  if (request.type === 'prepare') return after(decoders.bytes(request), tensor => ({ tensor }))
  if (prior === undefined) throw new Error('no model is loaded')
  const run = prior.embed(request.images, decoders)
  return async () => ({ features: await run() })
}

function after<T, R>(made: Promise<T>, reply: (value: T) => R): () => Promise<R> {
  made.catch(() => undefined) // thrown when its turn comes
  return async () => reply(await made)
}

function refusal(id: number, error: unknown): WorkerAnswer {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  return { id, ok: false, name, message }
}

/** One answer after another, in the order of the requests. */
let last: Promise<unknown> = Promise.resolve()

function answer({ id, request }: Envelope): void {
  const rest = (() => {
    try {
      return begin(request)
    } catch (error) {
      return () => Promise.reject(error)
    }
  })()
  last = last
    .then(rest)
    .then(
      (value): WorkerAnswer => ({ id, ok: true, value }),
      (error: unknown) => refusal(id, error)
    )
    // a reply that cannot be sent means that the parent is gone, and `disconnect` follows
    .then(reply => process.send?.(reply))
}

process.on('message', (message: Setup | Envelope) => {
  if ('type' in message) {
    if (message.runtime !== undefined) loadRuntimeFrom(message.runtime)
    decoders = createDecoders(message.limits, message.decoders)
    new Worker(GUARD, { eval: true, workerData: { memoryBytes: message.memoryBytes } }).unref()
    return
  }
  answer(message)
})
// native code may be at work in other threads, which an orderly exit would wait for or pull the rug from under
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
// Ctrl-C and a service manager reach the whole group: whether the batch in flight is finished is the parent's decision
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
setPriority(NICENESS)
