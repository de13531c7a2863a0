/** Files between whole nodes over TCP on loopback, by the block protocol: several holders, and holders that leave, lie, stand in line or are slow. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createContent, type Content, type ContentComponents } from '../../../node/content/content.ts'
import { createMembers } from '../../../node/content/members.ts'
import { createLogger } from '../../../node/process/logger.ts'
import { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { createBlockClient } from '../../../protocols/blocks/client.ts'
import { createBlockServer, type BlockServerInit } from '../../../protocols/blocks/server.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { slowLine, type SlowLine } from '../../helpers/slow-line.ts'
import { connect, testNode, waitFor, type TestNode } from '../../helpers/test-network.ts'

const MIB = 1024 * 1024
const MAX_BYTES = 2 ** 30

interface TestFile {
  readonly cid: CID
  readonly bytes: number
  /** Tree nodes and leaves in the order in which they are imported */
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

async function fileOf(bytes: number, seed: number): Promise<TestFile> {
  const blocks = new Map<string, Uint8Array>()
  const chunk = (i: number): Uint8Array =>
    new Uint8Array(Math.min(MIB, bytes - i * MIB)).fill(seed).fill(i, 0, 4).fill(i, 100, 104)
  const source = Array.from({ length: Math.ceil(bytes / MIB) }, (_, i) => chunk(i))
  const { cid } = await importBytes(source, async (at, block) => {
    blocks.set(`${at}`, block)
  })
  return { cid, bytes, blocks }
}

interface Holder {
  readonly node: TestNode
  /** What it sent */
  readonly sent: string[]
  /** As a node that is closed does */
  leave(): Promise<void>
}

interface HolderOptions extends BlockServerInit {
  /** Instead of what it holds */
  instead?(block: Uint8Array, sent: readonly string[]): Uint8Array | undefined | Promise<Uint8Array | undefined>
}

async function holder(file: TestFile, { instead, ...init }: HolderOptions = {}): Promise<Holder> {
  const node = await testNode()
  const sent: string[] = []
  const read = async (cid: CID): Promise<Uint8Array | undefined> => {
    const held = file.blocks.get(`${cid}`)
    const block = held === undefined || instead === undefined ? held : await instead(held, sent)
    if (block !== undefined) sent.push(`${cid}`)
    return block
  }
  const server = createBlockServer({ libp2p: node.libp2p, read }, init)
  await server.start()
  const leave = async (): Promise<void> => {
    await server.stop()
    await node.stop()
  }
  onTestFinished(leave)
  return { node, sent, leave }
}

interface Reader {
  readonly node: TestNode
  readonly content: Content
  readonly faults: string[]
  /** Resolves when it may ask so many members. */
  knows(members: number): Promise<void>
}

function inMemory(): ContentComponents['local'] {
  const store = new MemoryBlockstore()
  const writing = () => ({
    put: async (...[cid, bytes]: Parameters<Content['put']>) => void (await store.put(cid, bytes)),
    release: () => {},
    [Symbol.dispose]: () => {}
  })
  return Object.assign(store, { barrier: async () => {}, writing })
}

async function reader(local = inMemory(), blockTimeoutMs = 20_000): Promise<Reader> {
  const node = await testNode()
  const { libp2p } = node
  const faults: string[] = []
  const blocks = createBlockClient({ libp2p }, { onFault: (peer, reason) => faults.push(`${reason} ${peer}`) })
  await blocks.start()
  onTestFinished(async () => await blocks.stop())
  const members = createMembers({ libp2p, blocks, logger: createLogger() }, { reachMs: 5000 })
  const network = { local, network: node.helia.blockstore, members, movedAt: node.movedAt }
  return {
    node,
    faults,
    content: createContent(network, { blockTimeoutMs, attempts: 1 }),
    knows: async count => await waitFor(libp2p, 'peer:update', () => blocks.peers().length === count)
  }
}

/** Connect over a line of so many bytes a second. */
async function dialOver(to: Reader, { node }: Holder, bytesPerSecond: number): Promise<SlowLine> {
  const [address] = node.libp2p.getMultiaddrs()
  const line = await slowLine(Number(address?.toString().split('/')[4]), bytesPerSecond)
  await to.node.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${line.port}/p2p/${node.libp2p.peerId}`))
  return line
}

async function meet(to: Reader, ...holders: readonly Holder[]): Promise<void> {
  for (const { node } of holders) await connect(to.node, node)
  await to.knows(holders.length)
}

const signal = AbortSignal.timeout(250_000)

/** The same but for one bit */
function wrong(block: Uint8Array): Uint8Array {
  return block.with(7, (block[7] ?? 0) ^ 1)
}

async function expectWhole({ content }: Reader, file: TestFile): Promise<void> {
  expect(await content.holds(file.cid)).toBe(true)
  expect((await content.read(file.cid, MAX_BYTES, { signal })).byteLength).toBe(file.bytes)
}

describe('a file from several members', () => {
  test('comes in parts, another from each', async () => {
    const file = await fileOf(32 * MIB, 1)
    const holders = [await holder(file), await holder(file), await holder(file), await holder(file)]
    const to = await reader()
    await meet(to, ...holders)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    for (const { sent } of holders) expect(sent.length).toBeGreaterThan(0)
    const sent = holders.flatMap(one => one.sent)
    // what a holder is slow with for the moment comes from another too, on a busy machine more often; everything from everybody would be 4
    expect(sent.length / file.blocks.size).toBeLessThan(1.5)
  })

  test.each(['is closed', 'is cut off'] as const)('goes on from the others when one %s in the middle', async how => {
    const file = await fileOf(12 * MIB, 2)
    const line = { cut: () => {} }
    const leaving: Holder = await holder(file, {
      instead: (block, sent) => {
        if (sent.length === 3) void (how === 'is closed' ? leaving.leave() : line.cut())
        return block
      }
    })
    const staying = await holder(file)
    const to = await reader()
    Object.assign(line, await dialOver(to, leaving, 2 ** 30))
    await meet(to, leaving, staying)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    expect(leaving.sent.length).toBeGreaterThan(0)
    expect(staying.sent.length).toBeGreaterThan(0)
    expect(to.faults).toEqual([])
  })

  test('is complete although one sends wrong leaves, which is blamed and not asked again', async () => {
    const file = await fileOf(12 * MIB, 3)
    const lying = await holder(file, {
      instead: (block, sent) => (sent.length < 2 || block.byteLength < MIB ? block : wrong(block))
    })
    const honest = await holder(file)
    const to = await reader()
    await meet(to, lying, honest)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    expect(to.faults).toEqual([`wrong-content ${lying.node.libp2p.peerId}`])
  })

  test('comes past a quota of requests, later', async () => {
    const file = await fileOf(6 * MIB, 4)
    const strict = await holder(file, { peerLimit: { perSecond: 2, burst: 1 } })
    const to = await reader()
    await meet(to, strict)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    expect(to.faults).toEqual([])
  })

  test('comes over 256 kbit/s, although one block takes many deadlines', async () => {
    const file = await fileOf(192 * 1024, 5)
    const far = await holder(file)
    const to = await reader(inMemory(), 500)
    await dialOver(to, far, 32_000)
    await to.knows(1)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    expect(new Set(far.sent).size).toBe(file.blocks.size)
    expect(far.sent.length).toBe(file.blocks.size)
  })

  test('fetches what it lacks, and nothing again, after a restart in the middle', async () => {
    const file = await fileOf(12 * MIB, 6)
    const path = await mkdtemp(join(tmpdir(), 'coopt-transfers-'))
    onTestFinished(async () => await rm(path, { recursive: true, force: true }))
    const half = Promise.withResolvers<void>()
    const first = await holder(file, {
      instead: (block, sent) => {
        if (sent.length < 6) return block
        half.resolve()
        return undefined
      }
    })
    const before = await DurableBlockstore.open({ path })
    const interrupted = new AbortController()
    const stopped = await reader(before)
    await meet(stopped, first)
    const fetching = stopped.content.fetch(file.cid, MAX_BYTES, { signal: interrupted.signal })
    await half.promise
    interrupted.abort(new Error('the node stops'))
    await expect(fetching).rejects.toThrow('the node stops')
    await stopped.node.stop()
    await before.close()

    const store = await DurableBlockstore.open({ path })
    const here = new Set<string>()
    for (const cid of file.blocks.keys()) if (await store.has(CID.parse(cid))) here.add(cid)
    expect(here.size).toBeGreaterThan(0)
    const to = await reader(store)
    const second = await holder(file)
    await meet(to, second)
    await to.content.fetch(file.cid, MAX_BYTES, { signal })
    await expectWhole(to, file)
    expect(second.sent.filter(cid => here.has(cid))).toEqual([])
    expect(second.sent.length).toBe(file.blocks.size - here.size)
  })
})
