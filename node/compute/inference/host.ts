/**
 * The node's side of inference: sends requests to a worker, starts it when needed, loads its model again after a death, and sends lost requests again,
 * each at most `limits.retries` times.
 *
 * Requests with images overlap, so that those that follow are decoded while a batch goes through the model. Which of them killed a worker nobody
 * knows: each goes again alone, and none is given up for what happened beside others.
 *
 * The parent process stays responsive, no matter what a model or an image does: nothing here blocks, and nothing native is loaded.
 */
import { tmpdir } from 'node:os'
import { InferenceError } from '../../../src/errors.ts'
import { count } from '../../process/counters.ts'
import type { Accelerator } from './accelerator.ts'
import { createBudget, type Budget } from '../../process/budget.ts'
import { batches, MAX_PIXELS, pixelsOf } from './batches.ts'
import { DEFAULT_LIMITS, memoryFor, type InferenceLimits } from './limits.ts'
import type { ImageFacts, LoadReply, LoadRequest, Replies, Request } from './messages.ts'
import { replyTo } from './replies.ts'
import { createRequestGate, type RequestGate } from './request-gate.ts'
import { defaultWorkers } from './machine.ts'
import { WorkerLostError, WorkerProcess } from './worker-process.ts'

/** Requests whose first part is decoding */
const OVERLAPPING: ReadonlySet<Request['type']> = new Set(['embed', 'prepare', 'inspect'])

/** Resident memory while an image is decoded: measured 1.5 GiB for the 178,956,970 pixels of the largest. */
const BYTES_PER_PIXEL = 9

export interface HostOptions {
  readonly limits?: Partial<InferenceLimits>
  /** Bytes of the model that is going to be loaded, with its external data: the default limit on memory has room for them. @default 0 */
  readonly weightBytes?: number
  /**
   * Folder in which each worker gets an empty working directory. A worker that is killed together with its node leaves it behind, so a node
   * gives a folder that it empties when it starts. @default the system's
   */
  readonly scratch?: string
  /** Threads that decode images. @default by the machine's cores */
  readonly workers?: number
  /** Needed for any device but the CPU */
  readonly accelerator?: Accelerator
}

export class InferenceHost {
  readonly limits: InferenceLimits
  /** Workers started so far, the first included. */
  starts = 0
  #worker: WorkerProcess | undefined
  #model: LoadRequest | undefined
  /** The last one that died */
  #lost: WorkerProcess | undefined
  #closed = false
  readonly #gate: RequestGate
  /** Of images that are being inspected */
  readonly #pixels: Budget
  readonly #scratch: string
  readonly #decoders: number
  readonly #accelerator: Accelerator | undefined

  constructor({
    limits,
    weightBytes = 0,
    scratch = tmpdir(),
    workers = defaultWorkers(),
    accelerator
  }: HostOptions = {}) {
    this.limits = { ...DEFAULT_LIMITS, memoryBytes: memoryFor(weightBytes), ...limits }
    this.#scratch = scratch
    this.#decoders = workers
    this.#accelerator = accelerator
    this.#gate = createRequestGate(this.callsAtOnce)
    this.#pixels = createBudget(this.limits.memoryBytes / 2 / BYTES_PER_PIXEL)
  }

  /** Requests with images that overlap: one at the model, one at each decoding thread, one on its way. */
  get callsAtOnce(): number {
    return this.#decoders + 2
  }

  /** Process id of the worker that is running now. */
  get workerPid(): number | undefined {
    return this.#worker?.pid
  }

  /**
   * Load a model that was scanned; it is loaded again in every later worker. Throws `InvalidPriorError`, or `InferenceError` when it
   * broke a limit.
   */
  async load(model: LoadRequest): Promise<LoadReply> {
    return await this.#ask(model)
  }

  /**
   * One request and its reply. Those with images overlap, others take turns. Rejects with the worker's error, with `InferenceError` when no worker survived it,
   * or with the signal's reason.
   */
  async request<R extends Request>(request: R, options: { signal?: AbortSignal } = {}): Promise<Replies[R['type']]> {
    return await this.#ask(request, options.signal)
  }

  /**
   * Decode every image and forget the pixels: is this what every peer will be able to use? An image that no worker survives is one that
   * cannot be used, and not an error. Calls overlap.
   */
  async inspectImages(
    images: readonly Uint8Array[],
    options: { signal?: AbortSignal } = {}
  ): Promise<readonly ImageFacts[]> {
    const parts = [...batches(images, bytes => bytes)]
    return (await Promise.all(parts.map(async part => await this.#inspectWithin(part, options)))).flat()
  }

  /** Ends the worker and waits until it is reaped. Requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true
    this.#worker?.kill()
    // one that is being started ends as well; all that wait are refused
    this.#gate.leave(await this.#gate.enter({ alone: true }))
    await this.#worker?.ended
  }

  // --- internal ---

  /** No more at once than the worker has memory for; what it would have to decode alone has it alone. */
  async #inspectWithin(
    images: readonly Uint8Array[],
    options: { signal?: AbortSignal }
  ): Promise<readonly ImageFacts[]> {
    const pixels = images.reduce((sum, bytes) => sum + pixelsOf(bytes), 0)
    const { release } = await this.#pixels.take(pixels > MAX_PIXELS ? Number.POSITIVE_INFINITY : pixels)
    try {
      return await this.#inspect(images, options)
    } finally {
      release()
    }
  }

  async #inspect(images: readonly Uint8Array[], options: { signal?: AbortSignal }): Promise<readonly ImageFacts[]> {
    try {
      return (await this.request({ type: 'inspect', images }, options)).images
    } catch (error) {
      if (!(error instanceof InferenceError) || this.#closed) throw error
      if (images.length === 1) return [{ error: error.message }]
      // one of them is to blame
      const facts: ImageFacts[] = []
      for (const image of images) facts.push(...(await this.#inspect([image], options)))
      return facts
    }
  }

  async #ask<R extends Request>(request: R, signal?: AbortSignal): Promise<Replies[R['type']]> {
    let lost: WorkerLostError | undefined
    for (let losses = 0; ;) {
      const alone = losses > 0 || !OVERLAPPING.has(request.type) || !this.#isServing(this.#gate.passed)
      const pass = await this.#gate.enter({ alone, again: losses > 0 })
      try {
        if (!alone && !this.#isServing(this.#gate.passed - 1)) continue // another's loss, or its time has come
        if (request.type === 'load') this.#model = undefined
        const worker = await this.#running(signal)
        const reply = replyTo(request, await worker.request(request, this.#milliseconds(request), signal))
        if (request.type === 'load') this.#model = request
        return reply
      } catch (error) {
        if (!(error instanceof WorkerLostError) || this.#closed) throw error
        await this.#lose()
        lost = error
        losses++
        if (!pass.alone) continue
        // what does not fit or does not end will not the next time: a model while it loads, an image while it is decoded
        const isHopeless = (request.type === 'load' || request.type === 'inspect') && lost.limit !== undefined
        if (isHopeless || losses > this.limits.retries) break
      } finally {
        this.#gate.leave(pass)
      }
    }
    const limit = lost.limit === 'memory' ? 'memoryBytes' : this.#clockOf(request)
    const remedies = [
      ...(request.type === 'device' ? [] : ['use a smaller model']), // that of a probe has one convolution
      ...(lost.limit === undefined ? [] : [`raise the limit (inference.${limit} in config.json)`])
    ]
    const advice = remedies.length === 0 ? '' : `; ${remedies.join(' or ')}`
    throw new InferenceError(
      `the inference worker could not finish a ${request.type} request: ${lost.message}${advice}`,
      { cause: lost }
    )
  }

  /** Is there a worker that may be asked once more than `others`, the requests under way? */
  #isServing(others: number): boolean {
    const worker = this.#worker
    return worker?.alive === true && worker.answered + others < this.limits.recycleAfter
  }

  async #lose(): Promise<void> {
    const worker = this.#worker
    if (worker !== this.#lost) count('worker_losses')
    this.#lost = worker
    await worker?.ended
  }

  /** A live worker with the model loaded: one that is not is never kept. Starts one only for a request that is alone. */
  async #running(signal?: AbortSignal): Promise<WorkerProcess> {
    signal?.throwIfAborted()
    if (this.#closed) throw new InferenceError('the inference worker was closed')
    const old = this.#worker
    if (old?.alive === true && old.answered < this.limits.recycleAfter) return old
    old?.kill()
    await old?.ended
    const worker = await WorkerProcess.start(this.limits, this.#decoders, this.#scratch, this.#accelerator)
    this.#worker = worker
    this.starts++
    count('worker_starts')
    if (this.#isClosed()) worker.kill()
    if (this.#model === undefined) return worker
    try {
      replyTo(this.#model, await worker.request(this.#model, this.limits.loadMilliseconds, signal))
    } catch (error) {
      worker.kill()
      throw error
    }
    return worker
  }

  /** `close()` may have come while a worker was starting. */
  #isClosed(): boolean {
    return this.#closed
  }

  #milliseconds(request: Request): number {
    return this.limits[this.#clockOf(request)]
  }

  #clockOf({ type }: Request): 'loadMilliseconds' | 'requestMilliseconds' {
    return type === 'load' || type === 'device' ? 'loadMilliseconds' : 'requestMilliseconds'
  }
}
