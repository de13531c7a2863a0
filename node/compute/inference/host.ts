/**
 * The node's side of inference: sends requests to a worker one after another, starts it when needed, loads its model again after a
 * death, and sends the lost request again at most `limits.retries` times.
 *
 * The parent process stays responsive, no matter what a model or an image does: nothing here blocks, and nothing native is loaded.
 */
import { tmpdir } from 'node:os'
import { InferenceError } from '../../../src/errors.ts'
import { count } from '../../process/counters.ts'
import { batches } from './batches.ts'
import { DEFAULT_LIMITS, type InferenceLimits } from './limits.ts'
import type { ImageFacts, LoadReply, LoadRequest, Replies, Request } from './messages.ts'
import { replyTo } from './replies.ts'
import { WorkerLostError, WorkerProcess } from './worker-process.ts'

export interface HostOptions {
  readonly limits?: Partial<InferenceLimits>
  /**
   * Folder in which each worker gets an empty working directory. A worker that is killed together with its node leaves it behind, so a node
   * gives a folder that it empties when it starts. @default the system's
   */
  readonly scratch?: string
}

export class InferenceHost {
  readonly limits: InferenceLimits
  /** Workers started so far, the first included. */
  starts = 0
  #worker: WorkerProcess | undefined
  #model: LoadRequest | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false
  readonly #scratch: string

  constructor({ limits, scratch = tmpdir() }: HostOptions = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits }
    this.#scratch = scratch
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
    return this.#turn(async () => {
      this.#model = undefined
      const reply = await this.#ask(model)
      this.#model = model
      return reply
    })
  }

  /**
   * One request and its reply. Requests take turns. Rejects with the worker's error, with `InferenceError` when no worker survived it,
   * or with the signal's reason.
   */
  async request<R extends Request>(request: R, options: { signal?: AbortSignal } = {}): Promise<Replies[R['type']]> {
    return this.#turn(() => this.#ask(request, options.signal))
  }

  /**
   * Decode every image and forget the pixels: is this what every peer will be able to use? An image that no worker survives is one that
   * cannot be used, and not an error.
   */
  async inspectImages(
    images: readonly Uint8Array[],
    options: { signal?: AbortSignal } = {}
  ): Promise<readonly ImageFacts[]> {
    const facts: ImageFacts[] = []
    for (const part of batches(images, bytes => bytes)) facts.push(...(await this.#inspect(part, options)))
    return facts
  }

  /** Ends the worker and waits until it is reaped. Requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    worker?.kill()
    await worker?.ended
    await this.#queue.catch(() => undefined) // its caller has the error
    await this.#worker?.ended
  }

  // --- internal ---

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

  #turn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.catch(() => undefined).then(task) // a failed request is its caller's, not the next one's
    this.#queue = turn
    return turn
  }

  async #ask<R extends Request>(request: R, signal?: AbortSignal): Promise<Replies[R['type']]> {
    let lost: WorkerLostError | undefined
    for (let attempt = 0; attempt <= this.limits.retries; attempt++) {
      try {
        const worker = await this.#running(signal)
        const answer = await worker.request(request, this.#milliseconds(request), signal)
        return replyTo(request, answer)
      } catch (error) {
        if (!(error instanceof WorkerLostError) || this.#closed) throw error
        lost = error
        count('worker_losses')
        await this.#worker?.ended
        // what does not fit or does not end will not the next time: a model while it loads, an image while it is decoded
        if ((request.type === 'load' || request.type === 'inspect') && lost.limit !== undefined) break
      }
    }
    throw new InferenceError(
      `the inference worker could not finish a ${request.type} request: ${lost?.message}; use a smaller model or raise the limit`,
      { cause: lost }
    )
  }

  /** A live worker with the model loaded: one that is not is never kept. */
  async #running(signal?: AbortSignal): Promise<WorkerProcess> {
    signal?.throwIfAborted()
    if (this.#closed) throw new InferenceError('the inference worker was closed')
    const old = this.#worker
    if (old?.alive === true && old.answered < this.limits.recycleAfter) return old
    old?.kill()
    await old?.ended
    const worker = await WorkerProcess.start(this.limits, this.#scratch)
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
    return request.type === 'load' ? this.limits.loadMilliseconds : this.limits.requestMilliseconds
  }
}
