import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { seal } from '../../../src/envelope.ts'
import { InvalidRecordError, type RecordFault } from '../../../src/errors.ts'
import { openLease, sealLease, type Lease } from '../../../src/publish/lease.ts'
import { MAX_RECORD_BYTES, openRecord } from '../../../src/publish/record.ts'
import { anyLease } from '../../helpers/arbitraries.ts'
import { makeScore, makeSwarm, testPeer, verify } from '../../helpers/swarm-factory.ts'

const alice = testPeer('alice')
const mallory = testPeer('mallory')

let swarm: Swarm
beforeAll(async () => {
  swarm = await makeSwarm()
})

/** The fault for which something is refused, or undefined when it is accepted. */
function faultOf(open: () => unknown): RecordFault | undefined {
  try {
    open()
    return undefined
  } catch (error) {
    if (error instanceof InvalidRecordError) return error.reason
    throw error
  }
}

describe('a lease', () => {
  const lease = (change: Partial<Lease> = {}): Lease => ({
    v: 1,
    swarm: swarm.id,
    author: alice.key,
    type: 'lease',
    partition: 1,
    task: 'optimize',
    counter: 3,
    done: 5,
    released: false,
    ...change
  })
  const leaseFault = (bytes: Uint8Array): RecordFault | undefined => faultOf(() => openLease(bytes, swarm, verify))

  test('that is sealed opens as the same lease', async () => {
    await fc.assert(
      fc.asyncProperty(anyLease(swarm), async body => {
        const author = [0, 1, 2, 3, 4].map(testPeer).find(peer => Buffer.compare(peer.key, body.author) === 0) ?? alice
        expect(openLease(await sealLease(body, author.sign), swarm, verify)).toEqual(body)
      })
    )
  })

  test('with any one bit flipped is refused', async () => {
    const bytes = await sealLease(lease(), alice.sign)
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(leaseFault(flipped), `bit ${bit}`).toBeDefined()
    }
  })

  test('is refused with the reason that a record would have', async () => {
    const other = await makeSwarm({ name: 'another swarm' })
    expect(leaseFault(await sealLease(lease({ swarm: other.id }), alice.sign))).toBe('wrong-swarm')
    expect(leaseFault(await sealLease(lease(), mallory.sign))).toBe('bad-signature')
    expect(leaseFault(await sealLease(lease({ partition: 4 }), alice.sign))).toBe('out-of-range')
    expect(leaseFault(await sealLease(lease({ done: 10 }), alice.sign))).toBeUndefined()
    expect(leaseFault(await sealLease(lease({ done: 11 }), alice.sign))).toBe('out-of-range')
    expect(leaseFault(await seal('coopt/1/lease\0', { ...lease(), extra: 1 }, alice.sign))).toBe('schema')
    expect(leaseFault(new Uint8Array(MAX_RECORD_BYTES + 1))).toBe('too-large')
    expect(leaseFault(await seal('coopt/1/record\0', lease(), alice.sign))).toBe('bad-signature')
  })

  test('is no record, and a record is no lease', async () => {
    const bytes = await sealLease(lease(), alice.sign)
    expect(faultOf(() => openRecord(bytes, swarm, verify))).toBe('schema')
    expect(leaseFault((await makeScore(swarm, alice, 0)).bytes)).toBe('schema')
  })
})
