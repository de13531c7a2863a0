/** Whom bitswap asks: real nodes, whose streams are counted or held up where they are opened. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { rawCid } from '../../../src/codec.ts'
import { connect, testNode, type TestNode } from '../../helpers/test-network.ts'

const never = new AbortController().signal
const BYTES = 1024 * 1024

const blockOf = (n: number): Uint8Array => new Uint8Array(BYTES).fill(n)

async function get(node: TestNode, bytes: Uint8Array, signal = never): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of node.helia.blockstore.get(rawCid(bytes), { signal })) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}

/** Bytes that this node writes on bitswap streams from now on. */
function countSent(node: TestNode): () => number {
  let sent = 0
  const { libp2p } = node
  const dial = libp2p.dialProtocol.bind(libp2p)
  libp2p.dialProtocol = async (...args: Parameters<Libp2p['dialProtocol']>) => {
    const stream = await dial(...args)
    const send = stream.send.bind(stream)
    stream.send = data => {
      sent += data.byteLength
      return send(data)
    }
    return stream
  }
  return () => sent
}

async function hold(node: TestNode, ...blocks: Uint8Array[]): Promise<void> {
  for (const bytes of blocks) await node.helia.blockstore.put(rawCid(bytes), bytes)
}

test('one of several holders is asked for a block, and the others are not', async () => {
  const [a, b, c, taker] = [await testNode(), await testNode(), await testNode(), await testNode()]
  const holders = [a, b, c]
  for (const holder of holders) {
    await hold(holder, blockOf(1), blockOf(2), blockOf(3))
    await connect(taker, holder)
  }
  const sent = holders.map(countSent)
  for (const n of [1, 2, 3]) expect(await get(taker, blockOf(n))).toEqual(blockOf(n))
  const total = sent.reduce((sum, count) => sum + count(), 0)
  expect(total).toBeGreaterThan(3 * BYTES)
  expect(total).toBeLessThan(3.1 * BYTES)
})

test('the holder is found among peers that do not have the block', async () => {
  const nodes = [await testNode(), await testNode(), await testNode(), await testNode()]
  const taker = await testNode()
  for (const node of nodes) await connect(taker, node)
  await hold(nodes[3] as TestNode, blockOf(1))
  expect(await get(taker, blockOf(1))).toEqual(blockOf(1))
})

test('a peer that takes no messages delays nobody', async () => {
  const [holder, deaf, taker] = [await testNode(), await testNode(), await testNode()]
  await hold(holder, blockOf(1), blockOf(2), blockOf(3))
  await connect(taker, holder)
  await connect(taker, deaf)
  const { libp2p } = taker
  const dial = libp2p.dialProtocol.bind(libp2p)
  libp2p.dialProtocol = async (peer, ...rest: [string | string[], object?]) =>
    (peer as PeerId).equals(deaf.libp2p.peerId) ? await new Promise(() => {}) : await dial(peer, ...rest)
  for (const n of [1, 2, 3]) expect(await get(taker, blockOf(n))).toEqual(blockOf(n))
})

test('a want that is given up is taken back: who gets the block later does not send it', async () => {
  const [peer, taker] = [await testNode(), await testNode()]
  await connect(taker, peer)
  const sent = countSent(peer)
  const controller = new AbortController()
  const given = get(taker, blockOf(1), controller.signal)
  // the first want is there when the second has been answered
  await hold(peer, blockOf(2))
  await get(taker, blockOf(2))
  controller.abort()
  await expect(given).rejects.toBeInstanceOf(Error)
  await hold(peer, blockOf(3))
  await get(taker, blockOf(3)) // asked for in the message that takes the first want back
  await hold(peer, blockOf(1))
  await hold(peer, blockOf(4))
  await get(taker, blockOf(4))
  expect(sent()).toBeLessThan(3.1 * BYTES)
})

test('a block that was given up and is wanted again comes', async () => {
  const [peer, taker] = [await testNode(), await testNode()]
  await connect(taker, peer)
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController()
    const given = get(taker, blockOf(1), controller.signal)
    controller.abort()
    await expect(given).rejects.toBeInstanceOf(Error)
  }
  const last = get(taker, blockOf(1))
  await hold(peer, blockOf(1))
  expect(await last).toEqual(blockOf(1))
})
