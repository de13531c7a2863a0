/** The side of thread.ts that runs in the thread: answers each question in the order in which the work on them ends. */
import { parentPort } from 'node:worker_threads'
import { ownError, threadError, type FromThread, type Moved, type ToThread } from './thread.ts'

/** Ask the starting thread for something, while a question is being answered. Throws what it throws. */
export type Request = (asked: unknown, moves?: ArrayBuffer[]) => Promise<unknown>

/** Throws where there is no starting thread. */
export function serveQuestions(answer: (question: unknown, request: Request) => Promise<Moved>): void {
  const port = parentPort
  if (port === null) throw new Error('this file runs as a worker thread only')
  const requests = new Map<number, PromiseWithResolvers<unknown>>()
  let count = 0

  const send = (message: FromThread, moves: ArrayBuffer[] = []): void => port.postMessage(message, moves)

  const requestFor =
    (id: number): Request =>
    async (asked, moves) => {
      const promise = Promise.withResolvers<unknown>()
      requests.set(count, promise)
      send({ id, request: count++, asked }, moves)
      return await promise.promise
    }

  port.on('message', (message: ToThread) => {
    if ('request' in message) {
      const promise = requests.get(message.request)
      requests.delete(message.request)
      if (message.error === undefined) promise?.resolve(message.value)
      else promise?.reject(ownError(message.error))
      return
    }
    const { id, question } = message
    answer(question, requestFor(id)).then(
      ({ value, moves }) => send({ id, value }, moves),
      (error: unknown) => send({ id, error: threadError(error) })
    )
  })
}
