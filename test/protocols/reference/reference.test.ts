import { describe, expect, test } from 'vitest'
import { REFERENCE_PROTOCOL } from '../../../protocols/constants.ts'
import { frameStream, type FramedStream } from '../../../protocols/framing.ts'
import { encodeMessage } from '../../../protocols/message.ts'
import { createReferenceClient } from '../../../protocols/reference/client.ts'
import { referenceHeaderSchema } from '../../../protocols/reference/messages.ts'
import { createReferenceServer, type ReferenceServerInit } from '../../../protocols/reference/server.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import { streamHub, type HubPeer } from '../../helpers/stream-hub.ts'

const never = new AbortController().signal
/** More than one UnixFS chunk, not a round number */
const data = Uint8Array.from({ length: 1_500_001 }, (_, i) => (i * 7) % 251)
const { cid } = await importBytes([data], async () => {})

type Hub = ReturnType<typeof streamHub>

/** The header of `data`, and the prefix of its frame */
const HEADER_BYTES = 1 + encodeMessage(referenceHeaderSchema, { t: 'found', total: data.byteLength }).byteLength

async function honest(hub: Hub, n: number, init: ReferenceServerInit = {}): Promise<HubPeer & { served: number[] }> {
  const peer = hub.peer(n)
  const served: number[] = []
  const server = createReferenceServer(
    {
      libp2p: peer,
      read: async wanted =>
        wanted.equals(cid)
          ? {
              bytes: data.byteLength,
              slice: async (start, end) => {
                served.push(start)
                return data.subarray(start, end)
              }
            }
          : undefined
    },
    init
  )
  await server.start()
  return { ...peer, served }
}

/** A server that answers the header and then does what it likes. */
async function odd(
  hub: Hub,
  n: number,
  serve: (framed: FramedStream, abort: (error: Error) => void) => Promise<void>,
  total = data.byteLength
): Promise<HubPeer> {
  const peer = hub.peer(n)
  await peer.handle(REFERENCE_PROTOCOL, async stream => {
    const framed = frameStream(stream)
    await framed.read(1024, never)
    await framed.write(encodeMessage(referenceHeaderSchema, { t: 'found', total }), never)
    await serve(framed, error => stream.abort(error))
  })
  return peer
}

function client(hub: Hub, init = {}): ReturnType<typeof createReferenceClient> & { faults: string[] } {
  const faults: string[] = []
  const made = createReferenceClient(
    { libp2p: hub.peer(1) },
    { onFault: (peer, reason) => faults.push(`${reason} ${peer}`), retryMs: 1, ...init }
  )
  return { ...made, faults }
}

describe('fetchMatrix', () => {
  test('returns the content', async () => {
    const hub = streamHub()
    const peer = await honest(hub, 2)
    expect(await client(hub).fetchMatrix([peer.peerId], cid, data.byteLength)).toEqual(data)
  })

  test('goes on at another peer where the first one broke off', async () => {
    const hub = streamHub()
    const broken = await odd(hub, 2, async (framed, abort) => {
      await framed.writeBytes(data.subarray(0, 700_000), never)
      await hub.delivered(HEADER_BYTES + 700_000)
      abort(new Error('reset'))
    })
    const good = await honest(hub, 3)
    expect(await client(hub).fetchMatrix([broken.peerId, good.peerId], cid, data.byteLength)).toEqual(data)
    // whole steps of 64 KiB are kept
    expect(good.served[0]).toBe(Math.floor(700_000 / 65_536) * 65_536)
  })

  test('comes back to the only peer as long as it makes progress', async () => {
    const hub = streamHub()
    const peer = hub.peer(2)
    let requests = 0
    const full = await honest(hub, 3)
    await peer.handle(REFERENCE_PROTOCOL, async (stream, connection) => {
      if (requests++ > 0) {
        const onward = await peer.dialProtocol(full.peerId, REFERENCE_PROTOCOL)
        onward.addEventListener('message', event => stream.send(event.data))
        onward.addEventListener('end', () => void stream.close())
        stream.addEventListener('message', event => onward.send(event.data))
        return
      }
      expect(connection.remotePeer).toBeDefined()
      const framed = frameStream(stream)
      await framed.read(1024, never)
      await framed.write(encodeMessage(referenceHeaderSchema, { t: 'found', total: data.byteLength }), never)
      await framed.writeBytes(data.subarray(0, 200_000), never)
      await framed.close(never)
    })
    expect(await client(hub).fetchMatrix([peer.peerId], cid, data.byteLength)).toEqual(data)
    expect(requests).toBe(2)
  })

  test('reads nothing from a peer that names another length, and does not blame it', async () => {
    const hub = streamHub()
    let sent = 0
    const odds = await odd(
      hub,
      2,
      async framed => {
        await framed.writeBytes(new Uint8Array(10), never)
        sent++
      },
      2 ** 40
    )
    const c = client(hub)
    await expect(c.fetchMatrix([odds.peerId], cid, data.byteLength)).rejects.toThrow('expected 1500001')
    expect(c.faults).toEqual([])
    expect(sent).toBeLessThanOrEqual(1)
    const good = await honest(hub, 3)
    expect(await c.fetchMatrix([odds.peerId, good.peerId], cid, data.byteLength)).toEqual(data)
  })

  test('proves that what is cited as a matrix has another length, and blames nobody', async () => {
    const hub = streamHub()
    const holder = await honest(hub, 2)
    const c = client(hub)
    const fetched = c.fetchMatrix([holder.peerId], cid, data.byteLength + 4)
    await expect(fetched).rejects.toMatchObject({
      name: 'InvalidContentError',
      message: expect.stringContaining('has 1500001 bytes') as string
    })
    expect(c.faults).toEqual([])
  })

  test('does not believe a peer about the length', async () => {
    const hub = streamHub()
    const liar = await odd(
      hub,
      2,
      async framed => {
        await framed.writeBytes(new Uint8Array(2_000_000), never)
        await framed.close(never)
      },
      2_000_000
    )
    const c = client(hub)
    await expect(c.fetchMatrix([liar.peerId], cid, data.byteLength)).rejects.toMatchObject({
      name: 'ContentUnavailableError'
    })
    expect(c.faults).toEqual([`wrong-content ${liar.peerId}`])
  })

  test('knows by the CID what cannot be that long', async () => {
    const c = client(streamHub())
    const one = await importBytes([Uint8Array.of(1)], async () => {})
    await expect(c.fetchMatrix([], cid, 2 ** 20)).rejects.toMatchObject({ name: 'InvalidContentError' })
    await expect(c.fetchMatrix([], one.cid, 2 ** 20 + 1)).rejects.toMatchObject({ name: 'InvalidContentError' })
    await expect(c.fetchMatrix([], one.cid, 2 ** 20)).rejects.toMatchObject({ name: 'ContentUnavailableError' })
  })

  test('never returns wrong bytes: blames the only source and takes them from the next', async () => {
    const hub = streamHub()
    const wrong = Uint8Array.from(data)
    wrong[1_200_000] = (wrong[1_200_000] as number) ^ 1
    const liar = await odd(hub, 2, async framed => {
      await framed.writeBytes(wrong, never)
      await framed.close(never)
    })
    const good = await honest(hub, 3)
    const c = client(hub)
    expect(await c.fetchMatrix([liar.peerId, good.peerId], cid, data.byteLength)).toEqual(data)
    expect(c.faults).toEqual([`wrong-content ${liar.peerId}`])
    await expect(c.fetchMatrix([liar.peerId], cid, data.byteLength)).rejects.toThrow('sent other content')
  })

  test('finds the honest peer behind one that poisons the start and breaks off', async () => {
    const hub = streamHub()
    const poison = await odd(hub, 2, async (framed, abort) => {
      await framed.writeBytes(new Uint8Array(300_000), never)
      await hub.delivered(HEADER_BYTES + 300_000)
      abort(new Error('reset'))
    })
    const good = await honest(hub, 3)
    const c = client(hub)
    expect(await c.fetchMatrix([poison.peerId, good.peerId], cid, data.byteLength)).toEqual(data)
    // the honest one only completed what another began: it is not blamed
    expect(c.faults).toEqual([])
  })

  test('gives up a peer that stalls, for another', async () => {
    const hub = streamHub()
    const slow = await odd(hub, 2, async framed => await framed.writeBytes(data.subarray(0, 100_000), never))
    const good = await honest(hub, 3)
    const c = client(hub, { timeoutMs: 100, minBytesPerSecond: 1024 * 1024 })
    expect(await c.fetchMatrix([slow.peerId, good.peerId], cid, data.byteLength)).toEqual(data)
  })

  test('says what every peer did when none has it', async () => {
    const hub = streamHub()
    const peer = await honest(hub, 2)
    const other = await importBytes([Uint8Array.of(1)], async () => {})
    await expect(client(hub).fetchMatrix([peer.peerId], other.cid, 1)).rejects.toThrow('not-found')
    await expect(client(hub).fetchMatrix([], other.cid, 1)).rejects.toBeInstanceOf(ContentUnavailableError)
    await expect(client(hub).fetchMatrix([peer.peerId], cid, 2 ** 40)).rejects.toThrow('a matrix has 1 to')
  })

  test('stops when its signal fires', async () => {
    const hub = streamHub()
    const slow = await odd(hub, 2, async framed => await framed.writeBytes(data.subarray(0, 100), never))
    const controller = new AbortController()
    const fetched = client(hub).fetchMatrix([slow.peerId], cid, data.byteLength, { signal: controller.signal })
    controller.abort(new Error('no longer wanted'))
    await expect(fetched).rejects.toThrow('no longer wanted')
  })
})

describe('the server', () => {
  test('lets one peer fetch the matrices of 32 scores at once', async () => {
    const hub = streamHub()
    const peer = await honest(hub, 2, { now: () => 0 })
    const small = client(hub, { retryMs: 0 })
    const other = await importBytes([Uint8Array.of(1)], async () => {})
    for (let i = 0; i < 32; i++)
      await expect(small.fetchMatrix([peer.peerId], other.cid, 1)).rejects.toThrow('not-found')
    await expect(small.fetchMatrix([peer.peerId], other.cid, 1)).rejects.toThrow('rate-limited')
  })

  test('is asked again after a pause when it had enough requests', async () => {
    const hub = streamHub()
    let time = 0
    // every look at the clock is a second later than the last
    const peer = await honest(hub, 2, { peerLimit: { perSecond: 0.2, burst: 1 }, now: () => (time += 1000) })
    const c = client(hub)
    for (let i = 0; i < 2; i++) expect(await c.fetchMatrix([peer.peerId], cid, data.byteLength)).toEqual(data)
    expect(c.faults).toEqual([])
  })

  test('limits the requests of a peer and of all peers', async () => {
    const hub = streamHub()
    const strict = await honest(hub, 2, { peerLimit: { perSecond: 0.001, burst: 1 } })
    const c = client(hub)
    await c.fetchMatrix([strict.peerId], cid, data.byteLength)
    await expect(c.fetchMatrix([strict.peerId], cid, data.byteLength)).rejects.toThrow('rate-limited')
    const crowded = await honest(hub, 3, { totalLimit: { perSecond: 0.001, burst: 1 } })
    await c.fetchMatrix([crowded.peerId], cid, data.byteLength)
    const other = createReferenceClient({ libp2p: hub.peer(4) }, { retryMs: 1 })
    await expect(other.fetchMatrix([crowded.peerId], cid, data.byteLength)).rejects.toThrow('rate-limited')
  })

  test('refuses when too many transfers run', async () => {
    const hub = streamHub()
    const peer = await honest(hub, 2, { maxStreams: 0 })
    await expect(client(hub).fetchMatrix([peer.peerId], cid, data.byteLength)).rejects.toThrow('busy')
  })
})
