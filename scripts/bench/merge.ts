/**
 * Step 5 on synthetic records: a merge of many partitions, from records alone.
 *
 *     node scripts/bench/merge.ts [--partitions 1000] [--runs 5]
 *
 * Prints one JSON object: median milliseconds of a merge, blocks and bytes made. `mergeDataset` has nothing to read from, so it cannot read shard
 * blocks. Both sides are measured in one run: the same merge with half the partitions, and their ratio.
 */
import { generateKeyPairSync, sign as ed25519Sign } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { CID } from 'multiformats/cid'
import { DEFAULT_GATE } from '../../src/align/gate.ts'
import { DEFAULT_GRID, DEFAULT_MIN_LOO_Z } from '../../src/align/transform.ts'
import { pbCid, rawCid } from '../../src/codec.ts'
import { sealManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { assessmentKey, candidatesOf, qualityKey, viewOf, type Evidence } from '../../src/merge/views.ts'
import { elect } from '../../src/align/election.ts'
import { sealRecord, type Alignment, type RecordBody, type Result, type Score } from '../../src/publish/record.ts'

const { values } = parseArgs({
  options: { partitions: { type: 'string', default: '1000' }, runs: { type: 'string', default: '5' } }
})
const partitions = Number(values.partitions)
const whole = await measure(partitions)
const half = await measure(Math.ceil(partitions / 2))
console.log(JSON.stringify({ ...whole, half, ratio: Math.round((whole.milliseconds / half.milliseconds) * 100) / 100 }))

// --- internal ---

async function measure(count: number) {
  const { swarm, set, evidence } = await synthetic(count)
  const times: number[] = []
  let merged
  for (let i = 0; i < Number(values.runs); i++) {
    const started = performance.now()
    const view = viewOf(swarm.manifest, set, evidence, elect(swarm.manifest, candidatesOf(set, evidence)))
    merged = await mergeDataset(swarm, set, evidence, view)
    times.push(performance.now() - started)
  }
  if (merged === undefined || merged.provisional) throw new Error('the synthetic swarm is not complete')
  return {
    partitions: count,
    milliseconds: Math.round(times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0),
    root: merged.root.toString(),
    blocksMade: merged.blocks.length,
    bytesMade: merged.blocks.reduce((sum, block) => sum + block.bytes.byteLength, 0)
  }
}

async function synthetic(count: number) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const sign = (message: Uint8Array): Uint8Array => new Uint8Array(ed25519Sign(null, message, privateKey))
  const cid = (text: string): CID => rawCid(new TextEncoder().encode(text))
  const tree = (text: string): CID => pbCid(new TextEncoder().encode(text))
  const file = (name: string, bytes: number) => ({ cid: tree(name), bytes, dagBytes: bytes + 200 })
  const manifest: Manifest = {
    v: 1,
    kind: 'coopt-manifest',
    protocol: '1.0.0',
    name: 'synthetic',
    publisher: key,
    samples: count * 1000,
    partitions: Array.from({ length: count }, (_, i) => ({ ...file(`partition ${i}`, 4_000_000), rows: 1000 })),
    shared: { ...file('shared', 4_000_000), rows: 1000 },
    dimension: 256,
    seed: new Uint8Array(32),
    referenceFeatures: { ...file('features', 1000 * 256 * 4), dimension: 256, source: 'synthetic' },
    uniformity: { t: 2, centred: false },
    election: { policy: 'uniformity', margin: 0.02, human: false },
    gate: DEFAULT_GATE,
    alignment: { grid: [...DEFAULT_GRID], minLooZ: DEFAULT_MIN_LOO_Z },
    quotas: { recordsPerPeer: 16 * count + 256, recordBytes: 1_073_741_824 },
    admission: 'open'
  }
  const swarm: Swarm = await sealManifest(manifest, sign)
  const set = createRecordSet()
  let seq = 0
  const add = async <T extends RecordBody>(body: Omit<T, 'v' | 'swarm' | 'author' | 'seq'>) => {
    const record = await sealRecord({ v: 1, swarm: swarm.id, author: key, seq: seq++, ...body } as unknown as T, sign)
    set.insert(record)
    return record
  }
  const score = await add<Score>({
    type: 'score',
    prior: { id: cid('prior'), kind: 'onnx', name: 'synthetic', dimension: 64 },
    targets: cid('targets'),
    present: 1000,
    uniformValue: -2
  })
  for (let partition = 0; partition < count; partition++) {
    const result = await add<Result>({
      type: 'result',
      partition,
      score: score.id,
      raw: cid(`raw ${partition}`),
      present: 1000
    })
    await add<Alignment>({
      type: 'alignment',
      partition,
      result: result.id,
      reference: score.body.targets,
      shard: tree(`shard ${partition}`),
      bytes: 5_100_000,
      dagBytes: 5_100_500,
      lambda: 0.1,
      looR2: 0.9,
      looCosine: 0.95
    })
  }
  const figures = {
    r2: 0.5,
    z: 40,
    rowsNeeded: 0,
    effectiveRank: 20
  }
  const evidence: Evidence = {
    assessments: new Map([
      [assessmentKey(score.body), { ...figures, uniformValue: -2, present: 1000, admissible: true, refusals: [] }]
    ]),
    qualities: new Map([
      [qualityKey(score.body.targets, score.body.targets), { looR2: 0.9, looCosine: 0.95, looZ: 90 }]
    ])
  }
  return { swarm, set, evidence }
}
