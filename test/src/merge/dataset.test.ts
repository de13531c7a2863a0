import { CarReader } from '@ipld/car'
import * as dagPb from '@ipld/dag-pb'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter, type UnixFSDirectory, type UnixFSEntry } from 'ipfs-unixfs-exporter'
import type { CID } from 'multiformats/cid'
import { beforeAll, describe, expect, test } from 'vitest'
import { elect } from '../../../src/align/election.ts'
import { rawCid } from '../../../src/codec.ts'
import { openManifest, type Swarm } from '../../../src/distribute/manifest.ts'
import { importBytes, type ContentFile } from '../../../src/distribute/unixfs-import.ts'
import { mergeDataset, type MergedDataset } from '../../../src/merge/dataset.ts'
import { createRecordSet, type RecordSet } from '../../../src/merge/record-set.ts'
import {
  isScore,
  assessmentKey,
  candidatesOf,
  qualityKey,
  viewOf,
  type Evidence,
  type SwarmView
} from '../../../src/merge/views.ts'
import { openRecord, type Score, type SignedRecord } from '../../../src/publish/record.ts'
import { createRandomStream, shuffle } from '../../../src/random.ts'
import { collect } from '../../helpers/collect.ts'
import {
  makeAlignment,
  makeResult,
  makeScore,
  makeSwarm,
  testCid,
  testPeer,
  verify
} from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

const store = new MemoryBlockstore()
const put = async (cid: CID, block: Uint8Array): Promise<void> => {
  await store.put(cid, block)
}
/** A stored file of `length` bytes that no other name has. */
const file = async (name: string, length: number): Promise<ContentFile> =>
  await importBytes(
    [
      Uint8Array.from(
        { length },
        (_, i) => (i * 31 + (i >> 8) + name.length * 17 + name.charCodeAt(name.length - 1)) & 255
      )
    ],
    put
  )

/** 128 x 4,096 float32 are 2 MiB: matrices of more than one block, whose tree is larger than they are. */
const DIMENSION = 4096
const SHARED_ROWS = 128

let swarm: Swarm
let scores: SignedRecord<Score>[]
let records: SignedRecord[]
let evidence: Evidence
beforeAll(async () => {
  const partitions = []
  for (let p = 0; p < 4; p++) partitions.push({ ...(await file(`partition ${p}`, 20_000)), rows: 10 })
  swarm = await makeSwarm({
    dimension: DIMENSION,
    partitions,
    shared: { ...(await file('shared', 1_500_000)), rows: SHARED_ROWS },
    referenceFeatures: { ...(await file('features', SHARED_ROWS * 8 * 4)), dimension: 8, source: 'made for a test' },
    license: 'CC0-1.0'
  })
  scores = []
  for (let i = 0; i < 3; i++) {
    const { cid } = await file(`targets ${i}`, SHARED_ROWS * DIMENSION * 4)
    scores.push(await makeScore(swarm, testPeer(i), 0, { targets: cid, uniformValue: -3 + i }))
  }
  const [best] = scores as [SignedRecord<Score>]
  records = [...scores]
  for (let p = 0; p < 4; p++) {
    for (const [i, score] of scores.entries()) {
      const result = await makeResult(swarm, testPeer(i), 1 + 2 * p, score, p)
      const { cid: shard, bytes, dagBytes } = await file(`shard ${p} ${i}`, 1_040_000 + 1000 * p)
      const sizes = { shard, bytes, dagBytes, looR2: 0.5, looCosine: 0.75 }
      records.push(result, await makeAlignment(swarm, testPeer(i), 2 + 2 * p, result, best.body.targets, sizes))
    }
  }
  evidence = {
    assessments: new Map(
      scores.map(({ body }) => [
        assessmentKey(body),
        { ...testAssessment(body.targets), uniformValue: body.uniformValue, admissible: true, refusals: [] }
      ])
    ),
    qualities: new Map(
      scores.map(({ body: { targets } }) => [
        qualityKey(targets, best.body.targets),
        { looR2: 0.5, looCosine: 0.75, looZ: 30 }
      ])
    )
  }
})

const viewOfSet = (set: RecordSet): SwarmView =>
  viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
const merge = async (list: Iterable<SignedRecord>): Promise<MergedDataset> => {
  const set = createRecordSet(list)
  return await mergeDataset(swarm, set, evidence, viewOfSet(set))
}
const keep = async (merged: MergedDataset): Promise<void> => {
  for (const { cid, bytes } of merged.blocks) await put(cid, bytes)
}
const block = async (cid: CID): Promise<Uint8Array> => Buffer.concat(await collect(store.get(cid)))

async function list(path: string | CID): Promise<{ name: string; cid: CID }[]> {
  const entry = await exporter(path, store)
  expect(entry.type).toBe('directory')
  return (await collect((entry as UnixFSDirectory).entries())).map(({ name, cid }) => ({ name, cid }))
}
async function read(entry: UnixFSEntry): Promise<Uint8Array> {
  if (entry.type !== 'file' && entry.type !== 'raw') throw new Error(`${entry.path} is a ${entry.type}`)
  return Buffer.concat(await collect(entry.content()))
}

/** Bytes of all blocks of a DAG, counted by walking it, as a Tsize should say. */
async function walk(cid: CID): Promise<number> {
  const bytes = await block(cid)
  if (cid.code !== dagPb.code) return bytes.byteLength
  let total = bytes.byteLength
  for (const link of dagPb.decode(bytes).Links) {
    const size = await walk(link.Hash)
    expect(link.Tsize, `Tsize of ${link.Name ?? ''}`).toBe(size)
    total += size
  }
  return total
}

describe('the merged dataset', () => {
  test('has one CID for 1,000 orders of arrival', async () => {
    const stream = createRandomStream('orders of arrival')
    const roots = new Set<string>()
    for (let i = 0; i < 1000; i++) {
      const order = shuffle(records.length, stream)
      roots.add((await merge(Array.from(order, at => records[at] as SignedRecord))).root.toString())
    }
    expect(roots.size).toBe(1)
  })

  test('links targets once, however many records cite them', async () => {
    const cited = records.find(isScore)
    if (cited === undefined) throw new Error('no score')
    const { targets, uniformValue, prior } = cited.body
    const again = await makeScore(swarm, testPeer('somebody else'), 0, { targets, uniformValue, prior })
    const merged = await merge([...records, again])
    await keep(merged)
    const names = (await list(`${merged.root}/evidence`)).map(({ name }) => name)
    expect(names.filter(name => name.includes(targets.toString()))).toEqual([`targets-${targets}.f32`])
    expect(new Set(names).size).toBe(names.length)
  })

  test('keeps the CID that it had when this test was written', async () => {
    // a known answer: another value means that peers of two versions merge to different datasets
    expect((await merge(records)).root.toString()).toBe('bafybeicpos44n5c4675vawj2whkha5ojnj4e3nmiprqnv7sx5x7kg55smy')
  })

  test('has another CID as soon as one record counts for something', async () => {
    const { root } = await merge(records)
    for (let drop = 0; drop < records.length; drop++) {
      const dropped = records[drop] as SignedRecord
      const set = createRecordSet(records)
      const counts =
        dropped.body.type === 'score' ||
        [...viewOfSet(set).chosen.values()].some(c => c.result === dropped || c.alignment === dropped)
      const other = await merge(records.filter(r => r !== dropped))
      expect(other.root.equals(root), `${dropped.body.type} ${drop}`).toBe(!counts)
    }
  })

  test('is a UnixFS directory that other implementations read', async () => {
    const merged = await merge(records)
    await keep(merged)
    const view = viewOfSet(createRecordSet(records))
    expect((await list(merged.root)).map(e => e.name)).toEqual([
      'README.md',
      'croissant.json',
      'data',
      'evidence',
      'manifest.cbor',
      'records.car'
    ])
    const data = await list(`${merged.root}/data`)
    expect(data.map(e => e.name)).toEqual([0, 1, 2, 3].map(p => `train-0000${p}-of-00004.parquet`))
    for (const [p, { cid }] of data.entries()) {
      const shard = view.chosen.get(p)?.alignment.body
      expect(cid).toEqual(shard?.shard)
      const entry = await exporter(cid, store)
      expect(Number(entry.size)).toBe(shard?.bytes)
    }
    const evidenceFiles = new Map((await list(`${merged.root}/evidence`)).map(e => [e.name, e.cid]))
    expect([...evidenceFiles.keys()].sort()).toEqual(
      [
        'reference-features.f32',
        'reference.f32',
        'shared.parquet',
        ...new Set(scores.map(s => `targets-${s.body.targets}.f32`))
      ].sort()
    )
    expect(evidenceFiles.get('shared.parquet')).toEqual(swarm.manifest.shared.cid)
    expect(evidenceFiles.get('reference.f32')).toEqual(scores[0]?.body.targets)
    expect(await read(await exporter(`${merged.root}/manifest.cbor`, store))).toEqual(Buffer.from(swarm.bytes))
    const readme = await read(await exporter(`${merged.root}/README.md`, store))
    expect(Buffer.from(readme).toString()).toContain('split: train')
    expect(merged.files.get('README.md')).toEqual(Uint8Array.from(readme))
  })

  test('states at every link the bytes of all blocks below it', async () => {
    const merged = await merge(records)
    await keep(merged)
    // matrices and the shared set have more than one block, so a file's length would not do
    expect(SHARED_ROWS * DIMENSION * 4).toBeGreaterThan(1_048_576)
    expect(await walk(merged.root)).toBeGreaterThan(4 * 1_040_000)
  })

  test('brings its new blocks under their own CIDs, and none of the shards', async () => {
    const merged = await merge(records)
    const shards = new Set(records.flatMap(r => (r.body.type === 'alignment' ? [r.body.shard.toString()] : [])))
    for (const { cid, bytes } of merged.blocks) {
      expect(cid.multihash.digest).toEqual(rawCid(bytes).multihash.digest)
      expect(shards.has(cid.toString())).toBe(false)
    }
    expect(merged.blocks.at(-1)?.cid).toEqual(merged.root)
    expect(merged).toMatchObject({ provisional: false, coverage: 1, rows: 40 })
  })

  test('holds the manifest and every record that counts, each of which opens', async () => {
    const merged = await merge(records)
    const reader = await CarReader.fromBytes(merged.files.get('records.car') as Uint8Array)
    expect(await reader.getRoots()).toEqual([swarm.id])
    const keys = new Set<string>()
    for await (const { cid, bytes } of reader.blocks()) {
      expect(cid.multihash.digest).toEqual(rawCid(bytes).multihash.digest)
      if (cid.equals(swarm.id)) expect(openManifest(bytes, verify).id).toEqual(swarm.id)
      else keys.add(openRecord(bytes, swarm, verify).key)
    }
    const view = viewOfSet(createRecordSet(records))
    const expected = [...view.chosen.values()].flatMap(c => [c.score.key, c.result.key, c.alignment.key])
    expect(keys).toEqual(new Set([...scores.map(s => s.key), ...expected]))
  })

  test('can be made again from its own records.car, also where an author signed twice under one number', async () => {
    const [, second] = scores as [SignedRecord, SignedRecord]
    const twice = [
      await makeResult(swarm, testPeer(0), 50, scores[0] as SignedRecord, 1, { raw: testCid('one face') }),
      await makeResult(swarm, testPeer(0), 50, scores[0] as SignedRecord, 1, { raw: testCid('another face') }),
      await makeResult(swarm, testPeer(0), 60, scores[0] as SignedRecord, 1, { raw: testCid('one face') }),
      await makeResult(swarm, testPeer(0), 60, scores[0] as SignedRecord, 1, { raw: testCid('another face') })
    ]
    const full = createRecordSet([...records, ...twice])
    expect(viewOfSet(full).election.reference?.provenance.from).toEqual([second.key])
    for (const list of [records, [...records, ...twice]]) {
      const merged = await merge(list)
      const reader = await CarReader.fromBytes(merged.files.get('records.car') as Uint8Array)
      const replayed: SignedRecord[] = []
      for await (const { cid, bytes } of reader.blocks()) {
        if (!cid.equals(swarm.id)) replayed.push(openRecord(bytes, swarm, verify))
      }
      expect((await merge(replayed)).root).toEqual(merged.root)
    }
  })

  test('is provisional and leaves out what is missing', async () => {
    const merged = await merge(records.filter(r => !('partition' in r.body && r.body.partition === 2)))
    await keep(merged)
    expect(merged).toMatchObject({ provisional: true, coverage: 0.75, rows: 30 })
    expect((await list(`${merged.root}/data`)).map(e => e.name)).toEqual(
      [0, 1, 3].map(p => `train-0000${p}-of-00004.parquet`)
    )
  })

  test('of nothing at all is still a directory', async () => {
    const merged = await merge([])
    await keep(merged)
    expect(merged).toMatchObject({ provisional: true, coverage: 0, rows: 0 })
    expect(await list(`${merged.root}/data`)).toEqual([])
    expect((await list(`${merged.root}/evidence`)).map(e => e.name)).toEqual([
      'reference-features.f32',
      'shared.parquet'
    ])
  })
})
