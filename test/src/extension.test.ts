/** What a later minor version may add, as a node of this version sees it. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { digestSchema, requestSchema } from '../../protocols/sync/messages.ts'
import { decodeMessage } from '../../protocols/message.ts'
import { validateGossip } from '../../protocols/gossip/validator.ts'
import { cborCid, encodeCbor, equalBytes } from '../../src/codec.ts'
import { openManifest, sealManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { decodeEnvelope, seal } from '../../src/envelope.ts'
import { InvalidManifestError, InvalidRecordError, ProtocolError } from '../../src/errors.ts'
import { extensionsOf, MAX_EXTENSIONS } from '../../src/extension.ts'
import { createRecordSet } from '../../src/merge/record-set.ts'
import { MAX_INTENT_EXTENSION_BYTES, openIntent, sealIntent } from '../../src/publish/intent.ts'
import { MAX_LEASE_EXTENSION_BYTES, openLease, sealLease } from '../../src/publish/lease.ts'
import { MAX_RECORD_EXTENSION_BYTES, openRecord, sealRecord } from '../../src/publish/record.ts'
import { anyBody, anyLease, anyValue } from '../helpers/arbitraries.ts'
import { testIntake } from '../helpers/test-intake.ts'
import { makeManifest, makeSwarm, scoreBody, testPeer, testPublisher, verify } from '../helpers/swarm-factory.ts'

const alice = testPeer('alice')
const RECORD = 'coopt/1/record\0'

let swarm: Swarm
beforeAll(async () => {
  swarm = await makeSwarm()
})

const anyName = (): fc.Arbitrary<string> => fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/)
const anyExtensions = (maxBytes: number): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .dictionary(anyName(), anyValue(), { minKeys: 1, maxKeys: 4, noNullPrototype: true })
    .filter(ext => encodeCbor(ext).byteLength <= maxBytes)
const byKey = (key: Uint8Array) =>
  [0, 1, 2, 3, 4].map(testPeer).find(peer => Buffer.compare(peer.key, key) === 0) ?? alice

describe('extensions of a record', () => {
  test('come through as they were signed, in the bytes that arrived', async () => {
    await fc.assert(
      fc.asyncProperty(anyBody(swarm), anyExtensions(MAX_RECORD_EXTENSION_BYTES), async (plain, ext) => {
        const body = { ...plain, ext }
        const sealed = await sealRecord(body, byKey(body.author).sign)
        const opened = openRecord(sealed.bytes, swarm, verify)
        expect(opened.body).toEqual(body)
        expect(equalBytes(opened.bytes, sealed.bytes)).toBe(true)
        expect(opened.id.equals(cborCid(encodeCbor(body)))).toBe(true)
        expect(equalBytes(decodeEnvelope(opened.bytes, opened.bytes.byteLength).payload, encodeCbor(body))).toBe(true)
      })
    )
  })

  test('are bounded in size and number, named by the rule, and never an empty map', async () => {
    const refused: unknown[] = [
      {},
      [],
      null,
      'text',
      { Upper: 1 },
      { '': 1 },
      { a: new Uint8Array(MAX_RECORD_EXTENSION_BYTES) },
      Object.fromEntries(Array.from({ length: MAX_EXTENSIONS + 1 }, (_, i) => [`x${i}`, i]))
    ]
    for (const ext of refused) {
      const bytes = await seal(RECORD, { ...scoreBody(swarm, alice, 0), ext }, alice.sign)
      expect(() => openRecord(bytes, swarm, verify), JSON.stringify(ext)).toThrow(InvalidRecordError)
    }
  })

  test('of a lease fit the size of a lease', async () => {
    await fc.assert(
      fc.asyncProperty(anyLease(swarm), anyExtensions(MAX_LEASE_EXTENSION_BYTES), async (plain, ext) => {
        const lease = { ...plain, ext }
        const bytes = await sealLease(lease, byKey(lease.author).sign)
        expect(openLease(bytes, swarm, verify)).toEqual(lease)
        expect(bytes.byteLength).toBeLessThanOrEqual(512)
      })
    )
  })

  test('of an intent fit the size of an intent', async () => {
    await fc.assert(
      fc.asyncProperty(anyExtensions(MAX_INTENT_EXTENSION_BYTES), fc.nat(), async (ext, counter) => {
        const head = { v: 1, swarm: swarm.id, author: alice.key, type: 'intent' } as const
        const intent = { ...head, task: 'improve', counter, released: true, ext } as const
        const bytes = await sealIntent(intent, alice.sign)
        expect(openIntent(bytes, swarm, verify)).toEqual(intent)
        expect(bytes.byteLength).toBeLessThanOrEqual(512)
      })
    )
  })

  test('leave statements without any as they are', () => {
    const schema = extensionsOf(100)
    // a missing field is not an empty one
    expect(schema.safeParse(undefined).success).toBe(true)
    expect(schema.safeParse({}).success).toBe(false)
  })
})

describe('a record of an unknown type', () => {
  const later = (seq: number, more: object = {}): object => ({
    v: 1,
    swarm: swarm.id,
    author: alice.key,
    seq,
    type: 'retraction',
    of: [1, 2, 3],
    ...more
  })
  const open = async (value: unknown) => openRecord(await seal(RECORD, value, alice.sign), swarm, verify)

  test('is accepted from gossip, kept and passed on as its bytes, and in no index', async () => {
    const bytes = await seal(RECORD, later(0), alice.sign)
    const { records: set, receive } = testIntake(swarm)
    const state = { swarm, verify, receive, leaseCounter: () => undefined, intentCounter: () => undefined }
    expect(validateGossip(Uint8Array.of(1, ...bytes), state)).toEqual({ action: 'accept', kind: 'record' })
    const [record] = set.records()
    expect(record?.body).toMatchObject({ type: 'unknown', name: 'retraction', seq: 0 })
    expect(equalBytes(record?.bytes ?? new Uint8Array(), bytes)).toBe(true)
    expect([set.size, set.bytes]).toEqual([1, bytes.byteLength])
    for (const type of ['score', 'result', 'alignment'] as const) expect(set.byType(type)).toEqual([])
  })

  test('takes a sequence number like any other: the quota holds, and two under one number are a fork', async () => {
    const last = swarm.manifest.quotas.recordsPerPeer
    await expect(open(later(last))).rejects.toMatchObject({ reason: 'over-quota' })
    const [one, two] = [await open(later(3)), await sealRecord(scoreBody(swarm, alice, 3), alice.sign)]
    const set = createRecordSet([one, two])
    expect([...set.equivocators()]).toEqual([alice.id])
    expect(set.nextSeq(alice.key)).toBe(4)
  })

  test('needs the same head, admission and signature as one that is known', async () => {
    await expect(open(later(0, { v: 2 }))).rejects.toMatchObject({ reason: 'schema' })
    await expect(open(later(0, { type: 'lease' }))).rejects.toMatchObject({ reason: 'schema' })
    await expect(open(later(0, { type: 'Not a type' }))).rejects.toMatchObject({ reason: 'schema' })
    await expect(open(later(0, { type: 'score' }))).rejects.toMatchObject({ reason: 'schema' })
    await expect(open(later(0, { seq: -1 }))).rejects.toMatchObject({ reason: 'schema' })
    await expect(open(later(0, { padding: new Uint8Array(4096) }))).rejects.toMatchObject({ reason: 'too-large' })
    const closed = await makeSwarm({ admission: [testPeer('bob').key] })
    const foreign = await seal(RECORD, { ...later(0), swarm: closed.id }, alice.sign)
    expect(() => openRecord(foreign, closed, verify)).toThrow(expect.objectContaining({ reason: 'not-admitted' }))
    const forged = await seal(RECORD, later(0), testPeer('mallory').sign)
    expect(() => openRecord(forged, swarm, verify)).toThrow(expect.objectContaining({ reason: 'bad-signature' }))
  })
})

describe('a manifest of a later version', () => {
  const open = async (value: unknown): Promise<Swarm> =>
    openManifest(await seal('coopt/1/manifest\0', value, testPublisher.sign), verify)

  test('with extensions is opened, and its id is that of its bytes', async () => {
    await fc.assert(
      fc.asyncProperty(anyExtensions(4096), async ext => {
        const sealed = await sealManifest(makeManifest({ ext }), testPublisher.sign)
        const opened = openManifest(sealed.bytes, verify)
        expect(opened).toEqual(sealed)
        expect(opened.manifest.ext).toEqual(ext)
      })
    )
  })

  test('that requires an extension is refused, naming it and what to do', async () => {
    const opening = open({ ...makeManifest(), ext: { sampling: 2, hint: 1 }, crit: ['sampling'] })
    await expect(opening).rejects.toThrow(InvalidManifestError)
    await expect(opening).rejects.toThrow(/requires "sampling".*update it/)
  })

  test('has one form of the list: ascending, without repetition, of names that are there', async () => {
    const ext = { a: 1, b: 1 }
    for (const crit of [['b', 'a'], ['a', 'a'], ['c'], [], ['__proto__']])
      await expect(open({ ...makeManifest(), ext, crit }), crit.join()).rejects.toThrow(/crit/)
  })

  test('of another protocol is called by its version instead of by its strange fields', async () => {
    for (const change of [{ v: 2 }, { protocol: '2.0.0', quotas: 'none' }])
      await expect(open({ ...makeManifest(), ...change, more: 1 })).rejects.toThrow(
        /takes part in swarms of format 1, protocol 1\.0\.0: update it/
      )
  })
})

describe('messages of a later version', () => {
  const digest = () => ({ t: 'digest', swarm: swarm.id, digest: new Uint8Array(4096) })

  test('may carry extensions that are ignored, within bounds', () => {
    const frame = encodeCbor({ ...digest(), ext: { hint: 1 } })
    expect(decodeMessage(digestSchema, frame, 16_384)).toMatchObject({ t: 'digest', ext: { hint: 1 } })
    const large = encodeCbor({ ...digest(), ext: { hint: new Uint8Array(2000) } })
    expect(() => decodeMessage(requestSchema, large, 16_384)).toThrow(ProtocolError)
    expect(() => decodeMessage(requestSchema, encodeCbor({ ...digest(), more: 1 }), 16_384)).toThrow(ProtocolError)
  })
})
