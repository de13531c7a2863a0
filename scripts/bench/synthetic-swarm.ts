/** A swarm of synthetic records in which every partition is done, for merge.ts and event-loop.ts: nothing that they name exists. */
import { generateKeyPairSync, sign as ed25519Sign } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { DEFAULT_GATE } from '../../src/align/gate.ts'
import { DEFAULT_GRID, DEFAULT_MIN_LOO_Z } from '../../src/align/transform.ts'
import { pbCid, rawCid } from '../../src/codec.ts'
import { sealManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { assessmentKey, qualityKey, type Evidence } from '../../src/merge/views.ts'
import { sealRecord, type Alignment, type RecordBody, type Result, type Score } from '../../src/publish/record.ts'

/** `rows`: of the shared set */
export async function syntheticSwarm(count: number, { rows = 1000, dimension = 256 } = {}) {
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
    shared: { ...file('shared', 4_000_000), rows },
    dimension,
    seed: new Uint8Array(32),
    referenceFeatures: { ...file('features', rows * 256 * 4), dimension: 256, source: 'synthetic' },
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
