import { createConnection } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { generateKey } from '@libp2p/pnet'
import type { Stream } from '@libp2p/interface'
import { describe, expect, onTestFinished, test } from 'vitest'
import { REFERENCE_PROTOCOL } from '../../../protocols/constants.ts'
import { frameStream } from '../../../protocols/framing.ts'
import { createReferenceClient } from '../../../protocols/reference/client.ts'
import { createReferenceServer } from '../../../protocols/reference/server.ts'
import { cborCid, encodeCbor, rawCid } from '../../../src/codec.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import type { NetworkInit } from '../../../node/network/libp2p.ts'
import { connect, testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

async function block(node: TestNode, cid: ReturnType<typeof rawCid>, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of node.helia.blockstore.get(cid, { signal })) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

describe('bitswap', () => {
  test('carries the largest blocks: 1 MiB chunks and a manifest of 2 MiB', async () => {
    const [a, b] = [await testNode(), await testNode()]
    await connect(a, b)
    const chunk = new Uint8Array(1024 * 1024).fill(7)
    const manifest = encodeCbor(new Uint8Array(2 * 1024 * 1024 - 5))
    expect(manifest.byteLength).toBe(2 * 1024 * 1024)
    await a.helia.blockstore.put(rawCid(chunk), chunk)
    await a.helia.blockstore.put(cborCid(manifest), manifest)
    const { signal } = new AbortController()
    expect(await block(b, rawCid(chunk), signal)).toEqual(chunk)
    expect(await block(b, cborCid(manifest), signal)).toEqual(manifest)
  })

  test('more blocks at once than a peer may want still all arrive', async () => {
    const [a, b] = [await testNode({ limits: { bitswapMaxWantListSize: 4 } }), await testNode()]
    await connect(a, b)
    const blocks = Array.from({ length: 16 }, (_, i) => new Uint8Array(1000).fill(i))
    for (const bytes of blocks) await a.helia.blockstore.put(rawCid(bytes), bytes)
    const fetch = async (bytes: Uint8Array): Promise<Uint8Array> => {
      for (;;) {
        try {
          return await block(b, rawCid(bytes), AbortSignal.timeout(500))
        } catch (error) {
          if (!(error instanceof Error)) throw error
        }
      }
    }
    expect(await Promise.all(blocks.map(fetch))).toEqual(blocks)
  })

  test('a block that nobody has fails when the signal fires', async () => {
    const [a, b] = [await testNode(), await testNode()]
    await connect(a, b)
    await expect(block(b, rawCid(Uint8Array.of(1)), AbortSignal.timeout(200))).rejects.toMatchObject({
      name: 'LoadBlockFailedError'
    })
  })
})

describe('the pre-shared key', () => {
  test('separates swarms', async () => {
    const [k1, k2] = [new Uint8Array(95), new Uint8Array(95)]
    generateKey(k1)
    generateKey(k2)
    const a = await testNode({ swarmKey: k1 })
    const same = await testNode({ swarmKey: k1 })
    const other = await testNode({ swarmKey: k2 })
    const open = await testNode()
    await connect(same, a)
    await expect(other.libp2p.dial(a.libp2p.getMultiaddrs())).rejects.toBeInstanceOf(Error)
    await expect(open.libp2p.dial(a.libp2p.getMultiaddrs())).rejects.toBeInstanceOf(Error)
    expect(a.libp2p.getPeers().map(String)).toEqual([same.libp2p.peerId.toString()])
  })
})

describe('transports', () => {
  test('connect in process as well', async () => {
    const [a, b] = [
      await testNode({ listen: ['/memory/coopt-a'], memory: true }),
      await testNode({ listen: ['/memory/coopt-b'], memory: true })
    ]
    await a.libp2p.dial(multiaddr('/memory/coopt-b'))
    expect(b.libp2p.getPeers().map(String)).toEqual([a.libp2p.peerId.toString()])
  })
})

describe('streams', () => {
  /** `b` answers on this protocol by `serve`. */
  async function pair(
    serve: (stream: Stream) => Promise<void>,
    init: NetworkInit = {}
  ): Promise<{ stream: Stream; roundTrip(): Promise<number> }> {
    const [a, b] = [await testNode(init), await testNode(init)]
    await b.libp2p.handle('/test/1', serve)
    await connect(a, b)
    return {
      stream: await a.libp2p.dialProtocol(b.libp2p.peerId, '/test/1'),
      roundTrip: async () => await a.libp2p.services.ping.ping(b.libp2p.peerId)
    }
  }

  const psk = new Uint8Array(95)
  generateKey(psk)

  test.each<[string, NetworkInit]>([
    ['', {}],
    [', with a pre-shared key as well', { swarmKey: psk }]
  ])('a reader that does not read holds the sender back, and then gets everything%s', async (_, init) => {
    const total = 64 * 1024 * 1024
    let written = 0
    const { stream, roundTrip } = await pair(async inbound => {
      const framed = frameStream(inbound)
      const { signal } = new AbortController()
      const piece = new Uint8Array(1024 * 1024)
      for (; written < total; written += piece.byteLength) await framed.writeBytes(piece, signal)
      await framed.close(signal)
    }, init)
    const framed = frameStream(stream)
    const { signal } = new AbortController()
    await framed.readBytes(1, signal)
    // a ping comes back behind all that was on its way: when several change nothing, the sender stands still
    for (let still = 0, before = written; still < 3; before = written) {
      await roundTrip()
      still = written === before ? still + 1 : 0
    }
    expect(written).toBeLessThan(8 * 1024 * 1024)
    for (let left = total - 1; left > 0;) {
      const step = Math.min(left, 100_000)
      await framed.readBytes(step, signal)
      left -= step
    }
    await expect(framed.readBytes(1, signal)).rejects.toThrow('ended after 0 of 1 bytes')
  })

  test('a peer that never closes its end is reset', { timeout: 20_000 }, async () => {
    const served = Promise.withResolvers<Stream>()
    const { stream } = await pair(async inbound => {
      const framed = frameStream(inbound)
      await framed.close(new AbortController().signal)
      served.resolve(inbound)
    })
    await waitFor(stream, 'close', () => stream.status === 'reset')
    expect((await served.promise).status).toBe('aborted')
  })
})

describe('slow clients', () => {
  test('are reaped and do not keep others from being served', { timeout: 30_000 }, async () => {
    const [server, slow, honest] = [await testNode(), await testNode(), await testNode()]
    const data = new Uint8Array(300_000).fill(3)
    const { cid } = await importBytes([data], async () => {})
    await createReferenceServer({
      libp2p: server.libp2p,
      read: async wanted =>
        wanted.equals(cid)
          ? { bytes: data.byteLength, slice: async (start, end) => data.subarray(start, end) }
          : undefined
    }).start()
    await connect(slow, server)
    await connect(honest, server)
    // as many as a connection may have open: none sends a whole request
    const streams = await Promise.all(
      Array.from({ length: 4 }, () => slow.libp2p.dialProtocol(server.libp2p.peerId, REFERENCE_PROTOCOL))
    )
    for (const stream of streams) stream.send(Uint8Array.of(100, 1))
    const client = createReferenceClient({ libp2p: honest.libp2p })
    expect(await client.fetchMatrix([server.libp2p.peerId], cid, data.byteLength)).toEqual(data)
    await Promise.all(streams.map(s => waitFor(s, 'close', () => s.status === 'reset')))
  })

  test('half-open handshakes end by themselves', { timeout: 20_000 }, async () => {
    const server = await testNode()
    const address = server.libp2p.getMultiaddrs()[0]
    const port = Number(address?.getComponents().find(c => c.name === 'tcp')?.value)
    const sockets = Array.from({ length: 12 }, () => createConnection({ host: '127.0.0.1', port }))
    onTestFinished(() => sockets.forEach(s => s.destroy()))
    await Promise.all(
      sockets.map(
        async socket =>
          await new Promise<void>(resolve => {
            socket.on('error', () => resolve())
            socket.on('close', () => resolve())
            socket.resume()
          })
      )
    )
    const late = await testNode()
    await connect(late, server)
    expect(server.libp2p.getPeers().map(String)).toEqual([late.libp2p.peerId.toString()])
  })
})
