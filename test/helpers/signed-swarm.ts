/** Keys, a small signed swarm and valid records, made from seeds: factories for tests of protocols and network. */
import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes } from 'node:crypto'
import { rawCid } from '../../src/codec.ts'
import { sealManifest, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import type { PeerKey, Sign, Verify } from '../../src/envelope.ts'
import { sealIntent, type Intent } from '../../src/publish/intent.ts'
import { sealLease, type Lease } from '../../src/publish/lease.ts'
import { sealRecord, type Result, type SignedRecord } from '../../src/publish/record.ts'

export interface TestKey {
  /** 32 bytes; also the seed of the libp2p key pair */
  seed: Uint8Array
  key: PeerKey
  sign: Sign
}

/** DER before the 32 bytes of an ed25519 key (RFC 8410) */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export function testKey(n: number): TestKey {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, n + 1)
  const privateKey = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    seed,
    key: new Uint8Array(der.subarray(der.byteLength - 32)),
    sign: message => new Uint8Array(signBytes(null, message, privateKey))
  }
}

export const verify: Verify = (key, message, signature) => {
  const der = Buffer.concat([PUBLIC_PREFIX, key])
  return verifyBytes(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
}

export async function testSwarm(change: Partial<Manifest> = {}, publisher = testKey(1000)): Promise<Swarm> {
  const file = (n: number, bytes: number) => ({ cid: rawCid(Uint8Array.of(n, 7)), bytes, dagBytes: bytes })
  return await sealManifest(
    {
      v: 1,
      kind: 'coopt-manifest',
      protocol: '1.0.0',
      name: 'test',
      publisher: publisher.key,
      samples: 64,
      partitions: Array.from({ length: 4 }, (_, i) => ({ ...file(i, 10_000), rows: 16 })),
      shared: { ...file(100, 10_000), rows: 16 },
      dimension: 4,
      seed: new Uint8Array(32),
      referenceFeatures: { ...file(101, 16 * 2 * 4), dimension: 2, source: 'test' },
      uniformity: { t: 2, centred: false },
      election: { policy: 'uniformity', margin: 0, human: false },
      gate: { minZ: 0 },
      alignment: { grid: [1], minLooZ: -1e6 },
      quotas: { recordsPerPeer: 10_000, recordBytes: 64 * 1024 * 1024 },
      admission: 'open',
      ...change
    },
    publisher.sign
  )
}

/** A valid result record. `variant` makes different records of one author and sequence number. */
export async function testRecord(
  swarm: Swarm,
  author: TestKey,
  seq: number,
  variant = 0
): Promise<SignedRecord<Result>> {
  const cid = rawCid(new TextEncoder().encode(`${seq}/${variant}`))
  return await sealRecord(
    {
      v: 1,
      swarm: swarm.id,
      author: author.key,
      seq,
      type: 'result',
      partition: seq % swarm.manifest.partitions.length,
      score: cid,
      raw: cid,
      present: 1
    },
    author.sign
  )
}

export async function testIntent(swarm: Swarm, author: TestKey, change: Partial<Intent> = {}): Promise<Uint8Array> {
  const head = { v: 1, swarm: swarm.id, author: author.key, type: 'intent' } as const
  return await sealIntent({ ...head, task: 'score', counter: 1, released: false, ...change }, author.sign)
}

export async function testLease(swarm: Swarm, author: TestKey, change: Partial<Lease> = {}): Promise<Uint8Array> {
  return await sealLease(
    {
      v: 1,
      swarm: swarm.id,
      author: author.key,
      type: 'lease',
      partition: 0,
      task: 'optimize',
      counter: 1,
      done: 0,
      released: false,
      ...change
    },
    author.sign
  )
}
