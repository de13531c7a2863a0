/** A stock Kubo daemon and ours, over TCP on loopback: each fetches from the other, and both come to the same CIDs. */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { ADD_SETTINGS, kubo, startKubo, type KuboDaemon } from '../helpers/kubo-daemon.ts'
import {
  bundledPrior,
  closeShared,
  IMAGES,
  PARTITIONS,
  pictures,
  shared,
  startNode,
  temporaryFolder,
  type TestNode
} from '../helpers/test-node.ts'

const MIB = 1024 * 1024

/** Each command of Kubo wants up to 32 blocks at once: together these want 96, each file has more than it wants at once. */
const FILES = 3
const FILE_BYTES = 40 * MIB + 4321

const shard = (i: number): string => `train-${`${i}`.padStart(5, '0')}-of-${`${PARTITIONS}`.padStart(5, '0')}.parquet`

describe.skipIf(kubo === undefined)('a stock Kubo daemon', () => {
  let publisher: TestNode
  let merged: string
  let manifest: string
  /** The merged directory as `merge --out` writes it */
  let copy: string

  beforeAll(async () => {
    await shared(async () => {
      publisher = await startNode()
      const participant = await startNode()
      const published = await publisher.publish(await pictures())
      manifest = published.manifest
      await participant.join(published.invite, bundledPrior('superclass2'))
      copy = join(await temporaryFolder(), 'dataset')
      const report = await publisher.node.merge(published.invite, { out: copy })
      if (report.provisional || report.rows !== IMAGES) throw new Error('the dataset is not complete')
      merged = report.mergedCid
    })
  })
  afterAll(closeShared)

  test('connects by multiaddr and gets a partition, a shard and the merged directory, all bytes equal', async () => {
    const daemon = await startKubo()
    await connect(daemon, publisher)
    const out = await temporaryFolder()

    const [partition] = publisher.membership(manifest).swarm.manifest.partitions
    if (partition === undefined) throw new Error('there is no partition')
    await daemon.ipfs('get', `${partition.cid}`, '--output', join(out, 'partition'))
    const own = await publisher.runtime.content.read(partition.cid, partition.bytes, { signal: soon() })
    expect(await bytesOf(join(out, 'partition'))).toEqual(Buffer.from(own))

    await daemon.ipfs('get', `${merged}/data/${shard(0)}`, '--output', join(out, 'shard'))
    expect(await bytesOf(join(out, 'shard'))).toEqual(await bytesOf(join(copy, 'data', shard(0))))

    await daemon.ipfs('get', merged, '--output', join(out, 'all'))
    const [theirs, ours] = [await filesOf(join(out, 'all')), await filesOf(copy)]
    expect([...theirs.keys()]).toEqual([...ours.keys()])
    expect([...ours.keys()]).toEqual(expect.arrayContaining([join('evidence', 'shared.parquet'), 'records.car']))
    for (const [name, bytes] of ours) expect(theirs.get(name)?.equals(bytes), name).toBe(true)
  })

  test('gives a written copy the same CIDs with the documented settings, the directory included', async () => {
    const daemon = await startKubo()
    const added = await daemon.ipfs('add', '--recursive', '--quiet', '--pin=false', ...ADD_SETTINGS, copy)
    expect(added.split('\n').at(-1)).toBe(merged)
  })

  test('misses no block of several large files that it fetches at once', async () => {
    const daemon = await startKubo()
    await connect(daemon, publisher)
    const files = []
    for (let i = 0; i < FILES; i++) {
      const bytes = new Uint8Array(randomBytes(FILE_BYTES))
      files.push({ bytes, cid: (await importBytes([bytes], publisher.runtime.content.put)).cid })
    }
    const [{ cid, bytes }] = files as [(typeof files)[0], ...typeof files]
    await Promise.all(files.map(async file => await daemon.ipfs('pin', 'add', '--recursive', `${file.cid}`)))
    const out = join(await temporaryFolder(), 'large')
    await daemon.ipfs('get', `${cid}`, '--output', out)
    expect((await bytesOf(out)).equals(bytes)).toBe(true)
  })

  test('is a source for our node of content that only it has', async () => {
    const daemon = await startKubo()
    const bytes = randomBytes(70 * MIB + 17)
    const path = join(await temporaryFolder(), 'only-there')
    await writeFile(path, bytes)
    const cid = CID.parse(await daemon.ipfs('add', '--quieter', ...ADD_SETTINGS, path))
    const node = await startNode()
    expect(await node.runtime.content.has(cid)).toBe(false)
    await connect(daemon, node)
    const got = await node.runtime.content.read(cid, bytes.byteLength, { signal: soon() })
    expect(Buffer.from(got).equals(bytes)).toBe(true)
    expect(await node.runtime.content.holds(cid)).toBe(true)
  })

  test('serves the merged dataset from its own gateway', async () => {
    const daemon = await startKubo()
    await connect(daemon, publisher)
    const response = await fetch(`${daemon.gateway}/ipfs/${merged}/data/${shard(1)}`, {
      headers: { range: 'bytes=0-3' }
    })
    expect(response.status).toBe(206)
    expect(await response.text()).toBe('PAR1')
    const card = await fetch(`${daemon.gateway}/ipfs/${merged}/README.md`)
    expect(Buffer.from(await card.arrayBuffer())).toEqual(await bytesOf(join(copy, 'README.md')))
  })

  test('resolves the name of a merged dataset from its signed record', async () => {
    const daemon = await startKubo({ config: { 'Routing.Type': 'dhtserver' } })
    for (const sequence of [0, 1]) {
      const { ipns } = await publisher.node.merge(manifest, { name: 'interop' })
      if (ipns === undefined) throw new Error('there is no name')
      expect(ipns.sequence).toBe(sequence)
      await daemon.ipfs('name', 'put', '--allow-offline', `/ipns/${ipns.name}`, ipns.record)
      expect(await daemon.ipfs('name', 'resolve', '--nocache', `/ipns/${ipns.name}`)).toBe(`/ipfs/${merged}`)
    }
  })

  test('meets our node behind a pre-shared key, and nobody does without it', async () => {
    const key = `/key/swarm/psk/1.0.0/\n/base16/\n${randomBytes(32).toString('hex')}\n`
    const swarmKey = join(await temporaryFolder(), 'swarm.key')
    await writeFile(swarmKey, key)
    const [inside, outside, member] = [
      await startKubo({ swarmKey: key }),
      await startKubo(),
      await startNode({ network: { swarmKey } })
    ]
    const bytes = randomBytes(3 * MIB)
    const { cid } = await importBytes([new Uint8Array(bytes)], member.runtime.content.put)

    await connect(inside, member)
    const out = join(await temporaryFolder(), 'file')
    await inside.ipfs('get', `${cid}`, '--output', out)
    expect((await bytesOf(out)).equals(bytes)).toBe(true)

    await expect(connect(outside, member)).rejects.toThrow(/failure|failed|error/i)
    await expect(connect(inside, publisher)).rejects.toThrow(/failure|failed|error/i)
    expect(member.network.libp2p.getPeers().map(String)).toEqual([inside.peer])
  })
})

// --- internal ---

function soon(): AbortSignal {
  return AbortSignal.timeout(120_000)
}

async function connect(daemon: KuboDaemon, node: TestNode): Promise<void> {
  const [address] = node.node.addresses()
  if (address === undefined) throw new Error('the node has no address')
  await daemon.ipfs('swarm', 'connect', address)
}

async function bytesOf(path: string): Promise<Buffer> {
  return await readFile(path)
}

/** By path, in order. */
async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
  return new Map(await Promise.all(names.map(async name => [name, await bytesOf(join(folder, name))] as const)))
}
