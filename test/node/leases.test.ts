import { beforeEach, describe, expect, test } from 'vitest'
import { createLeaseTable, MAX_OPEN_LEASES_PER_PEER, type LeaseTable } from '../../node/leases.ts'
import type { Lease } from '../../src/publish/record.ts'
import { testCid, testPeer, type TestPeer } from '../helpers/swarm-factory.ts'

const TTL = 60_000
const [self, alice, bob] = [testPeer('self'), testPeer('alice'), testPeer('bob')]

let time: number
let leases: LeaseTable
let counter: number
beforeEach(() => {
  time = 1_000
  counter = 0
  leases = createLeaseTable({ self: self.key, ttlMs: TTL, now: () => time })
})

/** A lease with the next counter, unless `change` says otherwise. */
const lease = (peer: TestPeer, partition: number, change: Partial<Lease> = {}): Lease => ({
  v: 1,
  swarm: testCid('swarm'),
  author: peer.key,
  type: 'lease',
  partition,
  task: 'optimize',
  counter: counter++,
  done: 0,
  released: false,
  ...change
})
const ids = (): string[] =>
  leases.activePeers().map(key => [alice, bob, self].find(p => Buffer.compare(p.key, key) === 0)?.id ?? '?')

describe('a lease table', () => {
  test('is empty at first', () => {
    expect(leases.isHeldByOther(0)).toBe(false)
    expect(leases.activePeers()).toEqual([])
    expect(leases.nextExpiryMs()).toBeUndefined()
  })

  test('knows who is at work on what, and for how long', () => {
    leases.observe(lease(alice, 3))
    time += 1000
    leases.observe(lease(bob, 5))
    expect([3, 4, 5].map(p => leases.isHeldByOther(p))).toEqual([true, false, true])
    expect(ids()).toEqual([alice.id, bob.id])
    expect(leases.nextExpiryMs()).toBe(TTL - 1000)
  })

  test('gives the partition of a peer that went silent to others, to the millisecond', () => {
    leases.observe(lease(alice, 3))
    time += TTL - 1
    expect(leases.isHeldByOther(3)).toBe(true)
    time += 1
    expect(leases.isHeldByOther(3)).toBe(false)
    expect(leases.activePeers()).toEqual([])
  })

  test('honours a lease for as long as renewals show progress', () => {
    for (let done = 0; done < 10; done++) {
      leases.observe(lease(alice, 3, { done }))
      time += TTL - 1
      expect(leases.isHeldByOther(3)).toBe(true)
    }
  })

  test('does not let a peer hold a partition for ever by renewing without progress', () => {
    leases.observe(lease(alice, 3, { done: 5 }))
    for (const done of [5, 4, 0]) {
      time += TTL / 4
      leases.observe(lease(alice, 3, { done }))
    }
    expect(leases.isHeldByOther(3)).toBe(true)
    time += TTL / 4
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('takes no notice of own leases: they came back from others', () => {
    leases.observe(lease(self, 3))
    expect(leases.isHeldByOther(3)).toBe(false)
    expect(leases.activePeers()).toEqual([])
  })

  test('frees a partition at once when it is released', () => {
    leases.observe(lease(alice, 3))
    leases.observe(lease(alice, 3, { released: true }))
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('is not revived by an older renewal that arrives after the release, or out of order', () => {
    const [first, renewal, release] = [
      lease(alice, 3),
      lease(alice, 3, { done: 7 }),
      lease(alice, 3, { released: true })
    ]
    leases.observe(first)
    leases.observe(release)
    leases.observe(renewal)
    leases.observe(first)
    expect(leases.isHeldByOther(3)).toBe(false)
  })

  test('takes a lease after the release of an earlier one', () => {
    leases.observe(lease(alice, 3))
    leases.observe(lease(alice, 3, { released: true }))
    leases.observe(lease(alice, 3))
    expect(leases.isHeldByOther(3)).toBe(true)
  })

  test('honours two leases of a peer at a time, the youngest', () => {
    for (let partition = 0; partition < 10; partition++) {
      leases.observe(lease(alice, partition))
      time += 10
    }
    const held = Array.from({ length: 10 }, (_, p) => p).filter(p => leases.isHeldByOther(p))
    expect(held).toEqual([8, 9])
    expect(held).toHaveLength(MAX_OPEN_LEASES_PER_PEER)
  })

  test.each([
    [1, 0],
    [2, 0],
    [3, 60_000],
    [4, 120_000],
    [5, 240_000],
    [8, 1_920_000],
    [9, 3_600_000],
    [20, 3_600_000]
  ])('after %i leases that ran out without a release does not honour a peer for %i ms', (expiries, backoffMs) => {
    /** Is a new lease of alice honoured `wait` ms after the last one ran out? */
    const honours = (wait: number): boolean => {
      const table = createLeaseTable({ self: self.key, ttlMs: TTL, now: () => time })
      for (let i = 0; i < expiries; i++) {
        table.observe(lease(alice, 3))
        time += TTL
        expect(table.isHeldByOther(3)).toBe(false)
      }
      time += wait
      table.observe(lease(alice, 3))
      table.observe(lease(bob, 4))
      expect(table.isHeldByOther(4)).toBe(true)
      return table.isHeldByOther(3)
    }
    expect(honours(backoffMs)).toBe(true)
    if (backoffMs > 0) expect(honours(backoffMs - 1)).toBe(false)
  })

  test('forgives a peer that finishes something', () => {
    for (let i = 0; i < 10; i++) {
      for (let late = 0; late < 2; late++) {
        leases.observe(lease(alice, 3))
        time += TTL
        expect(leases.isHeldByOther(3)).toBe(false)
      }
      leases.observe(lease(alice, 3))
      expect(leases.isHeldByOther(3)).toBe(true)
      leases.observe(lease(alice, 3, { released: true }))
    }
  })

  test('keeps 4,096 authors, and forgets those whose leases ran out before it turns one away', () => {
    const stranger = (n: number): TestPeer => {
      const key = new Uint8Array(32)
      new DataView(key.buffer).setUint32(0, n + 1)
      return { ...alice, key }
    }
    for (let n = 0; n < 4096; n++) leases.observe(lease(stranger(n), n % 100))
    leases.observe(lease(alice, 200))
    expect(leases.isHeldByOther(200)).toBe(false)
    expect(leases.activePeers()).toHaveLength(4096)
    time += TTL
    leases.observe(lease(alice, 200))
    expect(leases.isHeldByOther(200)).toBe(true)
    expect(leases.activePeers()).toHaveLength(1)
  })

  test('counts on a clock that only goes forward: nothing expires while it stands still', () => {
    leases.observe(lease(alice, 3))
    for (let i = 0; i < 1000; i++) expect(leases.isHeldByOther(3)).toBe(true)
    expect(leases.nextExpiryMs()).toBe(TTL)
  })
})
