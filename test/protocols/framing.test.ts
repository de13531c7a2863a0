import { streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodePrefix, frameStream } from '../../protocols/framing.ts'
import { ProtocolError } from '../../src/errors.ts'

const never = new AbortController().signal

describe('frameStream', () => {
  test('delivers frames and raw bytes whole, however they are sliced', async () => {
    const [a, b] = await streamPair()
    const [left, right] = [frameStream(a), frameStream(b)]
    const frames = [0, 1, 127, 128, 70_000].map(n => new Uint8Array(n).fill(n % 251))
    const sent = (async () => {
      for (const frame of frames) await left.write(frame, never)
      await left.writeBytes(Uint8Array.of(9, 8, 7), never)
      await left.close(never)
    })()
    for (const frame of frames) expect(await right.read(70_000, never)).toEqual(frame)
    expect(await right.readBytes(3, never)).toEqual(Uint8Array.of(9, 8, 7))
    await right.close(never)
    await sent
  })

  test('refuses a frame over the limit before its bytes have arrived', async () => {
    const [a, b] = await streamPair()
    a.send(encodePrefix(1001))
    await expect(frameStream(b).read(1000, never)).rejects.toThrow('a frame of 1001 bytes, at most 1000')
    expect(b.status).toBe('aborted')
  })

  test.each([
    ['longer than four bytes', Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x01)],
    ['not minimal', Uint8Array.of(0x81, 0x00)]
  ])('refuses a prefix that is %s', async (_, prefix) => {
    const [a, b] = await streamPair()
    a.send(prefix)
    await expect(frameStream(b).read(1000, never)).rejects.toBeInstanceOf(ProtocolError)
  })

  test('does not take a stream that ends early for a short frame', async () => {
    const [a, b] = await streamPair()
    a.send(Uint8Array.of(5, 1, 2))
    void a.close()
    await expect(frameStream(b).read(1000, never)).rejects.toThrow('ended after 2 of 5 bytes')
  })

  test('reports a reset, also when bytes arrived before it', async () => {
    const [a, b] = await streamPair()
    const reader = frameStream(b)
    a.send(Uint8Array.of(5, 1, 2))
    const read = reader.read(1000, never)
    a.abort(new Error('gone'))
    await expect(read).rejects.toThrow('reset')
  })

  test('resets the stream when the deadline passes', async () => {
    const [, b] = await streamPair()
    const deadline = new AbortController()
    const read = frameStream(b).read(1000, deadline.signal)
    deadline.abort(new Error('too slow'))
    await expect(read).rejects.toThrow('too slow')
    expect(b.status).toBe('aborted')
  })

  test('resets the stream when bytes follow the last frame', async () => {
    const [a, b] = await streamPair()
    a.send(Uint8Array.of(1, 7, 7))
    const reader = frameStream(b)
    expect(await reader.read(10, never)).toEqual(Uint8Array.of(7))
    await expect(reader.close(never)).rejects.toThrow('1 bytes after the last frame')
  })

  test('throws only typed errors on any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async bytes => {
        const [a, b] = await streamPair()
        if (bytes.byteLength > 0) a.send(bytes)
        void a.close()
        const reader = frameStream(b)
        for (;;) {
          try {
            await reader.read(32, never)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
            return
          }
        }
      }),
      { numRuns: 100 }
    )
  })
})

test('encodePrefix writes the shortest form', () => {
  expect(encodePrefix(0)).toEqual(Uint8Array.of(0))
  expect(encodePrefix(127)).toEqual(Uint8Array.of(127))
  expect(encodePrefix(128)).toEqual(Uint8Array.of(0x80, 1))
  expect(encodePrefix(2 ** 28 - 1)).toEqual(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))
  expect(() => encodePrefix(2 ** 28)).toThrow(ProtocolError)
})
