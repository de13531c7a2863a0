import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_GOSSIP_BYTES, MAX_LEASE_BYTES } from '../../../protocols/constants.ts'
import { decodeGossip, encodeGossip } from '../../../protocols/gossip/messages.ts'
import { validateGossip, type GossipState } from '../../../protocols/gossip/validator.ts'
import { ProtocolError } from '../../../src/errors.ts'
import { testKey, testLease, testRecord, testSwarm, verify } from '../../helpers/signed-swarm.ts'

const swarm = await testSwarm({ quotas: { recordsPerPeer: 10, recordBytes: 65_536 } })
const author = testKey(1)
const record = await testRecord(swarm, author, 0)
const lease = await testLease(swarm, author, { counter: 5 })
const other = await testSwarm({ name: 'another' })
const overQuota = await testRecord(swarm, author, 10)
const foreign = await testRecord(other, author, 0)
const foreignLease = await testLease(other, author)
const nowhere = await testLease(swarm, author, { partition: 4 })

function state(change: Partial<GossipState> = {}): GossipState {
  return {
    swarm,
    verify,
    has: () => false,
    full: false,
    isForked: () => false,
    leaseCounter: () => undefined,
    ...change
  }
}
const asRecord = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'record', bytes })
const asLease = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'lease', bytes })

describe('validateGossip', () => {
  test('accepts a new valid record and gives it back', () => {
    expect(validateGossip(asRecord(record.bytes), state())).toMatchObject({
      action: 'accept',
      kind: 'record',
      record: { key: record.key }
    })
  })

  test('accepts a newer lease', () => {
    expect(validateGossip(asLease(lease), state({ leaseCounter: () => 4 }))).toMatchObject({
      action: 'accept',
      lease: { counter: 5 }
    })
  })

  const cases: [string, Uint8Array, Partial<GossipState>, 'ignore' | 'reject', string][] = [
    ['a known record', asRecord(record.bytes), { has: key => key === record.key }, 'ignore', 'duplicate'],
    ['a third record under one number', asRecord(record.bytes), { isForked: () => true }, 'ignore', 'superseded'],
    ['a record when the quota is used up', asRecord(record.bytes), { full: true }, 'ignore', 'full'],
    ['a record over its author’s quota', asRecord(overQuota.bytes), {}, 'ignore', 'over-quota'],
    ['a lease that is not newer', asLease(lease), { leaseCounter: () => 5 }, 'ignore', 'stale'],
    ['a record of another swarm', asRecord(foreign.bytes), {}, 'reject', 'wrong-swarm'],
    ['a lease of another swarm', asLease(foreignLease), {}, 'reject', 'wrong-swarm'],
    ['a lease sent as a record', asRecord(lease), {}, 'reject', 'schema'],
    ['a record sent as a lease', asLease(record.bytes), {}, 'reject', 'schema'],
    ['an empty message', new Uint8Array(), {}, 'reject', 'unknown-tag'],
    ['a tag that a later version may have', Uint8Array.of(3, 1, 2), {}, 'ignore', 'unknown-tag'],
    ['one with more bytes than any message', new Uint8Array(MAX_GOSSIP_BYTES + 1).fill(3), {}, 'reject', 'unknown-tag'],
    ['a tag that no version has', Uint8Array.of(0x80, 1, 2), {}, 'reject', 'unknown-tag'],
    ['no cbor', Uint8Array.of(1, 0xff), {}, 'reject', 'not-canonical'],
    ['too many bytes', new Uint8Array(MAX_GOSSIP_BYTES + 1).fill(1), {}, 'reject', 'unknown-tag'],
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
      fc.uint8Array({ maxLength: MAX_GOSSIP_BYTES + 10 }),
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
