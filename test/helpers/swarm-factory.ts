/**
 * Swarms, peers and records for tests: deterministic keys, small manifests, real signatures.
 *
 * Everything is made with the functions under test, so a made swarm or record is one that a node would accept.
 */
import { createHash, createPrivateKey, createPublicKey, sign as edSign } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { rawCid } from '../../src/codec.ts'
import { sealManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import type { PeerKey, Sign } from '../../src/envelope.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import {
  sealRecord,
  type Alignment,
  type Check,
  type RecordBody,
  type Result,
  type Score,
  type SignedRecord
} from '../../src/publish/record.ts'

export interface TestPeer {
  readonly key: PeerKey
  /** `12D3KooW…` */
  readonly id: string
  readonly sign: Sign
}

/** DER of a PKCS #8 Ed25519 key up to the 32 bytes of the seed, and of an SPKI one up to the public key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

const peers = new Map<string, TestPeer>()

/** The same peer for the same name, in every run and process. */
export function testPeer(name: string | number): TestPeer {
  const known = peers.get(`${name}`)
  if (known !== undefined) return known
  const seed = createHash('sha256').update(`test peer ${name}`).digest()
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' })
  const der = createPublicKey(secret).export({ format: 'der', type: 'spki' })
  const key = Uint8Array.from(der.subarray(SPKI.byteLength))
  const made: TestPeer = { key, id: peerIdOf(key), sign: message => Uint8Array.from(edSign(null, message, secret)) }
  peers.set(`${name}`, made)
  return made
}

/** The verifier of every node. */
export { verify } from '../../node/process/verify-signature.ts'

/** A distinct CID for each name. */
export function testCid(name: string | number): CID {
  return rawCid(new TextEncoder().encode(`test content ${name}`))
}

export const testPublisher = testPeer('publisher')

/** A small valid manifest: 4 partitions of 10 rows, 16 shared rows, 4 dimensions. `overrides` replace whole fields. */
export function makeManifest(overrides: Partial<Manifest> = {}): Manifest {
  const partitions =
    overrides.partitions ??
    Array.from({ length: 4 }, (_, i) => ({ cid: testCid(`partition ${i}`), rows: 10, bytes: 20_000, dagBytes: 20_000 }))
  return {
    v: 1,
    kind: 'coopt-manifest',
    protocol: '1.0.0',
    name: 'test images',
    publisher: testPublisher.key,
    samples: partitions.reduce((sum, p) => sum + p.rows, 0),
    partitions,
    shared: { cid: testCid('shared set'), rows: 16, bytes: 32_000, dagBytes: 32_000 },
    dimension: 4,
    seed: new Uint8Array(32).fill(7),
    referenceFeatures: {
      cid: testCid('reference features'),
      bytes: 16 * 8 * 4,
      dagBytes: 16 * 8 * 4,
      dimension: 8,
      source: 'made for a test'
    },
    uniformity: { t: 2, centred: false },
    election: { policy: 'uniformity', margin: 0.05, human: false },
    gate: { minZ: 5 },
    alignment: { grid: [0.01, 0.1, 1], minLooZ: 4 },
    quotas: { recordsPerPeer: 100, recordBytes: 1_048_576 },
    admission: 'open',
    ...overrides
  }
}

/** A signed swarm; the manifest names `publisher` as its publisher. */
export async function makeSwarm(overrides: Partial<Manifest> = {}, publisher = testPublisher): Promise<Swarm> {
  return await sealManifest(makeManifest({ publisher: publisher.key, ...overrides }), publisher.sign)
}

/** What every record begins with. */
const head = (swarm: Swarm, author: TestPeer, seq: number) => ({
  v: 1 as const,
  swarm: swarm.id,
  author: author.key,
  seq
})

export function scoreBody(swarm: Swarm, author: TestPeer, seq: number, overrides: Partial<Score> = {}): Score {
  return {
    ...head(swarm, author, seq),
    type: 'score',
    prior: { id: testCid(`prior of ${author.id}`), kind: 'onnx', name: 'a prior', dimension: 64 },
    targets: testCid(`targets of ${author.id}, ${seq}`),
    present: swarm.manifest.shared.rows,
    uniformValue: -1.5,
    ...overrides
  }
}

export function resultBody(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  score: SignedRecord,
  partition: number,
  overrides: Partial<Result> = {}
): Result {
  return {
    ...head(swarm, author, seq),
    type: 'result',
    partition,
    score: score.id,
    raw: testCid(`raw targets of ${partition} by ${author.id}, ${seq}`),
    present: swarm.manifest.partitions[partition]?.rows ?? 1,
    ...overrides
  }
}

export function alignmentBody(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  result: SignedRecord<Result>,
  reference: CID,
  overrides: Partial<Alignment> = {}
): Alignment {
  const file = swarm.manifest.partitions[result.body.partition]
  const bytes = (file?.bytes ?? 0) + 500
  return {
    ...head(swarm, author, seq),
    type: 'alignment',
    partition: result.body.partition,
    result: result.id,
    reference,
    shard: testCid(`shard of ${result.key} to ${reference} by ${author.id}`),
    bytes,
    dagBytes: bytes + 100,
    lambda: 0.1,
    looR2: 0.5,
    looCosine: 0.75,
    ...overrides
  }
}

export async function makeScore(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  overrides: Partial<Score> = {}
): Promise<SignedRecord<Score>> {
  return await sealRecord(scoreBody(swarm, author, seq, overrides), author.sign)
}

export async function makeResult(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  score: SignedRecord,
  partition: number,
  overrides: Partial<Result> = {}
): Promise<SignedRecord<Result>> {
  return await sealRecord(resultBody(swarm, author, seq, score, partition, overrides), author.sign)
}

export async function makeAlignment(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  result: SignedRecord<Result>,
  reference: CID,
  overrides: Partial<Alignment> = {}
): Promise<SignedRecord<Alignment>> {
  return await sealRecord(alignmentBody(swarm, author, seq, result, reference, overrides), author.sign)
}

/** What `author` found in an alignment: a sound shard and, with a verdict, an opinion of its own prior `by`. */
export async function makeCheck(
  swarm: Swarm,
  author: TestPeer,
  seq: number,
  alignment: SignedRecord<Alignment>,
  opinion: { by: SignedRecord<Score>; verdict: NonNullable<Check['opinion']>['verdict'] } | undefined,
  overrides: Partial<Check> = {}
): Promise<SignedRecord<Check>> {
  const { partition, result } = alignment.body
  const body: Check = {
    ...head(swarm, author, seq),
    type: 'check',
    partition,
    alignment: alignment.id,
    result,
    shard: 'sound',
    ...(opinion === undefined
      ? {}
      : {
          opinion: {
            by: 'prior',
            score: opinion.by.id,
            seed: new Uint8Array(32).fill(seq),
            rows: 5,
            targets: testCid(`rows of ${alignment.key} by ${author.id}`),
            z: { plausible: 12, implausible: 0.5, abstain: 3 }[opinion.verdict],
            expected: opinion.verdict === 'abstain' ? 2 : 14,
            verdict: opinion.verdict
          }
        }),
    ...overrides
  }
  return await sealRecord(body, author.sign)
}

/** The same statement under another sequence number, unsigned and with a made-up id: for tests of many records. */
export function copyOf<T extends RecordBody>(record: SignedRecord<T>, seq: number): SignedRecord<T> {
  const name = new Uint8Array(32)
  // spread over all buckets of a digest, in an order that is not that of the numbers
  new DataView(name.buffer).setUint32(0, Math.imul(seq + 1, 0x9e3779b1) >>> 0)
  name.set(record.id.multihash.digest.subarray(4), 4)
  const id = CID.createV1(record.id.code, createDigest(record.id.multihash.code, name))
  return { ...record, id, key: `copy ${Buffer.from(name).toString('hex')}`, body: { ...record.body, seq } }
}
