import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { expect, onTestFinished, test, vi } from 'vitest'
import { walkDag } from '../../../node/content/dag/walk.ts'
import { parseCid } from '../../../src/codec.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { bundledPrior, openNode, PARTITIONS, pictures, startNode, type TestNode } from '../../helpers/test-node.ts'

const MIB = 1024 * 1024

/** Something that no swarm and no pin needs. */
async function litter({ runtime }: TestNode, bytes = 3 * MIB): Promise<CID> {
  return (await importBytes([new Uint8Array(randomBytes(bytes))], runtime.content.put)).cid
}

/** All blocks below a CID that are in the store. */
async function held({ runtime: { content } }: TestNode, root: CID): Promise<number> {
  let blocks = 0
  const get = async (cid: CID): Promise<Uint8Array> => {
    const block = await content.peek(cid)
    if (block === undefined) throw new Error(`${cid} is missing`)
    return block
  }
  for await (const _ of walkDag(root, get, new Set())) blocks++
  return blocks
}

test('gc frees what nobody needs, and the dataset, its proofs and pins stay whole', async () => {
  const publisher = await startNode({ replicate: 'always' })
  const participant = await startNode()
  const { invite } = await publisher.publish(await pictures())
  const joined = await participant.join(invite, bundledPrior('superclass2'))
  const root = parseCid(joined.mergedCid ?? '')
  const { home } = participant
  const pinned = await litter(participant)
  await participant.node.pin(`${pinned}`, {})

  // of this very process: what nobody needs goes, what a writing holds stays
  const early = await litter(participant)
  using writing = participant.runtime.content.writing()
  const wasted = (await importBytes([new Uint8Array(randomBytes(3 * MIB))], writing.put)).cid
  expect(await participant.node.gc({ dryRun: false })).toMatchObject({ blocks: expect.any(Number) as number })
  expect(await participant.runtime.content.peek(early)).toBeUndefined()
  expect(await held(participant, wasted)).toBe(4)
  expect(await held(participant, root)).toBeGreaterThan(4)
  await participant.runtime.content.barrier()
  await participant.node.close()

  const again = await openNode(home, { network: false })
  const blocks = await held(again, root)
  const before = again.runtime.store.bytes
  const tried = await again.node.gc({ dryRun: true })
  expect(tried).toMatchObject({ dryRun: true, blocks: 4, left: before - tried.bytes })
  expect(tried.bytes).toBeGreaterThanOrEqual(3 * MIB)
  expect(await held(again, wasted)).toBe(4)

  expect(await again.node.gc({ dryRun: false })).toEqual({ ...tried, dryRun: false })
  expect(again.runtime.store.bytes).toBe(before - tried.bytes)
  expect(await again.runtime.content.peek(wasted)).toBeUndefined()
  expect(await held(again, pinned)).toBe(4)
  expect(await held(again, root)).toBe(blocks)
  expect((await again.node.verify(`${root}`)).checks.filter(check => !check.ok)).toEqual([])
  expect(await again.node.gc({ dryRun: false })).toMatchObject({ blocks: 0, bytes: 0 })

  expect(await again.node.unpin(`${pinned}`)).toBe(true)
  expect(await again.node.unpin(`${pinned}`)).toBe(false)
  expect((await again.node.gc({ dryRun: true })).blocks).toBe(4)
})

test('a node that closes closes its store, after everything that writes to it', async () => {
  const node = await startNode()
  const closed: string[] = []
  const { store, network } = node.runtime
  vi.spyOn(store, 'close').mockImplementation(async () => void closed.push('store'))
  const { helia } = network ?? {}
  if (helia === undefined) throw new Error('the node has no network')
  const stop = helia.stop.bind(helia)
  vi.spyOn(helia, 'stop').mockImplementation(async () => {
    closed.push('network')
    return await stop()
  })
  await node.node.close()
  expect(closed).toEqual(['network', 'store'])
})

test('gc over and over while a dataset is published, aligned and merged takes nothing of it', async () => {
  const publisher = await startNode()
  const old = await litter(publisher)
  await publisher.runtime.content.barrier()
  await publisher.node.close()
  const node = await openNode(publisher.home)
  const done = new AbortController()
  let rounds = 0
  let freed = 0
  const collecting = (async () => {
    while (!done.signal.aborted) {
      freed += (await node.node.gc({ dryRun: false })).blocks
      rounds++
    }
  })()
  const work = (async () => {
    const { invite, manifest } = await node.publish(await pictures())
    return { manifest, mergedCid: (await node.join(invite, bundledPrior('superclass2'))).mergedCid ?? '' }
  })()
  const made = await Promise.allSettled([work])
  done.abort()
  await collecting
  const [outcome] = made
  if (outcome.status === 'rejected') throw outcome.reason
  const { manifest, mergedCid } = outcome.value

  expect(rounds).toBeGreaterThan(2)
  expect(freed).toBeGreaterThanOrEqual(4) // what was there before; of what was made meanwhile only directories of earlier views
  expect(await node.runtime.content.peek(old)).toBeUndefined()
  const { swarm } = node.membership(manifest)
  for (const { cid } of swarm.manifest.partitions) expect(await node.runtime.content.holds(cid)).toBe(true)
  await held(node, parseCid(mergedCid))
  expect((await node.node.verify(mergedCid)).ok).toBe(true)
})

test('status tells by how many others each shard is held, and provide makes it findable', async () => {
  const publisher = await startNode({ replicate: 'always' })
  const participant = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures())
  const { mergedCid = '' } = await participant.join(invite, bundledPrior('superclass2'))
  const [swarm] = (await publisher.node.status(invite)).swarms
  expect(swarm?.shards?.map(({ partition, here, holders }) => ({ partition, here, holders }))).toEqual(
    Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, here: true, holders: 1 }))
  )
  await publisher.node.merge(manifest, {})
  expect(await publisher.node.provide(mergedCid)).toEqual({ cid: mergedCid, peers: 1 })
  const provider = peerIdFromString(publisher.peer).toCID().toString()
  const found: string[] = []
  for await (const { id } of participant.network.helia.routing.findProviders(CID.parse(mergedCid))) {
    found.push(id.toString())
    if (found.includes(provider)) break
  }
  expect(found).toContain(provider)
  await expect(publisher.node.provide('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')).rejects.toThrow(
    'is not in this home'
  )
  // seen once, and remembered after it left
  await participant.node.close()
  const [left] = (await publisher.node.status(invite)).swarms
  expect(left?.shards?.every(shard => shard.holders === 1)).toBe(true)
})

/** The service's side of the IPFS Pinning Service API: fetches through a node of its own before it says that it has pinned. */
async function pinningService(node: TestNode, options: { token: string; fail?: string; busy?: number }) {
  const pins = new Map<string, { cid: string; status: string; details?: string }>()
  const requests: string[] = []
  let busy = options.busy ?? 0
  const answer = (response: ServerResponse, code: number, body: unknown): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  const status = (requestid: string) => {
    const { cid, status: state, details } = pins.get(requestid) ?? { cid: '', status: 'failed' }
    return {
      requestid,
      status: state,
      created: '2026-01-01T00:00:00Z',
      pin: { cid },
      delegates: node.node.addresses(),
      ...(details === undefined ? {} : { info: { status_details: details } })
    }
  }
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(`${request.method} ${request.url}`)
    if (request.headers.authorization !== `Bearer ${options.token}`)
      return answer(response, 401, { error: { reason: 'UNAUTHORIZED', details: 'unknown token' } })
    if (busy-- > 0) return answer(response, 503, { error: { reason: 'BUSY' } })
    if (request.method === 'GET')
      return answer(response, 200, status(decodeURIComponent(request.url?.split('/').at(-1) ?? '')))
    const chunks: Uint8Array[] = []
    for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk)
    const { cid, origins } = JSON.parse(Buffer.concat(chunks).toString()) as { cid: string; origins: string[] }
    const id = `request ${pins.size}`
    const pin: { cid: string; status: string; details?: string } = { cid, status: 'queued' }
    pins.set(id, pin)
    answer(response, 202, status(id))
    if (options.fail !== undefined) Object.assign(pin, { status: 'failed', details: options.fail })
    else {
      pin.status = 'pinning'
      await node.network.libp2p.dial(origins.map(text => multiaddr(text)))
      await node.node.pin(cid, {})
      pin.status = 'pinned'
    }
  }
  const server = createServer((request, response) => void take(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/psa/`, requests }
}

test('pin waits until a remote service has fetched everything', async () => {
  const [node, far] = await Promise.all([startNode(), startNode()])
  const cid = await litter(node)
  const service = await pinningService(far, { token: 'secret-1', busy: 1 })
  const events: string[] = []
  const report = await node.node.pin(
    `${cid}`,
    { service: { url: service.url, token: 'secret-1' } },
    { onEvent: event => event.type === 'pinning' && events.push(event.status) }
  )
  expect(report).toEqual({
    cid: `${cid}`,
    blocks: 4,
    bytes: expect.any(Number) as number,
    service: { url: service.url, request: 'request 0', status: 'pinned' }
  })
  expect(await held(far, cid)).toBe(4)
  expect(events.at(-1)).toBe('pinned')
  expect(service.requests.slice(0, 2)).toEqual(['POST /psa/pins', 'POST /psa/pins']) // it was busy at first
  expect(service.requests.at(-1)).toBe('GET /psa/pins/request%200')
})

test('pin says why a service did not pin, and never shows the token', async () => {
  const [node, far] = await Promise.all([startNode(), startNode()])
  const cid = await litter(node, 1000)
  const failing = await pinningService(far, { token: 'secret-2', fail: 'no space' })
  const pin = async (url: string, token: string) => await node.node.pin(`${cid}`, { service: { url, token } })
  await expect(pin(failing.url, 'secret-2')).rejects.toMatchObject({
    name: 'ContentUnavailableError',
    message: expect.stringMatching(/failed to pin .* \(no space\)/) as string
  })
  const refused = await pin(failing.url, 'secret-3').catch((error: unknown) => error)
  expect(refused).toMatchObject({
    name: 'InvalidInputError',
    message: expect.stringContaining('UNAUTHORIZED') as string
  })
  expect(String(refused)).not.toContain('secret-3')
  await expect(pin('http://pins.example.org', 'x')).rejects.toMatchObject({ name: 'InvalidInputError' })
  await expect(pin('https://user:pass@pins.example.org', 'x')).rejects.toThrow('--token-env')
})
