/**
 * Starts a worker thread that answers questions, one promise for each. Arithmetic that takes seconds runs in one, so that the event loop keeps
 * answering peers. The thread's side is serve-questions.ts.
 *
 * Every question is answered, also when the thread ends: then all that wait are rejected, and so is every later one.
 */
import { Worker } from 'node:worker_threads'
import { CoOptError, InvalidImageError, NumericError } from '../../../src/errors.ts'

/** Into the thread: a question, or what `serve` gave for a request. */
export type ToThread =
  | { readonly id: number; readonly question: unknown }
  | { readonly request: number; readonly value?: unknown; readonly error?: ThreadError }

/** Out of the thread: an answer, or a request that has to be served before it can answer question `id`. */
export type FromThread =
  | { readonly id: number; readonly value?: unknown; readonly error?: ThreadError }
  | { readonly id: number; readonly request: number; readonly asked: unknown }

/** Classes do not cross threads. */
export interface ThreadError {
  readonly name: string
  readonly message: string
}

/** A value and the memory in it that moves to the other thread instead of being copied: the sender must not use it afterwards. */
export interface Moved {
  readonly value: unknown
  readonly moves?: ArrayBuffer[]
}

export interface AskOptions {
  /** Memory of the question that moves into the thread */
  readonly moves?: ArrayBuffer[]
  /** Gives what the thread asks for while it works on this question */
  serve?(asked: unknown): Promise<Moved>
  /** Stop waiting. The thread goes on with what it has begun. */
  readonly signal?: AbortSignal
}

export interface Thread {
  /** Throws `NumericError`, `InvalidImageError` or `CoOptError` as the thread did, `CoOptError` when it has ended, or the signal's reason. */
  ask(question: unknown, options?: AskOptions): Promise<unknown>
  readonly ended: boolean
  close(): Promise<void>
}

/** `name` says in errors which thread it is. */
export function startThread(url: URL, name: string, workerData?: unknown): Thread {
  const worker = new Worker(url, { workerData })
  const waiting = new Map<number, { promise: PromiseWithResolvers<unknown>; serve: AskOptions['serve'] }>()
  let count = 0
  let end: Error | undefined

  const fail = (error: Error): void => {
    end ??= error
    for (const { promise } of waiting.values()) promise.reject(end)
    waiting.clear()
  }

  const send = (message: ToThread, moves: ArrayBuffer[] = []): void => worker.postMessage(message, moves)

  const serve = async ({ id, request, asked }: Extract<FromThread, { asked: unknown }>): Promise<void> => {
    try {
      const served = await waiting.get(id)?.serve?.(asked)
      if (served === undefined) throw new CoOptError(`${name} asked for something that nobody gives`)
      send({ request, value: served.value }, served.moves)
    } catch (error) {
      send({ request, error: threadError(error) })
    }
  }

  worker.on('message', (message: FromThread) => {
    if ('asked' in message) {
      void serve(message)
      return
    }
    const { id, value, error } = message
    const question = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) question?.promise.resolve(value)
    // only what follows from the numbers is a NumericError, which callers may take as a verdict
    else question?.promise.reject(ownError(error))
  })
  worker.on('error', error => fail(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', code => fail(new CoOptError(`${name} ended with code ${code}: restart the node`)))

  return {
    get ended() {
      return end !== undefined
    },
    ask: async (question, { moves, serve: served, signal } = {}) => {
      signal?.throwIfAborted()
      if (end !== undefined) throw end
      const id = count++
      const promise = Promise.withResolvers<unknown>()
      waiting.set(id, { promise, serve: served })
      const abort = (): void => {
        waiting.delete(id)
        promise.reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      try {
        send({ id, question }, moves)
      } catch (error) {
        // it cannot be cloned, or its memory was moved before: nobody will answer
        waiting.delete(id)
        promise.reject(error)
      }
      return await promise.promise.finally(() => signal?.removeEventListener('abort', abort))
    },
    close: async () => {
      await worker.terminate()
    }
  }
}

export function threadError(error: unknown): ThreadError {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: String(error) }
}

export function ownError({ name, message }: ThreadError): Error {
  if (name === NumericError.name) return new NumericError(message)
  return name === InvalidImageError.name ? new InvalidImageError(message) : new CoOptError(message)
}

/** The memory of `data` where it may be moved: all of it is in use. A part of larger memory is copied first, the rest may be another's. */
export function movable<T extends Float64Array | Float32Array | Uint16Array | Uint8Array>(
  data: T
): { data: T; buffer: ArrayBuffer } {
  const { buffer } = data
  if (buffer instanceof ArrayBuffer && buffer.byteLength === data.byteLength) return { data, buffer }
  const copy = data.slice() as T
  return { data: copy, buffer: copy.buffer as ArrayBuffer }
}
