import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { beforeAll, describe, expect, test } from 'vitest'
import { cborCid, encodeCbor } from '../../../src/codec.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { decodeEnvelope, seal, type Domain } from '../../../src/envelope.ts'
import { InvalidRecordError, type RecordFault } from '../../../src/errors.ts'
import {
  MAX_RECORD_BYTES,
  openRecord,
  sealRecord,
  type Alignment,
  type Check,
  type Result,
  type Score,
  type SignedRecord
} from '../../../src/publish/record.ts'
import { anyBody } from '../../helpers/arbitraries.ts'
import {
  alignmentBody,
  makeAlignment,
  makeCheck,
  makeResult,
  makeScore,
  makeSwarm,
  resultBody,
  scoreBody,
  testCid,
  testPeer,
  verify
} from '../../helpers/swarm-factory.ts'

const alice = testPeer('alice')
const mallory = testPeer('mallory')
const DOMAIN: Domain = 'coopt/1/record\0'

let swarm: Swarm
let score: SignedRecord<Score>
let result: SignedRecord<Result>
let alignment: SignedRecord<Alignment>
let check: SignedRecord<Check>
beforeAll(async () => {
  swarm = await makeSwarm()
  score = await makeScore(swarm, alice, 0)
  result = await makeResult(swarm, alice, 1, score, 2)
  alignment = await makeAlignment(swarm, alice, 2, result, score.body.targets)
  check = await makeCheck(swarm, alice, 3, alignment, { by: score, verdict: 'plausible' })
})

/** The fault for which these bytes are refused, or undefined when they are accepted. */
function faultOf(bytes: Uint8Array, of: Swarm = swarm): RecordFault | undefined {
  return thrownBy(() => openRecord(bytes, of, verify))
}

function thrownBy(open: () => unknown): RecordFault | undefined {
  try {
    open()
    return undefined
  } catch (error) {
    if (error instanceof InvalidRecordError) return error.reason
    throw error
  }
}

/** An envelope around payload bytes as they are, with a good signature. */
async function sealBytes(payload: Uint8Array, peer = alice): Promise<Uint8Array> {
  return encodeCbor([payload, await peer.sign(Buffer.concat([Buffer.from(DOMAIN), payload]))])
}

const fault = async (body: unknown): Promise<RecordFault | undefined> => faultOf(await seal(DOMAIN, body, alice.sign))

describe('a record', () => {
  test('that is sealed opens as the same record', async () => {
    const peers = new Map([0, 1, 2, 3, 4].map(i => [testPeer(i).id, testPeer(i)]))
    const byKey = (key: Uint8Array) => [...peers.values()].find(peer => Buffer.compare(peer.key, key) === 0) ?? alice
    await fc.assert(
      fc.asyncProperty(anyBody(swarm), async body => {
        const sealed = await sealRecord(body, byKey(body.author).sign)
        const opened = openRecord(sealed.bytes, swarm, verify)
        expect(opened).toEqual(sealed)
        expect(opened.body).toEqual(body)
        expect(opened.id.equals(cborCid(encodeCbor(body)))).toBe(true)
        expect(opened.key).toBe(opened.id.toString())
      })
    )
  })

  test('of every type with any one bit flipped is refused', () => {
    for (const { bytes } of [score, result, alignment, check]) {
      for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
        const flipped = bytes.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(faultOf(flipped), `bit ${bit}`).toBeDefined()
      }
    }
  })

  test('cut anywhere is refused', () => {
    for (let length = 0; length < alignment.bytes.byteLength; length++) {
      expect(faultOf(alignment.bytes.subarray(0, length)), `${length} bytes`).toBe('not-canonical')
    }
  })

  test('of another swarm is refused', async () => {
    const other = await makeSwarm({ name: 'another swarm' })
    expect(faultOf((await makeScore(other, alice, 0)).bytes)).toBe('wrong-swarm')
  })

  test('of a peer that the manifest does not list is refused, of one that it lists accepted', async () => {
    const closed = await makeSwarm({ admission: [testPeer('bob').key, alice.key] })
    expect(faultOf((await makeScore(closed, alice, 0)).bytes, closed)).toBeUndefined()
    expect(faultOf((await makeScore(closed, mallory, 0)).bytes, closed)).toBe('not-admitted')
  })

  test('over the quota of its author is refused', async () => {
    const last = swarm.manifest.quotas.recordsPerPeer - 1
    expect(faultOf((await makeScore(swarm, alice, last)).bytes)).toBeUndefined()
    expect(faultOf((await makeScore(swarm, alice, last + 1)).bytes)).toBe('over-quota')
  })

  test('signed by somebody else is refused', async () => {
    expect(faultOf(await seal(DOMAIN, score.body, mallory.sign))).toBe('bad-signature')
  })

  test('signed for another purpose is refused', async () => {
    for (const domain of ['coopt/1/lease\0', 'coopt/1/manifest\0'] as const) {
      expect(faultOf(await seal(domain, score.body, alice.sign))).toBe('bad-signature')
    }
  })

  test('with the signature of another record of the same author is refused', () => {
    const { payload } = decodeEnvelope(score.bytes, MAX_RECORD_BYTES)
    const { signature } = decodeEnvelope(result.bytes, MAX_RECORD_BYTES)
    expect(faultOf(encodeCbor([payload, signature]))).toBe('bad-signature')
  })

  test('larger than 4 KiB is refused before it is decoded, and is not sealed', async () => {
    expect(faultOf(new Uint8Array(MAX_RECORD_BYTES + 1))).toBe('too-large')
    const large = scoreBody(swarm, alice, 0, {
      prior: { ...score.body.prior, name: 'x'.repeat(MAX_RECORD_BYTES) }
    })
    await expect(sealRecord(large, alice.sign)).rejects.toMatchObject({ reason: 'too-large' })
  })

  test('that nobody could open is not sealed', async () => {
    for (const name of ['', 'a\nb', '\ufeffa', 'x'.repeat(65)]) {
      const sealing = sealRecord(scoreBody(swarm, alice, 0, { prior: { ...score.body.prior, name } }), alice.sign)
      await expect(sealing).rejects.toThrow(InvalidRecordError)
    }
  })

  test('with trailing bytes is refused, outside and inside of the envelope', async () => {
    expect(faultOf(Buffer.concat([score.bytes, Uint8Array.of(0)]))).toBe('not-canonical')
    const { payload } = decodeEnvelope(score.bytes, MAX_RECORD_BYTES)
    expect(faultOf(await sealBytes(Buffer.concat([payload, Uint8Array.of(0)])))).toBe('not-canonical')
  })

  test('in another encoding of the same values is refused although its signature is good', async () => {
    const payload = Buffer.from(decodeEnvelope(score.bytes, MAX_RECORD_BYTES).payload)
    expect(faultOf(await sealBytes(payload))).toBeUndefined()
    const swap = (from: string, to: string): Buffer => {
      const text = payload.toString('hex')
      expect(text).toContain(from)
      return Buffer.from(text.replace(from, to), 'hex')
    }
    // "v": 1 as 18 01
    expect(faultOf(await sealBytes(swap('617601', '61761801')))).toBe('not-canonical')
    // "present": 16 as a float
    expect(faultOf(await sealBytes(swap('6770726573656e7410', '6770726573656e74fb4030000000000000')))).toBe(
      'not-canonical'
    )
    // "seq": 0 before "v": 1
    expect(faultOf(await sealBytes(swap('6176016373657100', '6373657100617601')))).toBe('not-canonical')
  })

  test.each([
    ['a digest of one byte', CID.createV1(0x55, createDigest(0x12, Uint8Array.of(1)))],
    ['an identity hash', CID.createV1(0x55, createDigest(0x00, new Uint8Array(32)))],
    ['sha2-512', CID.createV1(0x55, createDigest(0x13, new Uint8Array(64)))],
    ['version 0', CID.createV0(createDigest(0x12, new Uint8Array(32)))],
    ['an unknown codec', CID.createV1(0x0129, createDigest(0x12, new Uint8Array(32)))]
  ])('that cites a CID with %s is refused', async (_, cid) => {
    expect(await fault({ ...score.body, targets: cid })).toBe('schema')
    expect(await fault({ ...result.body, raw: cid })).toBe('schema')
    expect(await fault({ ...alignment.body, shard: cid })).toBe('schema')
    expect(await fault({ ...score.body, swarm: cid })).toBe('schema')
  })

  test.each<[string, (body: Score) => unknown]>([
    ['no author', body => Object.fromEntries(Object.entries(body).filter(([key]) => key !== 'author'))],
    ['a short key', body => ({ ...body, author: body.author.subarray(1) })],
    ['an unknown field', body => ({ ...body, extra: 1 })],
    ['an unknown field inside', body => ({ ...body, prior: { ...body.prior, extra: 1 } })],
    ['an own __proto__', body => JSON.parse('{"__proto__":{"v":1},"v":1,"type":"score"}') as typeof body],
    ['another version', body => ({ ...body, v: 2 })],
    ['a sequence number below zero', body => ({ ...body, seq: -1 })],
    ['a fractional sequence number', body => ({ ...body, seq: 0.5 })],
    ['a sequence number beyond 2^53', body => ({ ...body, seq: 2n ** 60n })],
    ['text for a number', body => ({ ...body, uniformValue: '-1' })],
    ['null', () => null],
    ['an array', body => [body]],
    ['an empty name', body => ({ ...body, prior: { ...body.prior, name: '' } })],
    ['a long name', body => ({ ...body, prior: { ...body.prior, name: 'x'.repeat(65) } })],
    ['a line break in the name', body => ({ ...body, prior: { ...body.prior, name: 'a\nb' } })],
    ['an escape sequence in the name', body => ({ ...body, prior: { ...body.prior, name: '\u001b[2J' } })],
    ['a noncharacter in the name', body => ({ ...body, prior: { ...body.prior, name: 'a\uffff' } })],
    ['a line separator in the name', body => ({ ...body, prior: { ...body.prior, name: 'a\u2028b' } })],
    ['no dimensions', body => ({ ...body, prior: { ...body.prior, dimension: 0 } })],
    ['an unknown kind of prior', body => ({ ...body, prior: { ...body.prior, kind: 'oracle' } })]
  ])('with %s is refused by the schema', async (_, change) => {
    expect(await fault(change(score.body))).toBe('schema')
  })

  test.each<[string, Partial<Score>]>([
    ['a positive uniform value', { uniformValue: 0.001 }],
    ['a uniform value below what any 16 rows can have', { uniformValue: -4.27 }],
    ['fewer rows than the shared set has', { present: 15 }],
    ['more rows than the shared set has', { present: 17 }]
  ])('with %s is out of range', async (_, change) => {
    expect(await fault({ ...score.body, ...change })).toBe('out-of-range')
  })

  test('takes uniform values up to both bounds', async () => {
    // -t * 2m / (m - 1) with t = 2, m = 16
    for (const uniformValue of [0, -64 / 15]) expect(await fault({ ...score.body, uniformValue })).toBeUndefined()
  })

  test.each(['human', 'table'] as const)('of the kind %s may leave rows out, but not all', async kind => {
    const human = (present: number): Score => ({
      ...score.body,
      prior: { ...score.body.prior, kind },
      present
    })
    expect(await fault(human(2))).toBeUndefined()
    expect(await fault(human(16))).toBeUndefined()
    for (const present of [0, 1, 17]) expect(await fault(human(present))).toBe('out-of-range')
  })

  test.each<[string, Partial<Result>]>([
    ['a partition that does not exist', { partition: 4 }],
    ['no rows', { present: 0 }],
    ['more rows than the partition has', { present: 11 }]
  ])('of results with %s is out of range', async (_, change) => {
    expect(await fault(resultBody(swarm, alice, 1, score, 2, change))).toBe('out-of-range')
  })

  test.each<[string, Partial<Alignment>]>([
    ['a partition that does not exist', { partition: 4 }],
    ['lambda below zero', { lambda: -1 }],
    ['an R2 above one', { looR2: 1.001 }],
    ['a cosine above one', { looCosine: 1.001 }],
    ['a cosine below minus one', { looCosine: -1.001 }],
    ['a shard smaller than the partition', { bytes: 19_999 }],
    ['a shard far larger than targets can make it', { bytes: 2_000_000, dagBytes: 2_000_001 }],
    ['a tree smaller than its file', { dagBytes: 20_499 }],
    ['a tree far larger than its file', { dagBytes: 1_200_000 }]
  ])('of an alignment with %s is out of range', async (_, change) => {
    const body = alignmentBody(swarm, alice, 2, result, score.body.targets, change)
    expect(await fault(body)).toBe('out-of-range')
  })

  test.each<[string, Partial<Check>]>([
    ['a partition that does not exist', { partition: 4 }],
    ['an opinion on targets that could not be fetched', { shard: 'lost' }]
  ])('of a check with %s is out of range', async (_, change) => {
    expect(await fault({ ...check.body, ...change })).toBe('out-of-range')
  })

  test.each([0, 11])('of a check of %i of 10 rows is out of range', async rows => {
    expect(await fault({ ...check.body, opinion: { ...check.body.opinion, rows } })).toBe('out-of-range')
  })

  test.each<[string, object]>([
    ['a short seed', { seed: new Uint8Array(31) }],
    ['an unknown verdict', { verdict: 'perhaps' }],
    ['a figure that is not finite', { z: Number.NaN }],
    ['an opinion by hearsay', { by: 'hearsay' }]
  ])('of a check with %s is refused by the schema', async (_, change) => {
    const sealed = seal(DOMAIN, { ...check.body, opinion: { ...check.body.opinion, ...change } }, alice.sign)
    const outcome = await sealed.then(faultOf, () => 'not sealed')
    expect(['schema', 'not sealed']).toContain(outcome)
  })

  test('made of random changes to a good payload, well signed, is accepted or refused with a reason', async () => {
    const payload = decodeEnvelope(alignment.bytes, MAX_RECORD_BYTES).payload
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(payload.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async changes => {
          const changed = payload.slice()
          for (const [at, byte] of changes) changed[at] = byte
          const bytes = await sealBytes(changed)
          if (faultOf(bytes) === undefined)
            expect(openRecord(bytes, swarm, verify).id.equals(cborCid(changed))).toBe(true)
        }
      ),
      { numRuns: 1000 }
    )
  })
})

test('a CID by another name is the same content to nobody: ids differ as soon as one field does', async () => {
  const ids = new Set([score.key, result.key, alignment.key])
  for (const change of [{ seq: 9 }, { targets: testCid('other') }, { uniformValue: -1.25 }]) {
    ids.add((await sealRecord({ ...score.body, ...change }, alice.sign)).key)
  }
  expect(ids.size).toBe(6)
})
