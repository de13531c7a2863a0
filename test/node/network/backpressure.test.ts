import { expect, test } from 'vitest'
import { withWorkingDrain, type Buffered } from '../../../node/network/backpressure.ts'

class FakeStream extends EventTarget implements Buffered {
  writeBufferLength = 0
  status = 'open'

  async onDrain(_options?: { signal?: AbortSignal }): Promise<void> {}

  empty(): void {
    this.writeBufferLength = 0
    this.dispatchEvent(new Event('idle'))
  }
}

/** Whether it is settled once everything that is due has run. */
async function isPending(promise: Promise<void>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), new Promise<boolean>(resolve => setImmediate(resolve, true))])
}

test('a wait ends when nothing is buffered, the second one as the first', async () => {
  const stream = withWorkingDrain(new FakeStream())
  await stream.onDrain()
  for (const buffered of [10, 20]) {
    stream.writeBufferLength = buffered
    const wait = stream.onDrain()
    stream.dispatchEvent(new Event('drain'))
    expect(await isPending(wait)).toBe(true)
    stream.empty()
    await wait
  }
})

test('a wait ends with an error when the stream is closed or the signal aborts', async () => {
  const stream = withWorkingDrain(new FakeStream())
  stream.writeBufferLength = 1
  const closed = stream.onDrain()
  stream.dispatchEvent(Object.assign(new Event('close'), { error: new Error('reset by the peer') }))
  await expect(closed).rejects.toThrow('reset by the peer')
  const controller = new AbortController()
  const aborted = stream.onDrain({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  stream.status = 'closed'
  await expect(stream.onDrain()).rejects.toThrow('closed before everything was written')
})
