import { expect, onTestFinished, test } from 'vitest'
import { startThread } from '../../../../node/compute/thread/thread.ts'

const ECHO = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads'
    parentPort.on('message', ({ id, question }) => {
      if (question === 'die') throw new Error('it died')
      if (question !== 'nothing') parentPort.postMessage({ id, value: question })
    })
  `)}`
)

test('a question that cannot be sent is an error of the caller, and the thread goes on', async () => {
  const thread = startThread(ECHO, 'the echo')
  onTestFinished(async () => await thread.close())
  await expect(thread.ask(() => 1)).rejects.toMatchObject({ name: 'DataCloneError' })
  const moved = new ArrayBuffer(8)
  expect(await thread.ask(moved, { moves: [moved] })).toEqual(new ArrayBuffer(8))
  await expect(thread.ask(moved, { moves: [moved] })).rejects.toMatchObject({ name: 'DataCloneError' })
  expect(await thread.ask(2)).toBe(2)
})

test('what was asked of a thread that dies or is closed is an error, and so is every later question', async () => {
  const thread = startThread(ECHO, 'the echo')
  const waiting = thread.ask('nothing')
  await expect(thread.ask('die')).rejects.toThrow('it died')
  await expect(waiting).rejects.toThrow('it died')
  expect(thread.ended).toBe(true)
  await expect(thread.ask(1)).rejects.toThrow('it died')

  const closed = startThread(ECHO, 'the echo')
  await Promise.all([expect(closed.ask('nothing')).rejects.toThrow('the echo ended'), closed.close()])
})
