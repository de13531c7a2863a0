import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Wanted } from '../../../protocols/blocks/channel.ts'
import { createBlockClient, type BlockClient } from '../../../protocols/blocks/client.ts'
import { blocksHeaderSchema, blocksRequestSchema } from '../../../protocols/blocks/messages.ts'
import { createBlockServer, type BlockServerInit } from '../../../protocols/blocks/server.ts'
import { BLOCKS_PROTOCOL, MAX_BLOCKS_REQUEST_BYTES } from '../../../protocols/constants.ts'
import { encodePrefix, frameStream, type FramedStream } from '../../../protocols/framing.ts'
import { decodeMessage, encodeMessage } from '../../../protocols/message.ts'
import { rawCid } from '../../../src/codec.ts'
import { streamHub, type HubPeer } from '../../helpers/stream-hub.ts'

const never = new AbortController().signal
type Hub = ReturnType<typeof streamHub>

/** Leaves of a file: `count` different ones */
function leavesOf(count: number, bytes = 50_000): Map<string, { cid: CID; bytes: Uint8Array }> {
  const made = Array.from({ length: count }, (_, i) => new Uint8Array(bytes).fill(i + 1).fill(i >> 8, 0, 1))
  return new Map(made.map(leaf => [`${rawCid(leaf)}`, { cid: rawCid(leaf), bytes: leaf }]))
}

function wantedOf(leaves: ReturnType<typeof leavesOf>): Wanted[] {
  return [...leaves.values()].map(({ cid, bytes }) => ({ cid, bytes: bytes.byteLength }))
}

interface Holder extends HubPeer {
  /** What it was asked for */
  readonly sent: string[]
}

async function holder(
  hub: Hub,
  n: number,
  leaves: ReturnType<typeof leavesOf>,
  init: BlockServerInit = {}
): Promise<Holder> {
  const peer = hub.peer(n)
  const sent: string[] = []
  const server = createBlockServer(
    {
      libp2p: peer,
      read: async cid => {
        const found = leaves.get(`${cid}`)
        if (found !== undefined) sent.push(`${cid}`)
        return found?.bytes
      }
    },
    init
  )
  await server.start()
  return { ...peer, sent }
}

/** A holder that takes a request in order, and then does what it likes. */
async function odd(
  hub: Hub,
  n: number,
  serve: (framed: FramedStream, cids: readonly CID[]) => Promise<void>
): Promise<HubPeer> {
  const peer = hub.peer(n)
  await peer.handle(BLOCKS_PROTOCOL, async stream => {
    const framed = frameStream(stream)
    const frame = await framed.read(MAX_BLOCKS_REQUEST_BYTES, never)
    await serve(framed, decodeMessage(blocksRequestSchema, frame, MAX_BLOCKS_REQUEST_BYTES).cids)
  })
  return peer
}

const SENDING = encodeMessage(blocksHeaderSchema, { t: 'sending' })

function client(hub: Hub, init = {}): BlockClient & { faults: string[] } {
  const faults: string[] = []
  const libp2p = { ...hub.peer(1), register: async () => 'topology', unregister: () => {} }
  const made = createBlockClient({ libp2p }, { onFault: (peer, reason) => faults.push(`${reason} ${peer}`), ...init })
  onTestFinished(async () => await made.stop())
  return { ...made, faults }
}

async function fetched(
  from: BlockClient,
  wanted: readonly Wanted[],
  holders: readonly { peerId: PeerId }[],
  signal = never
): Promise<{ got: Map<string, Uint8Array>; times: number; missing: Wanted[] }> {
  const got = new Map<string, Uint8Array>()
  let times = 0
  const deliver = async (cid: CID, block: Uint8Array): Promise<void> => {
    times++
    got.set(`${cid}`, block)
  }
  const { missing } = from.download(wanted, { holders: holders.map(({ peerId }) => peerId), deliver, signal })
  return { missing: await missing, got, times }
}

describe('a download', () => {
  test('brings every block once from one holder', async () => {
    const hub = streamHub()
    const leaves = leavesOf(100)
    const peer = await holder(hub, 2, leaves)
    const { got, times, missing } = await fetched(client(hub), wantedOf(leaves), [peer])
    expect(missing).toEqual([])
    expect(times).toBe(100)
    for (const [cid, { bytes }] of leaves) expect(got.get(cid)).toEqual(bytes)
  })

  test('takes another part from each of several holders', async () => {
    const hub = streamHub()
    const leaves = leavesOf(64, 200_000)
    const holders = [await holder(hub, 2, leaves), await holder(hub, 3, leaves), await holder(hub, 4, leaves)]
    const { times, missing } = await fetched(client(hub), wantedOf(leaves), holders)
    expect([times, missing]).toEqual([64, []])
    for (const { sent } of holders) expect(sent.length).toBeGreaterThan(0)
    const all = holders.flatMap(({ sent }) => sent)
    expect(all.length).toBeLessThanOrEqual(67)
    expect(new Set(all).size).toBe(64)
  })

  test('finds each part with the one that holds it', async () => {
    const hub = streamHub()
    const leaves = leavesOf(20)
    const half = new Map([...leaves].slice(0, 10))
    const rest = new Map([...leaves].slice(10))
    const holders = [await holder(hub, 2, half), await holder(hub, 3, new Map()), await holder(hub, 4, rest)]
    const { times, missing } = await fetched(client(hub), wantedOf(leaves), holders)
    expect([times, missing]).toEqual([20, []])
  })

  test('says what nobody holds', async () => {
    const hub = streamHub()
    const leaves = leavesOf(5)
    const [last] = [...leaves.values()].slice(-1)
    const part = new Map([...leaves].slice(0, 4))
    const c = client(hub)
    const { missing } = await fetched(c, wantedOf(leaves), [await holder(hub, 2, part), await holder(hub, 3, part)])
    expect(missing.map(({ cid }) => `${cid}`)).toEqual([`${last?.cid}`])
    expect((await fetched(c, wantedOf(leaves), [])).missing).toHaveLength(5)
    expect(c.faults).toEqual([])
  })

  test('never delivers wrong bytes, blames who sent them and takes the rest from others', async () => {
    const hub = streamHub()
    const leaves = leavesOf(30)
    const liar = await odd(hub, 2, async (framed, cids) => {
      await framed.write(SENDING, never)
      for (const cid of cids) {
        const { bytes } = leaves.get(`${cid}`) as { bytes: Uint8Array }
        await framed.write(Uint8Array.from(bytes).fill(0, 9, 10), never)
      }
    })
    const good = await holder(hub, 3, leaves)
    const c = client(hub)
    const { got, missing } = await fetched(c, wantedOf(leaves), [liar, good])
    expect(missing).toEqual([])
    for (const [cid, { bytes }] of leaves) expect(got.get(cid)).toEqual(bytes)
    expect(c.faults).toEqual([`wrong-content ${liar.peerId}`])
  })

  test('goes on with others where a holder broke off in the middle of a block', async () => {
    const hub = streamHub()
    const leaves = leavesOf(30)
    const broken = await odd(hub, 2, async (framed, cids) => {
      await framed.write(SENDING, never)
      await framed.writeBytes(encodePrefix(50_000), never)
      await framed.writeBytes(leaves.get(`${cids[0]}`)?.bytes.subarray(0, 40_000) as Uint8Array, never)
      framed.abort(new Error('reset'))
    })
    const good = await holder(hub, 3, leaves)
    const c = client(hub)
    const { times, missing } = await fetched(c, wantedOf(leaves), [broken, good])
    expect([times, missing]).toEqual([30, []])
  })

  test('takes over what a holder that stands still was asked for', async () => {
    const hub = streamHub()
    const leaves = leavesOf(40, 200_000)
    const asked = Promise.withResolvers<readonly CID[]>()
    const still = await odd(hub, 2, async (framed, cids) => {
      await framed.write(SENDING, never)
      asked.resolve(cids)
    })
    const good = await holder(hub, 3, leaves)
    const { times, missing } = await fetched(client(hub), wantedOf(leaves), [still, good])
    expect([times, missing]).toEqual([40, []])
    for (const cid of await asked.promise) expect(good.sent).toContain(`${cid}`)
  })

  test('gives up the only holder when nothing comes for long enough', async () => {
    const hub = streamHub()
    const leaves = leavesOf(3)
    const still = await odd(hub, 2, async framed => await framed.write(SENDING, never))
    const { missing } = await fetched(client(hub, { stallMs: 50 }), wantedOf(leaves), [still])
    expect(missing).toHaveLength(3)
  })

  test('asks a busy holder again after a pause', async () => {
    const hub = streamHub()
    const leaves = leavesOf(4)
    let time = 0
    const peer = await holder(hub, 2, leaves, { peerLimit: { perSecond: 1, burst: 1 }, now: () => (time += 400) })
    const c = client(hub)
    for (const one of wantedOf(leaves)) expect((await fetched(c, [one], [peer])).missing).toEqual([])
    expect(c.faults).toEqual([])
  })

  test('ends with what the store says', async () => {
    const hub = streamHub()
    const leaves = leavesOf(20)
    const peer = await holder(hub, 2, leaves)
    const { missing } = client(hub).download(wantedOf(leaves), {
      holders: [peer.peerId],
      deliver: async () => {
        throw new Error('the disk is full')
      },
      signal: never
    })
    await expect(missing).rejects.toThrow('the disk is full')
  })

  test('stops when its signal fires', async () => {
    const hub = streamHub()
    const leaves = leavesOf(20)
    const still = await odd(hub, 2, async framed => await framed.write(SENDING, never))
    const controller = new AbortController()
    const running = fetched(client(hub), wantedOf(leaves), [still], controller.signal)
    controller.abort(new Error('no longer wanted'))
    await expect(running).rejects.toThrow('no longer wanted')
  })

  test('refuses a block longer than any, before it is read', async () => {
    const hub = streamHub()
    const leaves = leavesOf(1)
    const huge = await odd(hub, 2, async framed => {
      await framed.write(SENDING, never)
      await framed.writeBytes(encodePrefix(2 ** 27), never)
    })
    const c = client(hub)
    expect((await fetched(c, wantedOf(leaves), [huge])).missing).toHaveLength(1)
    expect(c.faults).toEqual([`protocol ${huge.peerId}`])
  })
})

describe('the server', () => {
  test('answers requests one after another on one stream, with nothing for what it does not hold', async () => {
    const hub = streamHub()
    const leaves = leavesOf(3)
    const peer = await holder(hub, 2, leaves)
    const framed = frameStream(await hub.peer(1).dialProtocol(peer.peerId, BLOCKS_PROTOCOL))
    const cids = [...leaves.values()].map(({ cid }) => cid)
    const absent = rawCid(Uint8Array.of(9))
    for (let i = 0; i < 2; i++)
      await framed.write(encodeMessage(blocksRequestSchema, { cids: [cids[0] as CID, absent, cids[2] as CID] }), never)
    for (let i = 0; i < 2; i++) {
      expect(decodeMessage(blocksHeaderSchema, await framed.read(256, never), 256)).toEqual({ t: 'sending' })
      const lengths = []
      for (let j = 0; j < 3; j++) lengths.push((await framed.read(100_000, never)).byteLength)
      expect(lengths).toEqual([50_000, 0, 50_000])
    }
    await framed.close(never)
  })

  test('refuses when too many streams are open, and a peer that asks too often', async () => {
    const hub = streamHub()
    const ask = async (peer: HubPeer): Promise<unknown> => {
      const framed = frameStream(await hub.peer(1).dialProtocol(peer.peerId, BLOCKS_PROTOCOL))
      await framed.write(encodeMessage(blocksRequestSchema, { cids: [rawCid(Uint8Array.of(9))] }), never)
      return decodeMessage(blocksHeaderSchema, await framed.read(256, never), 256)
    }
    expect(await ask(await holder(hub, 2, new Map(), { maxStreams: 0 }))).toEqual({ t: 'refused', reason: 'busy' })
    const strict = await holder(hub, 3, new Map(), { peerLimit: { perSecond: 0.001, burst: 1 } })
    expect(await ask(strict)).toEqual({ t: 'sending' })
    expect(await ask(strict)).toEqual({ t: 'refused', reason: 'rate-limited' })
  })

  test.each([
    ['no CID', encodeMessage(blocksRequestSchema, { cids: [rawCid(Uint8Array.of(1))] }).with(1, 0x65)],
    ['a frame longer than any request', new Uint8Array(MAX_BLOCKS_REQUEST_BYTES + 1)]
  ])('blames a peer that sends %s', async (_, request) => {
    const hub = streamHub()
    const fault = Promise.withResolvers<string>()
    const peer = await holder(hub, 2, new Map(), { onFault: (__, reason) => fault.resolve(reason) })
    const framed = frameStream(await hub.peer(1).dialProtocol(peer.peerId, BLOCKS_PROTOCOL))
    await framed.write(request, never)
    expect(await fault.promise).toBe('protocol')
  })

  test('lets a stream without requests go, without blame', async () => {
    const hub = streamHub()
    const faults: string[] = []
    const peer = await holder(hub, 2, new Map(), { idleMs: 20, onFault: (_, reason) => faults.push(reason) })
    const stream = await hub.peer(1).dialProtocol(peer.peerId, BLOCKS_PROTOCOL)
    const framed = frameStream(stream)
    await expect(framed.readBytes(1, never)).rejects.toBeInstanceOf(Error)
    expect(faults).toEqual([])
  })

  test('sends over a relay no faster than the quota', async () => {
    const hub = streamHub({ relayed: true })
    const leaves = leavesOf(4, 1000)
    let time = 0
    let looks = 0
    const looked = Promise.withResolvers<'waits'>()
    const now = (): number => {
      // the request, three blocks, and the third again after a pause
      if (++looks === 5) looked.resolve('waits')
      return time
    }
    const peer = await holder(hub, 2, leaves, { relayedLimit: { perSecond: 1000, burst: 2000 }, now })
    const framed = frameStream(await hub.peer(1).dialProtocol(peer.peerId, BLOCKS_PROTOCOL))
    const cids = [...leaves.values()].map(({ cid }) => cid)
    await framed.write(encodeMessage(blocksRequestSchema, { cids }), never)
    await framed.read(256, never)
    for (let i = 0; i < 2; i++) expect((await framed.read(1000, never)).byteLength).toBe(1000)
    const third = framed.read(1000, never)
    expect(await Promise.race([third, looked.promise])).toBe('waits')
    time = 1000
    expect((await third).byteLength).toBe(1000)
  })
})
