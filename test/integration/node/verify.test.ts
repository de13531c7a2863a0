import * as dagPb from '@ipld/dag-pb'
import { CarBufferWriter, CarReader } from '@ipld/car'
import { CID } from 'multiformats/cid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerifyReport } from '../../../node/api/reports.ts'
import { fileRanges } from '../../../node/content/file-ranges.ts'
import type { Assessment } from '../../../src/align/gate.ts'
import { pbCid } from '../../../src/codec.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { mergeDataset } from '../../../src/merge/dataset.ts'
import { createRecordSet } from '../../../src/merge/record-set.ts'
import { assessmentKey, viewOf, type Choice, type Evidence } from '../../../src/merge/views.ts'
import { sealRecord, type SignedRecord } from '../../../src/publish/record.ts'
import { shardFile, type Shard } from '../../../src/publish/shard.ts'
import { readTargets, type ShardRows } from '../../../src/publish/shard-rows.ts'
import { bundledPrior, closeShared, dial, pictures, shared, startNode, type TestNode } from '../../helpers/test-node.ts'

/** One finished swarm, worked on by its publisher. Every test verifies another directory that could be made of it. */
let node: TestNode
let manifest: string
let root: CID
const signal = new AbortController().signal

beforeAll(async () => {
  node = await shared(async () => await startNode({ timing: { handoffMs: 1 } }))
  const published = await node.publish(await shared(pictures))
  manifest = published.manifest
  root = CID.parse((await node.join(published.invite, bundledPrior('superclass2'))).mergedCid as string)
})
afterAll(closeShared)

const verify = async (cid: CID): Promise<VerifyReport> => await node.node.verify(cid.toString())

const failed = (report: VerifyReport): Record<string, string> =>
  Object.fromEntries(report.checks.flatMap(({ name, ok, detail }) => (ok ? [] : [[name, detail]])))

/** The directory with other links at some paths. */
async function withLinks(changes: Record<string, CID>): Promise<CID> {
  const { content } = node.runtime
  const change = async (cid: CID, prefix: string): Promise<CID> => {
    const { Data, Links } = dagPb.decode(await content.block(cid, { signal }))
    const links = []
    for (const link of Links) {
      const path = `${prefix}${link.Name}`
      const inside = ['data', 'evidence'].includes(path)
      links.push({ ...link, Hash: changes[path] ?? (inside ? await change(link.Hash, `${path}/`) : link.Hash) })
    }
    const bytes = dagPb.encode({ ...(Data === undefined ? {} : { Data }), Links: links })
    await content.put(pbCid(bytes), bytes)
    return pbCid(bytes)
  }
  return await change(root, '')
}

async function linkAt(path: string): Promise<CID> {
  let cid = root
  for (const name of path.split('/')) {
    const { Links } = dagPb.decode(await node.runtime.content.block(cid, { signal }))
    cid = Links.find(link => link.Name === name)?.Hash as CID
  }
  return cid
}

async function fileAt(path: string): Promise<Uint8Array> {
  return await node.runtime.content.read(await linkAt(path), 10_000_000, { signal })
}

const put = async (bytes: Uint8Array): Promise<CID> => (await importBytes([bytes], node.runtime.content.put)).cid

/** records.car with some blocks left out or changed. */
async function carWith(change: (bytes: Uint8Array, index: number) => Uint8Array | undefined): Promise<CID> {
  const reader = await CarReader.fromBytes(await fileAt('records.car'))
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(10_000_000), { roots: await reader.getRoots() })
  let index = 0
  for await (const { cid, bytes } of reader.blocks()) {
    const changed = change(bytes, index++)
    if (changed !== undefined) writer.write({ cid, bytes: changed })
  }
  return await put(writer.close({ resize: true }))
}

/** Merge the swarm's records with some replaced, as a node that believes `evidence` would. */
async function mergeOf(records: readonly SignedRecord[], evidence?: Evidence): Promise<CID> {
  const { swarm, state } = node.membership(manifest)
  const set = createRecordSet(records)
  const believed = evidence ?? state.evidence
  const view = viewOf(swarm.manifest, set, believed, state.view().election)
  expect(view.complete, 'the forged records make a complete dataset').toBe(true)
  const merged = await mergeDataset(swarm, set, believed, view)
  for (const { cid, bytes } of merged.blocks) await node.runtime.content.put(cid, bytes)
  expect(merged.root.equals(root)).toBe(false)
  return merged.root
}

/** The swarm merged with another shard for partition 0, signed by its author. */
async function withShard(make: (honest: ShardRows) => Promise<Shard>): Promise<CID> {
  const { state } = node.membership(manifest)
  const choice = state.view().chosen.get(0) as Choice
  const { body } = choice.alignment
  const { content, identity } = node.runtime
  const tree = await content.leaves(body.shard, body.bytes, { signal })
  const columns = state.swarm.manifest.dimension
  const file = fileRanges(tree, async cid => await content.block(cid, { signal }))
  const parts = []
  for await (const part of readTargets(file, columns)) parts.push(part)
  expect(parts).toHaveLength(1)
  const shard = await make(parts[0] as ShardRows)
  const { cid, bytes, dagBytes } = shard
  const forged = await sealRecord({ ...body, shard: cid, bytes, dagBytes }, identity.sign)
  return await mergeOf([...state.set.records().filter(r => r.key !== choice.alignment.key), forged])
}

async function shardOf(partition: number, targets: Matrix32, weights?: Float32Array): Promise<Shard> {
  const { content } = node.runtime
  const source = node.membership(manifest).swarm.manifest.partitions[partition]
  if (source === undefined) throw new Error(`no partition ${partition}`)
  const file = await content.leaves(source.cid, source.bytes, { signal })
  const ranges = fileRanges(file, async cid => await content.block(cid, { signal }))
  return await shardFile({
    source: ranges,
    leaves: file.leaves,
    columns: { targets, ...(weights && { weights }) },
    metadata: {},
    put: content.put
  })
}

test('an honest directory passes every check, and its targets are computed again', async () => {
  const report = await verify(root)
  expect(failed(report)).toEqual({})
  expect(report.ok).toBe(true)
  expect(report.checks.map(c => c.name)).toEqual([
    'directory',
    'manifest',
    'records',
    'uniform values and gate',
    'election',
    'alignment figures',
    'shards',
    'targets',
    'merged directory'
  ])
  expect(report.checks.find(c => c.name === 'targets')?.detail).toMatch(
    /^4 of 4 .*320 rows.* weights of 4 .* images of 4 .* of 4 /
  )
})

test('what is not in the store is not fetched, and the report says so', async () => {
  const other = await startNode()
  await dial(other, node)
  const report = await other.node.verify(root.toString())
  expect(failed(report)).toEqual({})
  expect(report.checks.find(c => c.name === 'targets')?.detail).toMatch(/^0 of 4 shards are in this store/)
  const shard = await linkAt('data/train-00000-of-00004.parquet')
  expect(await other.runtime.content.has(shard)).toBe(false)
})

test('a shard exchanged in the directory fails "shards"', async () => {
  const forged = await withLinks({
    'data/train-00000-of-00004.parquet': await linkAt('data/train-00001-of-00004.parquet')
  })
  const report = failed(await verify(forged))
  expect(Object.keys(report)).toEqual(['shards', 'merged directory'])
  expect(report['shards']).toContain('data/train-00000-of-00004.parquet')
})

test('a record that is left out, changed or not one of the swarm fails by name', async () => {
  const alignment = node.membership(manifest).state.view().chosen.get(2)?.alignment.bytes as Uint8Array
  const isIt = (bytes: Uint8Array): boolean => Buffer.compare(bytes, alignment) === 0
  const without = await withLinks({ 'records.car': await carWith(bytes => (isIt(bytes) ? undefined : bytes)) })
  expect(Object.keys(failed(await verify(without)))).toEqual(['shards', 'merged directory'])

  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((b, i) => (i === bytes.byteLength - 3 ? b ^ 1 : b))
  const changed = await withLinks({ 'records.car': await carWith(bytes => (isIt(bytes) ? flip(bytes) : bytes)) })
  expect(Object.keys(failed(await verify(changed)))).toEqual(['records'])

  const cut = await fileAt('records.car')
  for (const bytes of [cut.subarray(0, cut.byteLength - 5), Uint8Array.of(1, 2, 3), new Uint8Array(0)]) {
    const report = await verify(await withLinks({ 'records.car': await put(bytes) }))
    expect(Object.keys(failed(report)), `${bytes.byteLength} bytes`).toEqual(['records'])
  }
})

test('a manifest that is not the one signed fails "manifest"', async () => {
  const bytes = await fileAt('manifest.cbor')
  const forged = bytes.map((b, i) => (i === bytes.byteLength - 10 ? b ^ 1 : b))
  expect(Object.keys(failed(await verify(await withLinks({ 'manifest.cbor': await put(forged) }))))).toEqual([
    'manifest'
  ])
})

test('a uniform value that its targets do not have fails "uniform values and gate", though its author signed it', async () => {
  const { state } = node.membership(manifest)
  const { sign } = node.runtime.identity
  const [score] = state.set.byType('score')
  if (score === undefined) throw new Error('no score')
  const uniformValue = score.body.uniformValue - 0.25
  const forged = await sealRecord({ ...score.body, uniformValue }, sign)
  const records: SignedRecord[] = [forged]
  for (const result of state.set.byType('result')) {
    const again = await sealRecord({ ...result.body, score: forged.id }, sign)
    records.push(again)
    for (const { body } of state.set.byType('alignment').filter(a => a.body.result.equals(result.id)))
      records.push(await sealRecord({ ...body, result: again.id }, sign))
  }
  const key = assessmentKey(score.body)
  const honest = state.evidence.assessments.get(key) as Assessment
  const believed = { ...state.evidence, assessments: new Map([[key, { ...honest, uniformValue }]]) }
  const report = failed(await verify(await mergeOf(records, believed)))
  expect(Object.keys(report)).toEqual(['uniform values and gate'])
  expect(report['uniform values and gate']).toContain('claims the uniform value')
})

test('another reference than the elected one fails "election"', async () => {
  const forged = await withLinks({ 'evidence/reference.f32': await linkAt('evidence/reference-features.f32') })
  expect(Object.keys(failed(await verify(forged)))).toEqual(['election'])
})

test('targets of garbage fail "targets", and so does a single row of them', async () => {
  const garbage = await withShard(async ({ targets }) => {
    const data = targets.data.map((_, i) => Math.sin(i * 12.9898) * 3)
    return await shardOf(0, { ...targets, data })
  })
  const report = failed(await verify(garbage))
  expect(Object.keys(report)).toEqual(['targets'])
  expect(report['targets']).toMatch(/data\/train-00000-of-00004\.parquet .*row \d+ is not what the raw targets give/)

  const oneRow = await withShard(async ({ targets }) => {
    const data = targets.data.slice()
    const at = 41 * targets.columns
    data[at] = (data[at] as number) * 1.5 + 1
    return await shardOf(0, { ...targets, data })
  })
  expect(failed(await verify(oneRow))['targets']).toMatch(/row 41 is not what/)

  const gap = await withShard(async ({ targets }) => {
    const data = targets.data.slice()
    new Uint32Array(data.buffer).fill(0x7fc00000, 7 * targets.columns, 8 * targets.columns)
    return await shardOf(0, { ...targets, data })
  })
  expect(failed(await verify(gap))['targets']).toMatch(/79 rows have a target, the result says 80/)
})

test('a weight that its target does not give fails "targets"; a shard without weights passes', async () => {
  const forged = await withShard(async honest => {
    const weights = (honest.weights as Float32Array).slice()
    weights[41] = (weights[41] as number) === 1 ? 0.5 : 1
    return await shardOf(0, honest.targets, weights)
  })
  const report = failed(await verify(forged))
  expect(Object.keys(report)).toEqual(['targets'])
  expect(report['targets']).toMatch(/data\/train-00000-of-00004\.parquet .*the weight of row 41 is /)

  const older = await verify(await withShard(async ({ targets }) => await shardOf(0, targets)))
  expect(failed(older)).toEqual({})
  expect(older.checks.find(c => c.name === 'targets')?.detail).toMatch(/^4 of 4 .* weights of 3 /)
})

test('images of another partition fail "targets"', async () => {
  const exchanged = await withShard(async ({ targets }) => await shardOf(1, targets))
  const report = failed(await verify(exchanged))
  expect(Object.keys(report)).toEqual(['targets'])
  expect(report['targets']).toMatch(/images is not that of partition 0/)
})
