import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_LEASE_BYTES } from '../../../protocols/constants.ts'
import { decodeGossip, encodeGossip } from '../../../protocols/gossip/messages.ts'
import { validateGossip, type GossipState } from '../../../protocols/gossip/validator.ts'
import { ProtocolError } from '../../../src/errors.ts'
import { compareRanks } from '../../../src/merge/ranking.ts'
import { MAX_RECORD_BYTES, type SignedRecord } from '../../../src/publish/record.ts'
import { testIntake } from '../../helpers/test-intake.ts'
import { testIntent, testKey, testLease, testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'

const swarm = await testSwarm({ quotas: { recordsPerPeer: 10, recordBytes: 65_536 } })
const author = testKey(1)
const record = await testRecord(swarm, author, 0)
const lease = await testLease(swarm, author, { counter: 5 })
const other = await testSwarm({ name: 'another' })
/** Three records under one number, as long as each other, the lowest id first */
const forks = (await Promise.all([1, 2, 3].map(async variant => await testRecord(swarm, author, 1, variant)))).sort(
  compareRanks
)
const highest = forks[2] as SignedRecord
/** More than the swarm keeps, and one that comes after all of them */
const many = await Promise.all(
  Array.from({ length: 270 }, async (_, i) => await testRecord(swarm, testKey(10 + (i % 30)), Math.floor(i / 30)))
)
const last = await testRecord(swarm, author, 9)
const overQuota = await testRecord(swarm, author, 10)
const foreign = await testRecord(other, author, 0)
const foreignLease = await testLease(other, author)
const intent = await testIntent(swarm, author, { counter: 5 })
const foreignIntent = await testIntent(other, author)
const nowhere = await testLease(swarm, author, { partition: 4 })

/** Of the signature, which comes last */
function lastByteChanged(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, i) => (i === bytes.byteLength - 1 ? byte ^ 1 : byte))
}

function state(change: Partial<GossipState> = {}): GossipState {
  return {
    swarm,
    verify,
    receive: testIntake(swarm).receive,
    leaseCounter: () => undefined,
    intentCounter: () => undefined,
    ...change
  }
}
const asRecord = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'record', bytes })
const asLease = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'lease', bytes })
const asIntent = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'intent', bytes })

describe('validateGossip', () => {
  test('accepts a new valid record, which is in the set then', () => {
    const { records, receive } = testIntake(swarm)
    expect(validateGossip(asRecord(record.bytes), state({ receive }))).toEqual({ action: 'accept', kind: 'record' })
    expect(records.has(record.key)).toBe(true)
  })

  test('takes, but does not pass on, a record to which another gives way', () => {
    const [low, , high] = forks as [SignedRecord, SignedRecord, SignedRecord]
    const { records, receive } = testIntake(swarm, forks.slice(1))
    expect(validateGossip(asRecord(low.bytes), state({ receive }))).toMatchObject({
      action: 'ignore',
      reason: 'replaced'
    })
    expect([records.has(low.key), records.has(high.key)]).toEqual([true, false])
  })

  test('accepts a newer lease', () => {
    expect(validateGossip(asLease(lease), state({ leaseCounter: () => 4 }))).toMatchObject({
      action: 'accept',
      lease: { counter: 5 }
    })
  })

  test('accepts a newer intent', () => {
    expect(validateGossip(asIntent(intent), state({ intentCounter: () => 4 }))).toMatchObject({
      action: 'accept',
      intent: { counter: 5, task: 'score' }
    })
  })

  const cases: [string, Uint8Array, Partial<GossipState>, 'ignore' | 'reject', string][] = [
    ['a known record', asRecord(record.bytes), testIntake(swarm, [record]), 'ignore', 'duplicate'],
    ['a third record under one number', asRecord(highest.bytes), testIntake(swarm, forks), 'ignore', 'superseded'],
    ['a record when the quota is used up', asRecord(last.bytes), testIntake(swarm, many), 'ignore', 'over-quota'],
    ['a record over its author’s quota', asRecord(overQuota.bytes), {}, 'ignore', 'over-quota'],
    ['a lease that is not newer', asLease(lease), { leaseCounter: () => 5 }, 'ignore', 'stale'],
    ['an intent that is not newer', asIntent(intent), { intentCounter: () => 5 }, 'ignore', 'stale'],
    ['an intent of another swarm', asIntent(foreignIntent), {}, 'reject', 'wrong-swarm'],
    ['a lease sent as an intent', asIntent(lease), {}, 'reject', 'schema'],
    ['an intent sent as a lease', asLease(intent), {}, 'reject', 'schema'],
    ['an intent signed by nobody', asIntent(lastByteChanged(intent)), {}, 'reject', 'bad-signature'],
    ['a record of another swarm', asRecord(foreign.bytes), {}, 'reject', 'wrong-swarm'],
    ['a lease of another swarm', asLease(foreignLease), {}, 'reject', 'wrong-swarm'],
    ['a lease sent as a record', asRecord(lease), {}, 'reject', 'schema'],
    ['a record sent as a lease', asLease(record.bytes), {}, 'reject', 'schema'],
    ['an empty message', new Uint8Array(), {}, 'reject', 'unknown-tag'],
    ['a tag that a later version may have', Uint8Array.of(4, 1, 2), {}, 'ignore', 'unknown-tag'],
    ['one with more bytes than any message', new Uint8Array(MAX_RECORD_BYTES + 2).fill(4), {}, 'reject', 'unknown-tag'],
    ['a tag that no version has', Uint8Array.of(0x80, 1, 2), {}, 'reject', 'unknown-tag'],
    ['no cbor', Uint8Array.of(1, 0xff), {}, 'reject', 'not-canonical'],
    ['too many bytes', new Uint8Array(MAX_RECORD_BYTES + 2).fill(1), {}, 'reject', 'unknown-tag'],
    ['a partition that does not exist', asLease(nowhere), {}, 'reject', 'out-of-range']
  ]
  test.each(cases)('%s', (_, data, change, action, reason) => {
    expect(validateGossip(data, state(change))).toMatchObject({ action, reason })
  })

  test('rejects every record with one wrong byte', () => {
    for (let i = 0; i < record.bytes.byteLength; i++) {
      const damaged = Uint8Array.from(record.bytes)
      damaged[i] = (damaged[i] as number) ^ 1
      expect(validateGossip(asRecord(damaged), state()).action, `byte ${i}`).toBe('reject')
    }
  })

  test('never throws and never accepts anything that was not signed', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: MAX_RECORD_BYTES + 11 }),
      fc
        .tuple(fc.nat(record.bytes.byteLength), fc.uint8Array({ minLength: 1, maxLength: 8 }))
        .map(([at, insert]) =>
          Uint8Array.from([1, ...record.bytes.subarray(0, at), ...insert, ...record.bytes.subarray(at)])
        ),
      fc.nat(lease.byteLength - 1).map(end => asLease(lease.subarray(0, end)))
    )
    fc.assert(
      fc.property(anything, data => {
        expect(['reject', 'ignore']).toContain(validateGossip(data, state()).action)
      }),
      { numRuns: 2000 }
    )
  })
})

describe('gossip messages', () => {
  test('decode to what was encoded', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('record' as const, 'lease' as const),
        fc.uint8Array({ maxLength: MAX_LEASE_BYTES }),
        (kind, bytes) => {
          expect(decodeGossip(encodeGossip({ kind, bytes }))).toEqual({ kind, bytes })
        }
      )
    )
  })

  test('have a largest size for each kind', () => {
    expect(() => encodeGossip({ kind: 'lease', bytes: new Uint8Array(MAX_LEASE_BYTES + 1) })).toThrow(ProtocolError)
    expect(() => decodeGossip(new Uint8Array(MAX_LEASE_BYTES + 2).fill(2))).toThrow(ProtocolError)
  })
})
